"""What a customer did, and what happened to the customer: every touchpoint up to a day, with its file and line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from cip_assets.app.lake import Lake, Row
from cip_assets.layers import SOURCE_TABLES

KINDS: Mapping[str, str] = {
    "transactions": "Orders",
    "returns": "Returns",
    "support_tickets": "Tickets",
    "web_activity": "Sessions",
}
"""The kinds of touchpoints, by their table."""


COLUMNS: Mapping[str, str] = {
    "transactions": "transaction_id, order_id, product_id, quantity, amount, payment_method",
    "returns": "return_id, transaction_id, product_id, amount, return_reason",
    "support_tickets": "ticket_id, ticket_category, priority, status, closed_on",
    "web_activity": "session_id, activity_type, product_id",
}
"""What is read of each table, besides the day, the file and the line."""


@dataclass(frozen=True)
class Line:
    """A source row of a touchpoint."""

    text: str
    table: str
    row: Row
    amount: Decimal | None = None
    note: str = ""

    @property
    def place(self) -> str:
        return f"{self.row['source_file']}:{self.row['source_line']}"


@dataclass(frozen=True)
class Touchpoint:
    """An order, a return, a ticket, or the sessions of a day."""

    day: date
    kind: str
    title: str
    text: str = ""
    amount: Decimal | None = None
    anchor: str = ""
    lines: Sequence[Line] = field(default_factory=tuple)


@dataclass(frozen=True)
class Events:
    """The rows of a customer in the cleaned tables, up to a day."""

    rows: Mapping[str, Sequence[Row]]
    until: date

    def touchpoints(self) -> Sequence[Touchpoint]:
        """All of them, the newest first."""
        found = [*self._orders(), *self._returns(), *self._tickets(), *self._sessions()]
        places = list(KINDS)
        return sorted(found, key=lambda each: (-each.day.toordinal(), places.index(each.kind), each.title))

    def _orders(self) -> Sequence[Touchpoint]:
        returned = {row["transaction_id"]: row for row in self.rows["returns"] if row["transaction_id"]}
        orders: dict[tuple[date, str], list[Row]] = {}
        for row in self.rows["transactions"]:
            orders.setdefault((row["transaction_date"], row["order_id"]), []).append(row)
        return [
            Touchpoint(
                day,
                "transactions",
                f"Order {order}",
                f"{_counted(len(rows), 'line')}, {', '.join(sorted({row['payment_method'] for row in rows}))}",
                _total(rows),
                order,
                [
                    Line(
                        f"{row['quantity']} \u00d7 {_product(row)}",
                        "transactions",
                        row,
                        row["amount"],
                        "returned" if row["transaction_id"] in returned else "",
                    )
                    for row in rows
                ],
            )
            for (day, order), rows in orders.items()
        ]

    def _returns(self) -> Sequence[Touchpoint]:
        return [
            Touchpoint(
                row["return_date"],
                "returns",
                f"Return {row['return_id']}",
                row["return_reason"],
                row["amount"],
                lines=[Line(_product(row), "returns", row, row["amount"])],
            )
            for row in self.rows["returns"]
        ]

    def _tickets(self) -> Sequence[Touchpoint]:
        return [
            Touchpoint(
                row["opened_date"],
                "support_tickets",
                f"Ticket {row['ticket_id']}",
                f"{row['ticket_category']}, priority {row['priority']}, {self._state(row)}",
                lines=[Line(f"Status when delivered: {row['status']}", "support_tickets", row)],
            )
            for row in self.rows["support_tickets"]
        ]

    def _state(self, ticket: Row) -> str:
        closed = ticket["closed_on"]
        if closed is None or closed > self.until:
            return f"open for {_counted((self.until - ticket['opened_date']).days, 'day')}"
        return f"closed after {_counted((closed - ticket['opened_date']).days, 'day')}, on {closed}"

    def _sessions(self) -> Sequence[Touchpoint]:
        days: dict[date, list[Row]] = {}
        for row in self.rows["web_activity"]:
            days.setdefault(row["timestamp"].date(), []).append(row)
        return [
            Touchpoint(
                day,
                "web_activity",
                _counted(len(rows), "session"),
                ", ".join(f"{kind} {count}" for kind, count in _counts(rows).items()),
                lines=[
                    Line(
                        f"{row['timestamp']:%H:%M} {row['activity_type'] or 'No activity type'}"
                        f"{' ' + _product(row) if row['product_id'] else ''}",
                        "web_activity",
                        row,
                    )
                    for row in rows
                ],
            )
            for day, rows in days.items()
        ]


def events_of(lake: Lake, customer_id: str, until: date) -> Events:
    """The rows of a customer up to a day, in the order of the day and of the source."""
    found: dict[str, Sequence[Row]] = {}
    for table, columns in COLUMNS.items():
        dated = SOURCE_TABLES[table].event_date
        own = f"""SELECT {columns}, {dated}, source_file, source_line FROM "cleaned/{table}"
            WHERE customer_id = ? AND {dated}::DATE <= ?"""
        order = f"ORDER BY {dated}, source_file, source_line"
        if "product_id" in columns:
            own = f"""SELECT own.*, product_name, category, brand FROM ({own}) AS own
                LEFT JOIN "cleaned/products" USING (product_id)"""
        found[table] = lake.rows(f"{own} {order}", [customer_id, until])
    return Events(found, until)


def day_of(table: str, row: Row) -> date:
    """The day of an event."""
    value: Any = row[SOURCE_TABLES[table].event_date or ""]
    return value.date() if isinstance(value, datetime) else value


def _product(row: Row) -> str:
    return row["product_name"] or row["product_id"] or "Product not given"


def _total(rows: Sequence[Row]) -> Decimal | None:
    """The sum of the amounts; None if one is unknown."""
    amounts = [row["amount"] for row in rows]
    return None if None in amounts else sum(amounts, Decimal())


def _counts(rows: Sequence[Row]) -> Mapping[str, int]:
    kinds = sorted(row["activity_type"] or "No activity type" for row in rows)
    return {kind: kinds.count(kind) for kind in kinds}


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
