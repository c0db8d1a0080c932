"""What the page of a customer shows of a day, read from the tables; how it looks is in the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

from cip_assets.app.access import Viewer
from cip_assets.app.lake import CUSTOMERS, Lake, Row
from cip_assets.app.timeline import Events, day_of, events_of
from cip_assets.layers import EVENT_TABLES, contract_of
from cip_assets.reporting.explain import SHOWN, WHAT, Event, Explanation, compare
from cip_assets.storage.csv_query import as_far_as_allowed

MOVES = ("rfm_segment", "value_segment", "churn_band")
"""The columns whose changes are moves."""

REASONS = "; "


@dataclass(frozen=True)
class Move:
    """A change of a segment or a band between two stored days that follow each other, and why."""

    first: date
    last: date
    changes: Sequence[tuple[str, str, str]]
    why: Explanation


@dataclass(frozen=True)
class Reason:
    """A reason for churn, and how buyers with it did in the last window; empty if that was not tested."""

    reason: str
    buyers: int | None = None
    churned_share: Decimal | None = None
    effect: Decimal | None = None
    z_score: Decimal | None = None

    @property
    def is_certain(self) -> bool:
        return self.z_score is not None and self.z_score >= 3


@dataclass(frozen=True)
class Customer:
    """A customer as of a day. ``row`` is that of ``marts/customer_360``; None if the table lacks the customer then."""

    customer_id: str
    day: date
    row: Row | None
    stays: Sequence[Row]
    moves: Sequence[Move]
    reasons: Sequence[Reason]
    events: Events

    @property
    def is_known(self) -> bool:
        return self.row is not None or any(self.events.rows.values())

    def spend_by(self, column: str) -> Sequence[tuple[str, Decimal, int]]:
        """What was spent, and the lines, by a column of the products; the most first. Unknown amounts count 0."""
        found: dict[str, tuple[Decimal, int]] = {}
        for row in self.events.rows["transactions"]:
            name = row[column] or "Not in the catalog"
            spent, lines = found.get(name, (Decimal(), 0))
            found[name] = (spent + (row["amount"] or 0), lines + 1)
        return sorted(((name, *rest) for name, rest in found.items()), key=lambda each: (-each[1], each[0]))

    def spend_by_month(self) -> Sequence[tuple[date, Decimal]]:
        """What was spent in each month, from that of the first purchase to that of the day."""
        rows = self.events.rows["transactions"]
        if not rows:
            return []
        month, last = min(row["transaction_date"] for row in rows).replace(day=1), self.day.replace(day=1)
        found: dict[date, Decimal] = {}
        while month <= last:
            found[month] = Decimal()
            month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        for row in rows:
            found[row["transaction_date"].replace(day=1)] += row["amount"] or 0
        return list(found.items())


def customer(lake: Lake, viewer: Viewer, customer_id: str, day: date) -> Customer:
    """Read what is known of a customer on a snapshot day."""
    events = events_of(lake, customer_id, day)
    contract = contract_of(*CUSTOMERS.split("/"))
    columns = [
        as_far_as_allowed(name, viewer.shown(name)) if contract.is_pii(name) else name
        for name in contract.columns
    ]
    found = lake.rows(
        f'SELECT {", ".join(columns)} FROM "{CUSTOMERS}" WHERE customer_id = ?', [customer_id], day
    )
    row = found[0] if found else None
    stays = lake.rows(
        f"""SELECT as_of_date, {", ".join(SHOWN)} FROM "{CUSTOMERS}" WHERE customer_id = ? AND as_of_date <= ?
        ORDER BY as_of_date""",
        [customer_id, day],
    )
    return Customer(
        customer_id,
        day,
        row,
        stays,
        _moves(lake, stays, events),
        _reasons(lake, row, day) if row else [],
        events,
    )


def _moves(lake: Lake, stays: Sequence[Row], events: Events) -> Sequence[Move]:
    """The moves, the newest first."""
    moved = [(then, now) for then, now in pairwise(stays) if any(then[name] != now[name] for name in MOVES)]
    cuts = _cut_points(lake, {row["as_of_date"] for pair in moved for row in pair})
    found = []
    for then, now in reversed(moved):
        first, last = then["as_of_date"], now["as_of_date"]
        why = compare(then, now, [cuts.get(first, {}), cuts.get(last, {})], _between(events, first, last))
        changes = [(name, then[name] or "", now[name] or "") for name in MOVES if then[name] != now[name]]
        found.append(Move(first, last, changes, why))
    return found


def _cut_points(lake: Lake, days: set[date]) -> Mapping[date, Mapping[str, Row]]:
    if not days:
        return {}
    wanted = ", ".join("?" * len(days))
    rows = lake.rows(f'SELECT * FROM "features/rfm_cut_points" WHERE as_of_date IN ({wanted})', sorted(days))
    found: dict[date, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["as_of_date"], {})[row["metric"]] = row
    return found


def _between(events: Events, first: date, last: date) -> Sequence[Event]:
    """The source rows dated after one day and up to another."""
    found = []
    for table in EVENT_TABLES:
        id_column, column = WHAT[table]
        for row in events.rows[table]:
            if first < (day := day_of(table, row)) <= last:
                place = f"{row['source_file']}:{row['source_line']}"
                found.append(Event(day, table, f"{row[id_column]} {row[column]}", place))
    return sorted(found, key=lambda event: (event.day, event.source))


def _reasons(lake: Lake, row: Row, day: date) -> Sequence[Reason]:
    """The churn reasons of a customer, the largest first, with the test of each."""
    named = [reason for reason in str(row["churn_reasons"] or "").split(REASONS) if reason]
    if not named or not lake.has("marts/reason_effects", day):
        return [Reason(reason) for reason in named]
    rows = lake.rows(
        'SELECT reason, buyers, churned_share, effect, z_score FROM "marts/reason_effects"', (), day
    )
    effects = {each["reason"]: Reason(**each) for each in rows}
    return [effects.get(reason, Reason(reason)) for reason in named]
