"""Reads the rows of a table or a query, every value as text."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from cip_assets.config.errors import PlatformError, listed
from cip_assets.sources.databases.cursor import begin, highest
from cip_assets.sources.databases.database import Database
from cip_assets.storage.views import literal, quoted

ROWS = 5_000
"""How many rows are in memory at once."""

NUMBERS = ("int2", "int4", "int8", "numeric")
TIMES = ("date", "timestamp", "timestamptz", "text", "varchar", "bpchar")
"""The types of PostgreSQL that a cursor column may have. A text has to begin with a day, such as 2026-01-31."""


def source_of(connection: sa.Connection, database: Database) -> str:
    """What the rows are selected from, as SQL.

    Raises:
        PlatformError: the table does not exist.

    """
    if database.query is not None:
        return f"(\n{database.query.strip().rstrip(';')}\n)"
    inspector = sa.inspect(connection)
    schema, _, table = str(database.table).rpartition(".")
    if not table or not inspector.has_table(table, schema or None):
        found = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
        raise PlatformError(
            f"{database.what}: {f'it has no table {database.table}' if table else 'no table is named'}; it has "
            f"{listed(found) or 'no tables'}{'' if table else ' (--table)'}"
        )
    return ".".join(quoted(part) for part in (schema, table) if part)


def types_of(connection: sa.Connection, database: Database, source: str) -> Mapping[str, str | None]:
    """The columns and their types; SQLite names none.

    Raises:
        PlatformError: a column is missing or there twice, or the type of the cursor does not tell what is new.

    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL TIME ZONE {literal(database.time_zone)}")
    with connection.exec_driver_sql(f"SELECT * FROM {source} AS q LIMIT 0") as result:
        described = result.cursor.description if result.cursor else ()
        names = [column[0] for column in described]
        types = {column[0]: getattr(column, "type_display", None) for column in described}
    twice = sorted({name for name in names if [other.lower() for other in names].count(name.lower()) > 1})
    if twice:
        raise PlatformError(
            f"{database.what}: it has the column {twice[0]} twice; give each a name of its own with AS"
        )
    for name in (database.cursor, database.order):
        if name is not None and name not in types:
            missing = f"it has no column {name}" if name else "no cursor column is named (--cursor)"
            raise PlatformError(
                f"{database.what}: {missing}; it has {', '.join(names)}, and the cursor is the one that grows with "
                "each new or changed row"
            )
    kind = types[database.cursor]
    if kind is not None and _bare(kind) not in (*NUMBERS, *TIMES):
        raise PlatformError(
            f"{database.what}: the cursor {database.cursor} is {kind}; name a column of times or of whole numbers"
        )
    return types


def _bare(kind: str) -> str:
    """A type without its length."""
    return re.sub(r"[(].*[)]", "", kind)


def statement_of(
    connection: sa.Connection,
    database: Database,
    source: str,
    types: Mapping[str, str | None],
    reach: str | None,
) -> str:
    """SQL for all rows, or for those that may be new since the files reached so far."""
    is_sqlite = connection.dialect.name == "sqlite"
    selected = ", ".join(f"q.{quoted(n)}" if is_sqlite else f"CAST(q.{quoted(n)} AS TEXT)" for n in types)
    statement = f"SELECT {selected} FROM {source} AS q"
    if reach is None:
        return statement
    cursor = f"q.{quoted(database.cursor)}"
    # Without a cursor a row is never new, so such rows are fetched to be counted.
    statement += f" WHERE {cursor} >= {begin(reach)} OR {cursor} IS NULL"
    if database.order is not None:
        order = f"q.{quoted(database.order)}"
        statement += f" OR {order} IN (SELECT {order} FROM {source} AS q WHERE {cursor} >= {begin(reach)})"
    return statement


def read(
    connection: sa.Connection, database: Database, statement: str, types: Mapping[str, str | None]
) -> Iterator[tuple[pa.RecordBatch, str]]:
    """The rows as text, each batch with the highest cursor in it.

    Raises:
        PlatformError: rows have no cursor, or one that does not tell what is new.

    """
    names = list(types)
    place, kind = names.index(database.cursor), types[database.cursor]
    without = 0
    # The rows stay on the server, and come from there a batch at a time.
    with connection.exec_driver_sql(statement, execution_options={"stream_results": True}) as result:
        for part in result.partitions(ROWS):
            columns = list(zip(*part, strict=True))
            cursors = [value for value in columns[place] if value is not None]
            without += len(part) - len(cursors)
            if without:
                continue
            texts = [pa.array(column if kind else map(_text, column), pa.string()) for column in columns]
            is_number = _bare(kind) in NUMBERS if kind else not any(isinstance(c, str) for c in cursors)
            yield pa.record_batch(texts, names), highest(database, texts[place], is_number=is_number)
    if without:
        raise PlatformError(
            f"{database.what}: {without} rows have no {database.cursor}, so changes of them cannot be "
            "seen; fill it, or write a query with coalesce(...)"
        )


def _text(value: Any) -> str | None:
    """A value as text; bytes in hexadecimal, as PostgreSQL writes them."""
    match value:
        case None | str():
            return value
        case bytes():
            return f"\\x{value.hex()}"
        case _:
            return str(value)
