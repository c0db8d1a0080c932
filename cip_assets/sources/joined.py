"""Joins a file of orders with one of their lines, so that neither is counted twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cip_assets.sources.config import QUERIES, FieldName, Query
from cip_assets.sources.findings import Rows
from cip_assets.sources.recognize import ITEM, column_for
from cip_assets.storage.views import quoted

BY_ORDER: Sequence[FieldName] = ("customer_id", "date")
OF_ORDERS: Sequence[FieldName] = ("date", "quantity", "line_total")
OF_LINES: Sequence[FieldName] = ("product_id", "product_name", "quantity", "unit_price", "line_total")
FOUND = 0.8
"""The share of the lines whose order is in the other file."""


@dataclass(frozen=True)
class Table:
    """Files with one header: the name of their records in SQL, the columns, and the first records."""

    name: str
    header: Sequence[str]
    rows: Rows


@dataclass(frozen=True)
class Joined:
    """Each line with what its order says: the columns of the order, and those of the line as ``item.sku``."""

    header: Sequence[str]
    rows: Rows
    query: Query
    why: str


def join(orders: Table, lines: Table) -> Joined | None:
    """The lines with their orders; None if these are not the orders of the lines."""
    key, own = (column_for("order_id", table.header, table.rows) for table in (orders, lines))
    if (
        not key
        or not own
        or not _are_orders(orders, key)
        or not _are_lines(lines)
        or not _says_more(orders, lines)
    ):
        return None
    by_key: Mapping[str, Mapping[str, str]] = {row[key]: row for row in orders.rows if key in row}
    known = [row for row in lines.rows if row.get(own) in by_key]
    if len(by_key) < len(orders.rows) or not known or len(known) < FOUND * len(lines.rows):
        return None
    items = [column for column in lines.header if column != own]
    rows = [
        {**by_key[row[own]], **{ITEM + column: row[column] for column in items if column in row}}
        for row in known
    ]
    return Joined(
        [*orders.header, *(ITEM + column for column in items)],
        rows,
        Query(name=f"{QUERIES}/{lines.name}.sql", sql=_sql(orders, key, lines, own, items)),
        f"joined by {own}: {len(known)} of {len(lines.rows)} lines have an order there",
    )


def _are_orders(table: Table, key: str) -> bool:
    """Whether a table may have one record for each order, without products. A customer has an id and a day, too."""
    has = {name: column_for(name, table.header, table.rows) for name in OF_ORDERS}
    is_named = key.lower() not in {"id", "name"}
    return bool(has["date"]) and not has["quantity"] and (is_named or bool(has["line_total"]))


def _says_more(orders: Table, lines: Table) -> bool:
    """Whether the lines lack the buyer or the day, and the orders have it: otherwise these may be payments."""
    return any(
        column_for(name, orders.header, orders.rows) and not column_for(name, lines.header, lines.rows)
        for name in BY_ORDER
    )


def _are_lines(table: Table) -> bool:
    has = {name: column_for(name, table.header, table.rows) for name in OF_LINES}
    is_of_goods = has["product_id"] or has["product_name"] or has["quantity"]
    return bool(is_of_goods and (has["unit_price"] or has["line_total"]))


def _sql(orders: Table, key: str, lines: Table, own: str, items: Sequence[str]) -> str:
    columns = "".join(f",\n  lines.{quoted(name)} AS {quoted(ITEM + name)}" for name in items)
    others = "".join(f",\n  orders.{quoted(name)}" for name in orders.header if name != key)
    return (
        "-- Each line with what its order says, from the newest file that has the order.\n"
        f"SELECT lines._file, lines._line, lines.{quoted(own)} AS {quoted(key)}{others}{columns}\n"
        f"FROM {quoted(lines.name)} AS lines LEFT JOIN (\n"
        f"  FROM {quoted(orders.name)}\n"
        f"  QUALIFY row_number() OVER (PARTITION BY {quoted(key)} ORDER BY _file DESC, _line DESC) = 1\n"
        f") AS orders ON orders.{quoted(key)} = lines.{quoted(own)}\n"
    )
