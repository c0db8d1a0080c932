"""Finds out from an export's own arithmetic which columns are amounts of a line and which of an order."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Literal

from cip_assets.sources.config import FieldName
from cip_assets.sources.findings import Rows
from cip_assets.sources.values import number

Columns = Callable[[FieldName], Sequence[str]]
"""The columns whose name and contents fit a field."""

MOST_ORDERS = 500
"""How many orders are added up."""

FEWEST = 3
"""How many orders prove a reading at least."""

NEARLY_ALL = 0.8
CENT = Decimal("0.01")
ORDER_AMOUNTS: Sequence[FieldName] = ("order_discount", "shipping", "tax")


@dataclass(frozen=True)
class Reading:
    """A reading by which amounts add up: the fields, each with its column, and how often they do."""

    fields: Mapping[FieldName, str]
    why: str


def is_of_order(column: str, orders: Sequence[Rows]) -> bool:
    """Whether all records of an order have the same text in a column, where they have one."""
    return all(len({row[column] for row in rows if column in row}) <= 1 for rows in orders)


def by_order(keys: Sequence[str], rows: Rows) -> list[Rows]:
    """The records of each order: those with the same texts in some columns, the first of which is the order's id."""
    found: dict[tuple[str | None, ...], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if keys[0] in row:
            found[tuple(row.get(key) for key in keys)].append(row)
    return list(found.values())


def prove(keys: Sequence[str], columns: Columns, rows: Rows, decimal: str) -> Reading | None:
    """The reading by which most orders add up, the simplest of them; None if nearly all do by no reading.

    What was paid in all says more than a subtotal, which may be before discounts.
    """
    orders = by_order(keys, rows)[:MOST_ORDERS]
    of_order: dict[FieldName, list[str]] = {
        name: [column for column in columns(name) if is_of_order(column, orders)]
        for name in ("charged", "subtotal", *ORDER_AMOUNTS)
    }
    several = any(len(found) > 1 for found in orders)
    best: tuple[tuple[bool, int, int], Reading] | None = None
    for fields, goods in _goods(columns, orders, decimal):
        used = set(fields.values())
        for total, optional in _combinations(of_order, used):
            taken = {total[0], *optional}
            if len({total[1], *optional.values()}) < len(taken):
                continue
            if not optional and not several:
                continue  # a total that is the amount of the only line proves nothing
            amounts = [_amount(rows_, optional, decimal) for rows_ in orders]
            totals = [_value(rows_, total[1], decimal) for rows_ in orders]
            full = [
                (g, a, t)
                for g, a, t in zip(goods, amounts, totals, strict=True)
                if g is not None and t is not None
            ]
            reconciled = sum(abs(g + a - t) < CENT for g, a, t in full)
            is_used = not optional or all(
                any(_value(rows_, column, decimal) for rows_ in orders) for column in optional.values()
            )
            if len(full) < FEWEST or reconciled < NEARLY_ALL * len(full) or not is_used:
                continue
            found = {**fields, **optional, total[0]: total[1]}
            reading = Reading(found, _why(found, total[1], reconciled, len(full)))
            key = (total[0] == "charged", reconciled * 1000 // len(full), -len(found))
            if best is None or key > best[0]:
                best = key, reading
    return best[1] if best else None


def _why(fields: Mapping[FieldName, str], total: str, reconciled: int, checked: int) -> str:
    goods = "quantity times the unit price" if "unit_price" in fields else fields["line_total"]
    less = f" - {fields['discount']}" if "discount" in fields else ""
    signs = {"order_discount": "-", "shipping": "+", "tax": "+"}
    rest = "".join(f" {signs[name]} {fields[name]}" for name in ORDER_AMOUNTS if name in fields)
    return f"{goods}{less}{rest} is {total} in {reconciled} of {checked} orders"


def after_returns(columns: Columns, refunds: Sequence[str], rows: Rows, decimal: str) -> Reading | None:
    """The reading by which an amount of lines is another one less what was given back, and maybe less a discount.

    The other one is then what was sold. None if there is no such amount.
    """
    amounts = columns("line_total")
    for less, sold, discount, refund in product(amounts, amounts, [None, *columns("discount")], refunds):
        if len({less, sold, discount, refund}) < 4:
            continue
        checked = reconciled = returned = 0
        for row in rows:
            before, after = (number(row.get(column, ""), decimal) for column in (sold, less))
            off, back = (
                abs(number(row.get(column, ""), decimal) or Decimal(0)) if column else Decimal(0)
                for column in (discount, refund)
            )
            if before is None or after is None:
                continue
            checked += 1
            if abs(before - off - back - after) < CENT:
                reconciled += 1
                returned += back != 0
        if returned and checked >= FEWEST and reconciled >= NEARLY_ALL * checked:
            fields: dict[FieldName, str] = {"line_total": sold, "refunded": refund}
            taken = " - ".join(column for column in (sold, discount, refund) if column)
            why = f"{taken} is {less} in {reconciled} of {checked} records"
            return Reading(fields | ({"discount": discount} if discount else {}), why)
    return None


def _combinations(
    of_order: Mapping[FieldName, Sequence[str]], used: set[str]
) -> Iterator[tuple[tuple[Literal["charged", "subtotal"], str], dict[FieldName, str]]]:
    """Each total with each choice of what it may have beside the goods."""
    totals: list[tuple[Literal["charged", "subtotal"], str]] = [
        (name, column) for name in ("charged", "subtotal") for column in of_order[name] if column not in used
    ]
    choices = [[None, *(column for column in of_order[name] if column not in used)] for name in ORDER_AMOUNTS]
    for total in totals:
        for choice in product(*choices):
            yield (
                total,
                {
                    name: column
                    for name, column in zip(ORDER_AMOUNTS, choice, strict=True)
                    if column is not None
                },
            )


def _goods(
    columns: Columns, orders: Sequence[Rows], decimal: str
) -> Iterator[tuple[dict[FieldName, str], list[Decimal | None]]]:
    """Each way to read the goods of orders: the fields, and what each order's lines add up to."""
    quantity = next(iter(columns("quantity")), None)
    discounts = [None, *columns("discount")]
    for name in ("unit_price", "line_total"):
        for column in dict.fromkeys([*columns("unit_price"), *columns("line_total")]):
            if name == "unit_price" and quantity is None:
                continue
            for discount in discounts:
                if discount == column:
                    continue
                fields: dict[FieldName, str] = {name: column}
                if discount:
                    fields["discount"] = discount
                by = quantity if name == "unit_price" else None
                yield fields, [_lines(rows, column, by, discount, decimal) for rows in orders]


def _lines(
    rows: Rows, column: str, quantity: str | None, discount: str | None, decimal: str
) -> Decimal | None:
    total = Decimal(0)
    for row in rows:
        amount = number(row.get(column, ""), decimal)
        count = number(row.get(quantity, ""), decimal) if quantity else Decimal(1)
        if amount is None or count is None:
            return None
        less = (number(row.get(discount, ""), decimal) if discount else None) or Decimal(0)
        total += amount * count - abs(less)
    return total


def _value(rows: Rows, column: str, decimal: str) -> Decimal | None:
    return next((number(row[column], decimal) for row in rows if column in row), None)


def _amount(rows: Rows, optional: Mapping[FieldName, str], decimal: str) -> Decimal:
    """What is added to the goods of an order."""
    found = Decimal(0)
    for name, column in optional.items():
        value = _value(rows, column, decimal) or Decimal(0)
        found += -abs(value) if name == "order_discount" else value
    return found
