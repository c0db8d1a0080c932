"""SQL for exports whose lines are no records yet: lists inside of records, and columns on the first record only."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from cip_assets.sources import texts
from cip_assets.sources.arithmetic import by_order
from cip_assets.sources.config import QUERIES, Query
from cip_assets.sources.findings import Rows
from cip_assets.storage.views import literal, quoted

Elements = Sequence[Mapping[str, object]]
LINE_KEYS = re.compile(r"qty|quantity|menge|anzahl|price|preis|amount", re.IGNORECASE)
REFUND_LIST = re.compile(r"refund|return|credit|erstatt|retour", re.IGNORECASE)
AMOUNT_KEY = re.compile(r"^(amount|total|value|sum|refunded.?amount|amount.?refunded|betrag)$", re.IGNORECASE)
STATE_KEY = re.compile(r"state|status", re.IGNORECASE)
NOT_DONE = "fail|pend|open|cancel|error|void|declin|reject"


@dataclass(frozen=True)
class Prepared:
    """The columns and the first records that the SQL gives; without SQL those of the file."""

    header: Sequence[str]
    rows: Rows
    query: Query | None


def prepare(name: str, header: Sequence[str], rows: Rows, order: str | None) -> Prepared:
    """What is read of files: each line of a list as a record, and what holds for an order on all of its records.

    Args:
        name: the name of the files' records in SQL.
        header: the columns.
        rows: the first records, by column.
        order: the column with the order's id.

    """
    found = {column: elements for column in header if (elements := _elements(column, rows))}
    lines = next((column for column, elements in found.items() if _are_lines(column, elements)), None)
    refunds = next((column for column in found if column != lines and REFUND_LIST.search(column)), None)
    if lines:
        return _made(
            name, header, rows, _unnested(name, lines, found[lines], refunds, found.get(refunds or "", []))
        )
    once = _on_first_record_only(order, header, rows) if order else []
    if order and once:
        return _made(name, header, rows, _filled(name, order, header, once))
    return Prepared(header, rows, None)


def _made(name: str, header: Sequence[str], rows: Rows, sql: str) -> Prepared:
    """What SQL gives of the first records."""
    with duckdb.connect() as connection:
        connection.execute(texts.MACROS)
        columns = {column: pa.array([row.get(column) for row in rows], pa.string()) for column in header}
        places = pa.array(range(len(rows)), pa.int64())
        files = pa.array([0] * len(rows), pa.int64())
        connection.register(name, pa.table({"_file": files, "_line": places, **columns}))
        made = connection.execute(f"SELECT * FROM ({sql}) ORDER BY _line")
        names = [column for column, *_ in made.description or ()]
        records = [dict(zip(names, values, strict=True)) for values in made.fetchall()]
    found = [
        {column: value for column, value in record.items() if isinstance(value, str) and value.strip()}
        for record in records
    ]
    kept = [column for column in names if column not in {"_file", "_line", "_record"}]
    return Prepared(kept, found, Query(name=f"{QUERIES}/{name}.sql", sql=f"{sql}\n"))


def _elements(column: str, rows: Rows) -> Elements:
    """The objects in the lists of a column; none if its texts are not lists of objects."""
    lists = [row[column] for row in rows if row.get(column, "").startswith("[")]
    if len(lists) * 2 <= sum(column in row for row in rows):
        return []
    found: list[Mapping[str, object]] = []
    for text in lists:
        try:
            found += [element for element in json.loads(text) if isinstance(element, dict)]
        except ValueError:
            continue
    return found


def _are_lines(column: str, elements: Elements) -> bool:
    keys = {key for element in elements for key in element}
    return sum(bool(LINE_KEYS.search(key)) for key in keys) > 1 and not REFUND_LIST.search(column)


def _unnested(name: str, lines: str, elements: Elements, refunds: str | None, refunded: Elements) -> str:
    """SQL that makes a record of each line in a list, and adds up what was refunded."""
    keys = [
        key
        for key in dict.fromkeys(key for element in elements for key in element)
        if not all(
            isinstance(element.get(key), dict | list) for element in elements if element.get(key) is not None
        )
    ]
    columns = [f"item ->> {literal('$.' + _path(key))} AS {quoted('item.' + key)}" for key in keys]
    for key, inner in _money(elements).items():
        path = literal(f"$.{_path(key)}.{_path(inner)}")
        columns.append(f"item ->> {path} AS {quoted('item.' + key)}")
    less = [lines, *([refunds] if refunds else [])]
    amount = next((key for element in refunded for key in element if AMOUNT_KEY.search(key)), None)
    if refunds and amount:
        state = next((key for element in refunded for key in element if STATE_KEY.search(key)), None)
        done = (
            f"NOT regexp_matches(coalesce(refund ->> {literal('$.' + _path(state))}, ''), '{NOT_DONE}', 'i')"
            if state
            else "true"
        )
        columns.append(
            f"(SELECT sum(number(refund ->> {literal('$.' + _path(amount))}, '.'))::TEXT\n"
            f"    FROM (SELECT unnest(from_json({quoted(refunds)}, '[\"JSON\"]')) AS refund) WHERE {done}) "
            f"AS {quoted(refunds + '.amount')}"
        )
    return (
        f"-- Each element of {lines} is a record.\n"
        f"SELECT * EXCLUDE (item, {', '.join(map(quoted, less))}), _line AS _record,\n  "
        + ",\n  ".join(columns)
        + f"\nFROM (SELECT *, unnest(from_json({quoted(lines)}, '[\"JSON\"]')) AS item FROM {quoted(name)})"
    )


def _money(elements: Elements) -> Mapping[str, str]:
    """The keys of amounts that are objects, such as ``{"amount": "1.00", "currency": "EUR"}``, with that inside."""
    found = {key: value for element in elements for key, value in element.items() if isinstance(value, dict)}
    inner = {
        key: next((name for name in value if AMOUNT_KEY.search(name)), None) for key, value in found.items()
    }
    return {key: name for key, name in inner.items() if name}


def _filled(name: str, order: str, header: Sequence[str], once: Sequence[str]) -> str:
    """SQL that gives all records of an order what only its first one has."""
    columns = [
        f"first_value({quoted(column)} IGNORE NULLS) OVER whole AS {quoted(column)}"
        if column in once
        else quoted(column)
        for column in header
    ]
    return (
        "-- What stands on the first record of an order only holds for all of its records.\n"
        "SELECT _file, _line,\n  "
        + ",\n  ".join(columns)
        + f"\nFROM {quoted(name)}\nWINDOW whole AS (PARTITION BY _file, {quoted(order)} ORDER BY _line\n"
        "  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    )


def _on_first_record_only(order: str, header: Sequence[str], rows: Rows) -> list[str]:
    """The columns that have a text only on the first record of the orders with several records."""
    long = [found for found in by_order([order], rows) if len(found) > 1]
    return [
        column
        for column in header
        if sum(column in first for first, *_ in long) > len(long) / 2
        and not any(column in row for _, *others in long for row in others)
    ]


def _path(key: str) -> str:
    return '"' + key.replace('"', '\\"') + '"'
