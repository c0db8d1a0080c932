"""A snapshot uses only what was known on the snapshot day D. Later rows and the order of rows have no effect."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import EVENT_TABLES, FACTS_OF, SOURCE_TABLES
from cip_assets.layers.features.population import population
from cip_assets_tests.layers.chain import Sources, snapshot
from cip_assets_tests.layers.frames import Row, frame_of, month_of
from cip_assets_tests.layers.ten_customers import D, ten_customers

Tables = Mapping[str, list[Row]]


def content(tables: Tables) -> dict[str, Counter[tuple[Any, ...]]]:
    """The rows of each table, regardless of order."""
    return {name: Counter(tuple(row.values()) for row in rows) for name, rows in tables.items()}


def day_of(row: Row, table: str) -> date:
    moment: date = row[SOURCE_TABLES[table].event_date or ""]
    return moment.date() if isinstance(moment, datetime) else moment


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def known_by(sources: Sources, day: date) -> Sources:
    """The sources without events and ticket resolutions dated after a day."""
    known = dict(sources)
    for table in EVENT_TABLES:
        known[table] = [dict(row) for row in sources[table] if day_of(row, table) <= day]
    for ticket in known["support_tickets"]:
        if ticket["resolved_date"] and ticket["resolved_date"] > day:
            # The ticket was not resolved yet, so its status cannot have been Resolved or Closed.
            ticket |= {"resolved_date": None, "status": "Open"}
    return known


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


@pytest.mark.parametrize("seed", [pytest.param(1, marks=pytest.mark.engine), 2, 3])
def test_later_rows_and_the_order_of_rows_have_no_effect(
    spark: SparkSession, rules: Rules, tables: Tables, seed: int
) -> None:
    sources = with_another_future(ten_customers(), D, seed)
    assert content(snapshot(spark, sources, D, rules)) == content(tables)


@pytest.mark.parametrize("day", [date(2024, 1, 10), date(2024, 2, 29), date(2024, 4, 15), D])
def test_the_snapshot_of_a_past_day_is_as_it_was_then(
    spark: SparkSession, rules: Rules, tables: Tables, day: date
) -> None:
    then = snapshot(spark, known_by(ten_customers(), day), day, rules)
    now = tables if day == D else snapshot(spark, ten_customers(), day, rules)
    assert content(now) == content(then)


@pytest.mark.parametrize("table", EVENT_TABLES)
def test_events_on_the_snapshot_day_count(
    spark: SparkSession, rules: Rules, tables: Tables, table: str
) -> None:
    """Without this test, the tests above would pass for tables that ignore their inputs."""
    source = SOURCE_TABLES[table]
    sources = dict(ten_customers())
    today = {source.event_date: midnight(D) if table == "web_activity" else D}
    row = {**sources[table][0], source.id_column: "today", "customer_id": "hal", "month": month_of(D)} | today
    sources[table] = [*sources[table], row]
    before, after = content(tables), content(snapshot(spark, sources, D, rules))
    changed = {name for name in before if before[name] != after[name]}
    assert (
        changed
        >= {
            "transactions": {
                "features/purchases",
                "features/preferences",
                "features/rfm",
                "features/rfm_cut_points",
                "features/segments",
                "features/churn",
                "features/clv",
                "marts/customer_360",
                "marts/cohort_retention",
                "marts/kpi_totals",
                "marts/kpi_revenue_segment",
                "marts/kpi_monthly_revenue",
                "marts/kpi_top_customers",
                "marts/kpi_top_products",
                "marts/kpi_trends",
            },
            "returns": {"features/returns", "marts/customer_360", "marts/kpi_totals", "marts/kpi_trends"},
            "support_tickets": {"features/support", "marts/customer_360", "marts/kpi_trends"},
            "web_activity": {
                "features/engagement",
                "marts/customer_360",
                "marts/kpi_activity",
                "marts/kpi_trends",
            },
        }[table]
    )


@pytest.mark.parametrize("table", EVENT_TABLES)
def test_an_event_by_the_snapshot_day_adds_a_customer_who_signed_up_later(
    spark: SparkSession, table: str
) -> None:
    """jon signed up after D, but with any event by D, jon is in the population."""
    sources = dict(ten_customers())
    early = {**sources[table][0], SOURCE_TABLES[table].id_column: "early", "customer_id": "jon"}
    sources[table] = [*sources[table], early]
    frames = {
        name: frame_of(spark, SOURCE_TABLES[name].cleaned.spark_schema, sources[name])
        for name in ("customers", *EVENT_TABLES)
    }
    for source, facts in FACTS_OF.items():
        frames[facts.contract.table] = facts(frames.pop(source))
    known = population(**frames, as_of=D).collect()
    assert "jon" in {row["customer_id"] for row in known}
