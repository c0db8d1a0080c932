"""The planted defects, one per defective line, and the expected outcome of each.

A line that must be quarantined is an additional one: a copy of a clean row with a new id. So the clean rows and their
totals stay known. A line that must be kept is a clean row with a minor defect. A superseded line comes with the later
line that replaces it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cip_assets.synthetic.tables import ACTIVITY_TYPES, COLUMNS, REGIONS, SNAPSHOTS

Row = dict[str, str]
Outcome = Literal["quarantined", "superseded", "kept"]
Damage = Callable[[Row, np.random.Generator], list[str]]
"""A function from a clean row to the fields of the defective line."""


@dataclass(frozen=True)
class Defect:
    """A kind of defect in one table.

    `redelivered` is the place of the line that replaces a superseded one: later in the same file, or in the file of the
    next month. It is None for the other outcomes.
    """

    kind: str
    outcome: Outcome
    reason: str
    damage: Damage
    redelivered: Literal["same file", "next file"] | None = None


ORPHAN: Final = Defect("orphan", "kept", "customer_id:orphan", lambda row, _: list(row.values()))
"""This defect is not planted line by line: it is every event of customers who are missing from customers.csv."""


def _replace(column: str, values: Callable[[Row], tuple[str, ...]]) -> Damage:
    """Replace the column's value with one of these values."""

    def damage(row: Row, rng: np.random.Generator) -> list[str]:
        choices = values(row)
        return list((row | {column: choices[int(rng.integers(len(choices)))]}).values())

    return damage


def _missing(column: str) -> Defect:
    return Defect("missing", "quarantined", f"{column}:missing", _replace(column, lambda _: ("", "  ")))


def _not_a_date(column: str) -> Defect:
    bad = ("not known", "31/12/2024", "2024-13-45", "2024-02-30")
    return Defect("not_a_date", "quarantined", f"{column}:not_a_date", _replace(column, lambda _: bad))


def _outside_calendar(column: str) -> Defect:
    def values(row: Row) -> tuple[str, ...]:
        before = ("2019-05-03", "2022-12-31")
        # A ticket opened in the future would be resolved before it was opened, which is a second defect.
        if column == "opened_date":
            return before
        # Five years after the event is after the current month, where every calendar ends.
        return (*before, f"{int(row[column][:4]) + 5}-01-01")

    return Defect("outside_calendar", "quarantined", f"{column}:outside_calendar", _replace(column, values))


def _not_a_number(column: str) -> Defect:
    bad = ("abc", "12,50", "1.2.3")
    return Defect("not_a_number", "quarantined", f"{column}:not_a_number", _replace(column, lambda _: bad))


def _below_minimum(column: str) -> Defect:
    def values(row: Row) -> tuple[str, ...]:
        return ("0", "-1") if column == "quantity" else (f"-{row[column]}", "-0.01")

    return Defect("below_minimum", "quarantined", f"{column}:below_minimum", _replace(column, values))


def _resolved_before_opened() -> Defect:
    def values(row: Row) -> tuple[str, ...]:
        opened = np.datetime64(row["opened_date"])
        return (str(opened - 1), str(opened - 12))

    return Defect(
        "resolved_before_opened",
        "quarantined",
        "resolved_date:before_opened_date",
        _replace("resolved_date", values),
    )


def _ragged() -> tuple[Defect, Defect]:
    return (
        Defect("too_few_fields", "quarantined", "row:too_few_fields", lambda row, _: list(row.values())[:-2]),
        Defect(
            "too_many_fields", "quarantined", "row:too_many_fields", lambda row, _: [*row.values(), "extra"]
        ),
    )


def _noncanonical(column: str) -> Defect:
    def values(row: Row) -> tuple[str, ...]:
        value = row[column]
        return (" " + value.lower().replace(" ", "  "), value.upper(), value.lower() + " ")

    return Defect("noncanonical", "kept", f"{column}:noncanonical", _replace(column, values))


def _filled(column: str) -> Defect:
    return Defect("empty", "kept", f"{column}:filled", _replace(column, lambda _: ("",)))


