"""Reads the files of exports into tables of texts, and makes the records of each layout from them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.dataset as ds

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, Export, Layout, Query, files_of
from cip_assets.sources.databases.database import fetch_number, pattern_of
from cip_assets.sources.kept import Kept, Texts
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.storage.views import quoted

TABLES = """
CREATE TABLE files (
  export INT, file_no INT, file TEXT, delivered DATE, fetched INT, is_whole BOOLEAN, changed DOUBLE);
CREATE SCHEMA texts;
"""
"""``files`` has each file that was read, numbered in the order of delivery; ``delivered`` is the day in its path, if
there is one. In ``texts`` SQL sees the records of the files by the names of their layouts.
"""

DELIVERED = re.compile(r"(?:^|/)dt=(\d{4}-\d{2}-\d{2})(?=/)")
DAY_IN_NAME = re.compile(
    r"(?<!\d)(20\d{2}-\d{2}-\d{2}|20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)[^/]*$"
)
"""The delivery day in a path: that of a folder ``dt=``, or one in the file's name."""


@dataclass(frozen=True)
class Records:
    """The records of a layout: a relation with ``file_no``, ``line``, and the name of each column in SQL."""

    layout: Layout
    relation: str
    columns: Mapping[str, str]
    staged: Sequence[str]
    """The tables with the lines that the records come from."""
    has_orders: bool = False
    """Whether the SQL says with ``_record`` which lines of an order are one version of it."""


def stage(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    export: Export,
    data_dir: Path,
    whole: Collection[str],
    kept: Kept,
) -> tuple[list[Records], list[str]]:
    """Read all files of an export; returns the records of each layout, and the files that are copies of others.

    ``whole`` are the patterns of files that have each of their orders whole, and ``kept`` has the texts of files that
    were read before.

    Raises:
        PlatformError: a file cannot be read, no layout has its header, or the SQL of a layout is wrong.

    """
    tables = tables_of(number, export)
    for table, layout in zip(tables, export.layouts, strict=True):
        columns = ", ".join(f"{name} TEXT" for name in [*_places(layout).values(), "record_text", "problem"])
        connection.execute(f"CREATE TABLE {table} (file_no INT, line BIGINT, {columns})")
    skipped: list[str] = []
    seen: dict[str, str] = {}
    for delivered, path in sorted((delivery_day(path), path) for path in files_of(export, data_dir)):
        try:
            for texts in kept.texts_of(path):
                name = f"{path.parent.name}/{texts.name}"
                if (first := seen.setdefault(texts.sha256, name)) != name:
                    skipped.append(f"{name}: the same content as {first}")
                    continue
                place = _layout_of(export, texts)
                connection.execute(
                    """
                    INSERT INTO files VALUES (
                      $export, $file_no, $file, try_strptime($delivered, '%Y%m%d')::DATE, $fetched, $is_whole, $changed)
                    """,
                    {
                        "export": number,
                        "file_no": len(seen),
                        "file": texts.name,
                        "delivered": delivered,
                        "fetched": fetch_number(path),
                        "is_whole": pattern_of(path) in whole,
                        "changed": path.stat().st_mtime,
                    },
                )
                _add(connection, tables[place], len(seen), texts, export.layouts[place])
        except UnreadableExport as error:
            raise PlatformError(str(error)) from error
    return list(_records(connection, number, export, tables)), skipped


def tables_of(number: int, export: Export) -> list[str]:
    """The table with the lines of the files of each layout."""
    return [f"staged_{number}_{place}" for place in range(len(export.layouts))]


def delivery_day(path: Path) -> str:
    """The delivery day in a path, as yyyymmdd; empty without one."""
    found = DELIVERED.search(str(path)) or DAY_IN_NAME.search(str(path))
    return found[1].replace("-", "") if found else ""


def _places(layout: Layout) -> Mapping[str, str]:
    """The name of each column in SQL. Names may differ in case only, which SQL does not tell apart."""
    return {name: f"c{place}" for place, name in enumerate(layout.header)}


