"""Why a customer's segment or churn band changed between two snapshots: the scores behind it, and the source rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow.compute as pc

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES
from cip_assets.storage import delta

SHOWN = (
    "rfm_segment",
    "value_segment",
    "churn_band",
    "churn_probability",
    "churn_model",
    "churn_reasons",
    "r_score",
    "f_score",
    "m_score",
    "recency_days",
    "frequency",
    "monetary_value",
    "total_returns",
    "total_sessions",
    "open_tickets",
)
"""What of customer_360 is compared."""

SCORED = {"r_score": "recency_days", "f_score": "frequency", "m_score": "monetary_value"}
WHAT = {
    "transactions": ("transaction_id", "amount"),
    "returns": ("return_id", "amount"),
    "support_tickets": ("ticket_id", "status"),
    "web_activity": ("session_id", "activity_type"),
}
"""What is told of a row of each table: its id, and the column that says most."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """A source row of the customer between the two days."""

    day: date
    table: str
    text: str
    source: str
    """Its file and line."""


@dataclass(frozen=True)
class Explanation:
    """What was and what is, by column; why, in words; and what happened in between."""

    changes: Sequence[tuple[str, object, object]]
    reasons: Sequence[str]
    events: Sequence[Event]


def explain(settings: Settings, customer_id: str, first: date, last: date) -> Explanation:
    """Compare a customer's snapshots of two days.

    Raises:
        PlatformError: there is no snapshot of a day, or it does not know the customer, or the days are not in order.

    """
    if first >= last:
        raise PlatformError(f"--from {first} must be before --to {last}")
    then, now = (_customer(settings, customer_id, day) for day in (first, last))
    cuts = [_cut_points(settings, day) for day in (first, last)]
    events = sorted(_events(settings, customer_id, first, last), key=lambda event: (event.day, event.source))
    changes = [(name, then[name], now[name]) for name in SHOWN if then[name] != now[name]]
    return Explanation(changes, list(_reasons(then, now, cuts, events)), events)


def _reasons(
    then: Row, now: Row, cuts: Sequence[Mapping[str, Row]], events: Sequence[Event]
) -> Iterator[str]:
    for name in ("rfm_segment", "churn_band"):
        if then[name] == now[name]:
            yield f"{name} is {now[name]} on both days"
    for score, metric in SCORED.items():
        if then[score] == now[score]:
            continue
        before, after = then[metric], now[metric]
        if before == after:
            yield f"{score} {then[score]} -> {now[score]}: {metric} stayed {after}, but other customers' moved"
        else:
            yield f"{score} {then[score]} -> {now[score]}: {metric} {before} -> {after}"
        limits = [
            ", ".join(f"{cut[metric][f'p{p}']:f}" for p in (20, 40, 60, 80)) for cut in cuts if metric in cut
        ]
        if len(set(limits)) > 1:
            yield f"  the limits of {score} moved from {limits[0]} to {limits[1]}"
    if then["churn_model"] != now["churn_model"]:
        yield f"another model speaks of churn: {then['churn_model']} then, {now['churn_model']} now"
    said, says = (set(filter(None, str(row["churn_reasons"] or "").split("; "))) for row in (then, now))
    for reason in sorted(says - said):
        yield f"speaks for churn now: {reason}"
    for reason in sorted(said - says):
        yield f"speaks for churn no more: {reason}"
    if not any(event.table == "transactions" for event in events):
        yield "no purchase in between"


def _customer(settings: Settings, customer_id: str, day: date) -> Row:
    found = _of_day(settings, "marts", "customer_360", day, pc.field("customer_id") == customer_id)
    if not found:
        raise PlatformError(
            f"marts/customer_360: customer {customer_id!r} is not known on {day}; check the id"
        )
    return found[0]


def _cut_points(settings: Settings, day: date) -> Mapping[str, Row]:
    return {row["metric"]: row for row in _of_day(settings, "features", "rfm_cut_points", day)}


def _of_day(settings: Settings, layer: str, table: str, day: date, only: Any = None) -> Sequence[Row]:
    uri = settings.table_uri(layer, table)
    days = delta.slices(uri, "as_of_date") if delta.exists(uri) else set()
    if day not in days:
        there = ", ".join(map(str, sorted(days)[-5:])) or "none"
        raise PlatformError(
            f"{layer}/{table} has no snapshot of {day} (the latest: {there}); make it with: cip run --as-of {day}"
        )
    wanted = pc.field("as_of_date") == day
    rows = (
        delta.open_table(uri).to_pyarrow_dataset().to_table(filter=wanted if only is None else wanted & only)
    )
    found: Sequence[Row] = rows.to_pylist()
    return found


def _events(settings: Settings, customer_id: str, first: date, last: date) -> Iterator[Event]:
    for table in EVENT_TABLES:
        dated = SOURCE_TABLES[table].event_date or ""
        rows = (
            delta.open_table(settings.table_uri("cleaned", table))
            .to_pyarrow_dataset()
            .to_table(
                columns=[*WHAT[table], dated, "source_file", "source_line"],
                filter=pc.field("customer_id") == customer_id,
            )
        )
        for row in rows.to_pylist():
            day = row[dated].date() if hasattr(row[dated], "date") else row[dated]
            if first < day <= last:
                id_column, says = WHAT[table]
                text = f"{row[id_column]} {row[says]}"
                yield Event(day, table, text, f"{row['source_file']}:{row['source_line']}")
