"""Why a customer's segment or churn band changed between two snapshots: the scores, and the source rows in between."""

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
    "forecast_model",
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
"""The columns of customer_360 that are compared."""

SCORED = {"r_score": "recency_days", "f_score": "frequency", "m_score": "monetary_value"}
WHAT = {
    "transactions": ("transaction_id", "amount"),
    "returns": ("return_id", "amount"),
    "support_tickets": ("ticket_id", "status"),
    "web_activity": ("session_id", "activity_type"),
}
"""What is shown of a row of each table: its id, and the most informative column."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """A source row of the customer, dated between the two days."""

    day: date
    table: str
    text: str
    source: str
    """Its file and line."""


@dataclass(frozen=True)
class Explanation:
    """Each changed column with its two values, the reasons in words, and the events in between."""

    changes: Sequence[tuple[str, object, object]]
    reasons: Sequence[str]
    events: Sequence[Event]


def explain(settings: Settings, customer_id: str, first: date, last: date) -> Explanation:
    """Compare a customer's snapshots of two days.

    Raises:
        PlatformError: a day has no snapshot, a snapshot lacks the customer, or the days are not in order.

    """
    if first >= last:
        raise PlatformError(f"--from {first} must be before --to {last}")
    then, now = (_customer(settings, customer_id, day) for day in (first, last))
    cuts = [_cut_points(settings, day) for day in (first, last)]
    events = sorted(_events(settings, customer_id, first, last), key=lambda event: (event.day, event.source))
    return compare(then, now, cuts, events)


def compare(then: Row, now: Row, cuts: Sequence[Mapping[str, Row]], events: Sequence[Event]) -> Explanation:
    """Compare a customer's rows of two days.

    Args:
        then: the row of the earlier day, with the columns in ``SHOWN``.
        now: that of the later day.
        cuts: the cut-points of the scores on both days, by metric.
        events: what happened in between.

    """
    changes = [(name, then[name], now[name]) for name in SHOWN if then[name] != now[name]]
    return Explanation(changes, list(_reasons(then, now, cuts, events)), events)


def _reasons(
    then: Row, now: Row, cuts: Sequence[Mapping[str, Row]], events: Sequence[Event]
) -> Iterator[str]:
    for name in ("rfm_segment", "churn_band"):
        if then[name] == now[name]:
            yield f"{name} is {now[name] or 'empty'} on both days"
    for score, metric in SCORED.items():
        if then[score] == now[score]:
            continue
        before, after = then[metric], now[metric]
        unchanged = f"{metric} is still {after}, but other customers' values changed"
        why = unchanged if before == after else f"{metric} {before} -> {after}"
        yield f"{score} {then[score]} -> {now[score]}: {why}"
        limits = [
            ", ".join(f"{cut[metric][f'p{p}']:f}" for p in (20, 40, 60, 80)) for cut in cuts if metric in cut
        ]
        if len(set(limits)) > 1:
            yield f"  cut-points of {score}: {limits[0]} -> {limits[1]}"
    if then["forecast_model"] != now["forecast_model"]:
        yield f"forecast model changed: {then['forecast_model']} -> {now['forecast_model']}"
    old, new = (set(filter(None, str(row["churn_reasons"] or "").split("; "))) for row in (then, now))
    for reason in sorted(new - old):
        yield f"new churn reason: {reason}"
    for reason in sorted(old - new):
        yield f"churn reason gone: {reason}"
    if not any(event.table == "transactions" for event in events):
        yield "no purchase between the two days"


def _customer(settings: Settings, customer_id: str, day: date) -> Row:
    found = _of_day(settings, "marts", "customer_360", day, pc.field("customer_id") == customer_id)
    if not found:
        raise PlatformError(f"marts/customer_360: unknown customer {customer_id!r} on {day}. Check the id")
    return found[0]


def _cut_points(settings: Settings, day: date) -> Mapping[str, Row]:
    return {row["metric"]: row for row in _of_day(settings, "features", "rfm_cut_points", day)}


def _of_day(settings: Settings, layer: str, table: str, day: date, only: Any = None) -> Sequence[Row]:
    uri = settings.table_uri(layer, table)
    days = delta.slices(uri, "as_of_date") if delta.exists(uri) else set()
    if day not in days:
        latest = ", ".join(map(str, sorted(days)[-5:])) or "none"
        raise PlatformError(
            f"{layer}/{table} has no snapshot of {day} (latest: {latest}). Compute it with: cip run --as-of {day}"
        )
    wanted = pc.field("as_of_date") == day
    rows = delta.dataset(uri).to_table(filter=wanted if only is None else wanted & only)
    found: Sequence[Row] = rows.to_pylist()
    return found


def _events(settings: Settings, customer_id: str, first: date, last: date) -> Iterator[Event]:
    for table in EVENT_TABLES:
        dated = SOURCE_TABLES[table].event_date or ""
        rows = delta.dataset(settings.table_uri("cleaned", table)).to_table(
            columns=[*WHAT[table], dated, "source_file", "source_line"],
            filter=pc.field("customer_id") == customer_id,
        )
        for row in rows.to_pylist():
            day = row[dated].date() if hasattr(row[dated], "date") else row[dated]
            if first < day <= last:
                id_column, column = WHAT[table]
                text = f"{row[id_column]} {row[column]}"
                yield Event(day, table, text, f"{row['source_file']}:{row['source_line']}")