def _layout_of(export: Export, texts: Texts) -> int:
    """The place of the layout with the header of a file.

    Raises:
        PlatformError: there is none; the message names what is new and what is missing.

    """
    for place, layout in enumerate(export.layouts):
        if set(layout.header) == set(texts.columns):
            return place
    nearest = max(export.layouts, key=lambda layout: len(set(layout.header) & set(texts.columns)))
    new = sorted(set(texts.columns) - set(nearest.header))
    gone = sorted(set(nearest.header) - set(texts.columns))
    raise PlatformError(
        f"{texts.name}: {FILE} has no layout with its header (new: {', '.join(new) or 'nothing'}; missing: "
        f"{', '.join(gone) or 'nothing'}); run 'cip adopt' again with this file"
    )


def _add(
    connection: duckdb.DuckDBPyConnection, table: str, file_no: int, texts: Texts, layout: Layout
) -> None:
    """Add the texts of a file to the table of its layout."""
    places = _places(layout)
    columns = (f"text_{number} AS {places[column]}" for number, column in enumerate(texts.columns))
    connection.register("kept", ds.dataset(texts.path))
    connection.execute(
        f"INSERT INTO {table} BY NAME "
        f"SELECT {file_no} AS file_no, line, {', '.join(columns)}, record_text, problem FROM kept"
    )
    connection.unregister("kept")


def _records(
    connection: duckdb.DuckDBPyConnection, number: int, export: Export, tables: Sequence[str]
) -> Iterator[Records]:
    """The records of each layout that has fields. Layouts of one name with SQL have their records in common."""
    by_name: dict[str, list[tuple[str, Layout]]] = defaultdict(list)
    for table, layout in zip(tables, export.layouts, strict=True):
        by_name[layout.name].append((table, layout))
    for name, members_of in by_name.items():
        texts = [_texts(table, layout) for table, layout in members_of]
        connection.execute(f"CREATE VIEW texts.{quoted(name)} AS {' UNION ALL BY NAME '.join(texts)}")
    for place, members_of in enumerate(by_name.values()):
        query = next((layout.records for _, layout in members_of if layout.records), None)
        if query:
            made = f"records_{number}_{place}"
            names = _run(connection, made, query)
            columns = {name: quoted(name) for name in names if name != "_record"}
            staged = [table for table, _ in members_of]
            yield Records(members_of[0][1], made, columns, staged, has_orders="_record" in names)
        else:
            for table, layout in members_of:
                if layout.fields:
                    yield Records(layout, table, _places(layout), [table])
    for name in by_name:
        connection.execute(f"DROP VIEW texts.{quoted(name)}")


USABLE = "problem IS NULL OR problem = 'too_many_fields'"
"""The lines that SQL sees. The others are no records, and are quarantined."""


def _texts(table: str, layout: Layout) -> str:
    """SQL for the usable lines of a layout's files, by the names of the columns, without blank texts."""
    seen: dict[str, int] = {}
    columns = ["file_no AS _file", "line AS _line"]
    for name, place in _places(layout).items():
        count = seen[name.lower()] = seen.get(name.lower(), 0) + 1
        columns.append(f"present({place}) AS {quoted(name if count == 1 else f'{name}_{count}')}")
    columns += [f"NULL::TEXT AS {quoted(name)}" for name in layout.absent]
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {USABLE}"


def _run(connection: duckdb.DuckDBPyConnection, table: str, query: Query) -> list[str]:
    """Make a table of the records of a query; returns the names of its columns of text.

    Raises:
        PlatformError: the SQL is wrong, or does not give ``_file`` and ``_line``.

    """
    try:
        connection.execute("SET search_path = 'texts,main'")
        connection.execute(f"CREATE TABLE main.{table} AS\n{query.sql.rstrip().rstrip(';')}")
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        where = f", line {int(line[1]) - 1}" if line else ""
        raise PlatformError(f"{query.name}{where}: {str(error).splitlines()[0]}; correct the SQL") from error
    finally:
        connection.execute("SET search_path = 'main'")
    names = [name for name, *_ in connection.execute(f"DESCRIBE {table}").fetchall()]
    if missing := sorted({"_file", "_line"} - set(names)):
        raise PlatformError(
            f"{query.name}: its records have no {' and no '.join(missing)}; select both from the files' records, so "
            "that each record has its place"
        )
    for old, new in (("_file", "file_no"), ("_line", "line")):
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    return [name for name in names if name not in {"_file", "_line"}]
