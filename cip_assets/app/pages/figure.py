"""Where a figure comes from: its table and version, what it is computed from, and the source rows of the customer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cip_assets.app.lake import Version
from cip_assets.app.page import Ask, NotFoundError, Page
from cip_assets.app.timeline import Line, day_of, events_of
from cip_assets.layers import CONTRACTS, EVENT_TABLES, contract_of
from cip_assets.reporting.explain import WHAT
from cip_assets.storage.csv_query import as_far_as_allowed

KEPT = ("landing", "raw", "quarantine")
"""Layers that the way back ends before: what a cleaned row comes from is its file and line."""


@dataclass(frozen=True)
class Step:
    """A column that a figure comes from, and the columns that it comes from itself."""

    table: str
    column: str
    meaning: str
    sources: Sequence[str]


def _show(ask: Ask) -> Mapping[str, Any]:
    table, column, customer_id = ask.one("table"), ask.one("column"), ask.one("id")
    if table not in CONTRACTS or column not in CONTRACTS[table].columns:
        raise NotFoundError(f"There is no figure {column!r} of a table {table!r}.")
    way = list(_way(table, column))
    tables = sorted({step.table for step in way}, key=list(CONTRACTS).index, reverse=True)
    versions = {each: ask.lake.version(each, ask.day) for each in tables if ask.lake.has(each)}
    found: dict[str, Any] = {
        "table": table,
        "column": column,
        "meaning": CONTRACTS[table].columns[column].description,
        "unit": CONTRACTS[table].unit(column),
        "way": way,
        "versions": versions,
        "customer_id": customer_id,
        "value": None,
        "lines": [],
        "read": _read(versions.values()),
    }
    if customer_id:
        ask.look_up("figure", customer_id, column=column)
        found |= {"value": _value(ask, table, column, customer_id), "lines": _lines(ask, customer_id, tables)}
    return found


def _way(table: str, column: str) -> Iterator[Step]:
    """The columns that a column comes from, those of later layers first."""
    waiting, seen = [(table, column)], {(table, column)}
    while waiting:
        name, own = waiting.pop(0)
        contract = contract_of(*name.split("/"))
        sources = [source for source in contract.sources(own) if source.split("/")[0] not in KEPT]
        yield Step(name, own, contract.columns[own].description or "", sources)
        for source in sources:
            above = source.rpartition(".")
            if (above[0], above[2]) not in seen:
                seen.add((above[0], above[2]))
                waiting.append((above[0], above[2]))


def _read(versions: Iterable[Version]) -> Mapping[str, int]:
    """The versions of the inputs that the tables were computed from, as their commits say."""
    found: dict[str, int] = {}
    for version in versions:
        read = version.written.audit.get("computed_from") if version.written else None
        for name, number in (read or {}).items():
            found.setdefault(name, number)
    return found


def _value(ask: Ask, table: str, column: str, customer_id: str) -> Any:
    contract = contract_of(*table.split("/"))
    if "customer_id" not in contract.columns:
        return None
    shown = as_far_as_allowed(column, ask.viewer.shown(column)) if contract.is_pii(column) else column
    day = ask.day if contract.partition_column == "as_of_date" else None
    rows = ask.lake.rows(f'SELECT {shown} FROM "{table}" WHERE customer_id = ? LIMIT 1', [customer_id], day)
    return rows[0][column] if rows else None


def _lines(ask: Ask, customer_id: str, tables: Sequence[str]) -> Sequence[tuple[str, Any, Line]]:
    """The customer's own source rows among those that the figure comes from: table, day, line."""
    found: list[tuple[str, Any, Line]] = []
    if "cleaned/customers" in tables:
        query = (
            'SELECT source_file, source_line, delivery_date FROM "cleaned/customers" WHERE customer_id = ?'
        )
        rows = ask.lake.rows(query, [customer_id])
        found += [("customers", row["delivery_date"], Line(customer_id, "customers", row)) for row in rows]
    events = events_of(ask.lake, customer_id, ask.day)
    for table in (name for name in EVENT_TABLES if f"cleaned/{name}" in tables):
        id_column, column = WHAT[table]
        found += [
            (table, day_of(table, row), Line(f"{row[id_column]} {row[column]}", table, row))
            for row in events.rows[table]
        ]
    return found


FIGURE = Page("/figure", "figure.html.jinja", _show)
