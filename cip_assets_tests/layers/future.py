"""What may happen after a snapshot day, and must not show in its snapshot."""

import random
from datetime import UTC, date, datetime, timedelta

from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES
from cip_assets_tests.layers.chain import Sources
from cip_assets_tests.layers.frames import Row, month_of


def day_of(row: Row, table: str) -> date:
    moment: date = row[SOURCE_TABLES[table].event_date or ""]
    return moment.date() if isinstance(moment, datetime) else moment


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def with_another_future(sources: Sources, day: date, seed: int) -> Sources:
    """The sources with other rows after the day (some removed, changed or added), and all rows in another order."""
    chance = random.Random(seed)
    new_customers = [
        {
            **chance.choice(sources["customers"]),
            "customer_id": f"new{n}",
            "signup_date": day + timedelta(days=n),
        }
        for n in range(1, 4)
    ]
    everybody = [row["customer_id"] for row in [*sources["customers"], *new_customers]] + ["zoe", "nobody"]
    changed: dict[str, list[Row]] = {
        "customers": [*sources["customers"], *new_customers],
        "products": list(sources["products"]),
    }
    for table in EVENT_TABLES:
        source = SOURCE_TABLES[table]
        past = [row for row in sources[table] if day_of(row, table) <= day]
        future = [row for row in sources[table] if day_of(row, table) > day]
        kept = [row for row in future if chance.random() < 0.5]
        for number in range(8):
            later = day + timedelta(days=chance.randint(1, 100))
            moment = midnight(later) if table == "web_activity" else later
            row = {
                **chance.choice(past),
                source.id_column: f"later{number}",
                "customer_id": chance.choice(everybody),
                source.event_date: moment,
                "month": month_of(later),
            }
            kept.append(row)
        changed[table] = past + kept
    changed["support_tickets"] = [
        row | {"resolved_date": day + timedelta(days=chance.randint(1, 9))}
        if row["resolved_date"] and row["resolved_date"] > day
        else row
        for row in changed["support_tickets"]
    ]
    for rows in changed.values():
        chance.shuffle(rows)
    return changed