def _implausible_email() -> Defect:
    def values(row: Row) -> tuple[str, ...]:
        local, domain = row["email"].split("@")
        return (f"{local} at {domain}", local, f"{local}@", f"{local}@@{domain}")

    return Defect("implausible", "kept", "email:implausible", _replace("email", values))


def _implausible_birth() -> Defect:
    bad = ("1850-01-01", "1899-12-31", "2199-06-15")
    return Defect(
        "implausible", "kept", "date_of_birth:implausible", _replace("date_of_birth", lambda _: bad)
    )


def _exact_copy(table: str) -> Defect:
    """The same line twice in a file."""
    return Defect(
        "exact_copy",
        "superseded",
        f"{COLUMNS[table][0]}:superseded",
        lambda row, _: list(row.values()),
        "same file",
    )


def _corrected(table: str, earlier: Callable[[Row], Row]) -> Defect:
    """An earlier version of a row, which is corrected in a later delivery, or later in the same full delivery."""
    where: Literal["same file", "next file"] = "same file" if table in SNAPSHOTS else "next file"
    return Defect(
        "corrected",
        "superseded",
        f"{COLUMNS[table][0]}:superseded",
        lambda row, _: list(earlier(row).values()),
        where,
    )


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _other(value: str, values: tuple[str, ...]) -> str:
    return values[(values.index(value) + 1) % len(values)]


def _one_piece_more(row: Row) -> Row:
    quantity = int(row["quantity"]) + 1
    return row | {"quantity": str(quantity), "amount": _amount(quantity * _cents(row["price"]))}


def _half_returned(row: Row) -> Row:
    return row | {"amount": _amount(_cents(row["amount"]) // 2)}


def _still_open(row: Row) -> Row:
    return row | {"status": "Pending" if row["status"] == "Open" else "Open", "resolved_date": ""}


def _common(table: str, event_date: str) -> tuple[Defect, ...]:
    """The defects that every event table has."""
    return (
        _missing(COLUMNS[table][0]),
        _missing("customer_id"),
        _missing(event_date),
        _not_a_date(event_date),
        _outside_calendar(event_date),
        *_ragged(),
        _exact_copy(table),
    )


DEFECTS: Final[dict[str, tuple[Defect, ...]]] = {
    "customers": (
        _missing("customer_id"),
        *_ragged(),
        _not_a_date("signup_date"),
        _implausible_email(),
        _implausible_birth(),
        _noncanonical("gender"),
        _noncanonical("region"),
        _noncanonical("customer_segment"),
        _exact_copy("customers"),
        _corrected("customers", lambda row: row | {"region": _other(row["region"], REGIONS)}),
    ),
    "products": (
        _missing("product_id"),
        _below_minimum("cost_price"),
        _not_a_number("selling_price"),
        *_ragged(),
        _filled("product_name"),
        _filled("brand"),
        _filled("category"),
        _exact_copy("products"),
    ),
    "transactions": (
        *_common("transactions", "transaction_date"),
        _not_a_number("quantity"),
        _not_a_number("amount"),
        _below_minimum("quantity"),
        _below_minimum("price"),
        _below_minimum("amount"),
        _noncanonical("payment_method"),
        _filled("payment_method"),
        _corrected("transactions", _one_piece_more),
    ),
    "returns": (
        *_common("returns", "return_date"),
        _not_a_number("amount"),
        _below_minimum("amount"),
        _noncanonical("return_reason"),
        _filled("return_reason"),
        _corrected("returns", _half_returned),
    ),
    "support_tickets": (
        *_common("support_tickets", "opened_date"),
        _not_a_date("resolved_date"),
        _resolved_before_opened(),
        _noncanonical("status"),
        _noncanonical("priority"),
        _noncanonical("ticket_category"),
        _filled("status"),
        _filled("priority"),
        _filled("ticket_category"),
        _corrected("support_tickets", _still_open),
    ),
    "web_activity": (
        *_common("web_activity", "timestamp"),
        _noncanonical("activity_type"),
        _corrected(
            "web_activity", lambda row: row | {"activity_type": _other(row["activity_type"], ACTIVITY_TYPES)}
        ),
    ),
}
