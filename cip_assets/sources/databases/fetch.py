"""Fetches new and changed rows of databases into Parquet files.

A fetch writes one file with every row that is new or changed, or none. A value is the database's own text of it, so
none is rounded, shifted or refused: a ``numeric`` of any length, JSON as it was written and ``infinity`` as a date stay
what they are.

The files alone tell what was fetched. Each one says how far its cursor column reaches. The next fetch begins a day, or
``OVERLAP`` numbers, before that: rows with equal cursors are in that stretch, and so are rows of a transaction that
began earlier and was committed later. What the files have already is left out, order by order, or row by row if no
column is named for the order.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from filelock import FileLock

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE
from cip_assets.sources.databases.connection import explained, transaction
from cip_assets.sources.databases.cursor import begin, further
from cip_assets.sources.databases.database import FOLDER, Database
from cip_assets.sources.databases.rows import read, source_of, statement_of, types_of
from cip_assets.storage.views import literal, quoted

MEMORY = "1GB"

ABOUT = b"cip"
"""The key in the metadata of a file with what was fetched, how far the cursor reaches, and the types of the columns."""


@dataclass(frozen=True)
class Fetched:
    """What a fetch of one database brought: a file and its rows, or no file and 0 rows."""

    name: str
    path: Path | None
    rows: int


def fetch(databases: Sequence[Database], data_dir: Path) -> Sequence[Fetched]:
    """Write the new and changed rows of each database into ``fetched/NAME/NAME-NUMBER.parquet``.

    Databases with one URL are read in one read-only transaction, so they show the same moment. A file is written whole
    or not at all, and is never changed.

    Raises:
        PlatformError: a database cannot be reached or read, a table or column is missing, the cursor column cannot tell
            what is new, or the files were fetched in another way.

    """
    by_url: dict[str, list[Database]] = {}
    for database in databases:
        by_url.setdefault(database.url, []).append(database)
    fetched: list[Fetched] = []
    for several in by_url.values():
        folder = data_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"), transaction(several[0], data_dir) as connection:
            for database in several:
                with explained(database, connection.engine.url):
                    fetched.append(_fetch(connection, database, folder / database.name))
    return fetched


def types_in(database: Database, data_dir: Path) -> Mapping[str, str | None]:
    """The columns of the newest file of a database, with the types that they have there; SQLite names none.

    Raises:
        PlatformError: the files are not those of a fetch.

    """
    types: Mapping[str, str | None] = _about(
        database, _files(database, data_dir / FOLDER / database.name)[-1]
    )["types"]
    return types


def _fetch(connection: sa.Connection, database: Database, folder: Path) -> Fetched:
    files = _files(database, folder)
    reach = _reach(database, files)
    source = source_of(connection, database)
    types = types_of(connection, database, source)
    with tempfile.TemporaryDirectory() as scratch:
        statement = statement_of(connection, database, source, types, reach)
        rows = Path(scratch) / "rows.parquet"
        count, reached = _write_rows(rows, read(connection, database, statement, types), list(types))
        _refuse_nothing(database, count, reach)
        about = {**_way(database), "reach": further(reach, reached), "types": types}
        target = folder / f"{database.name}-{len(files) + 1:07}.parquet"
        new = _write_new(Path(scratch), rows, files, database.order, target, json.dumps(about))
    return Fetched(database.name, target if new else None, new)


# --- what the files say ---------------------------------------------------------------------------------------


def _files(database: Database, folder: Path) -> list[Path]:
    """The fetched files, oldest first.

    Raises:
        PlatformError: one is missing, so what it had would not be fetched again.

    """
    files = sorted(folder.glob(f"{database.name}-*.parquet"))
    expected = [folder / f"{database.name}-{number + 1:07}.parquet" for number in range(len(files))]
    if files != expected:
        missing = next(path for path in expected if path not in files)
        raise PlatformError(
            f"{database.what}: {folder} lacks {missing.name}; put it back, or delete the folder to fetch "
            "everything again"
        )
    return files


def _way(database: Database) -> dict[str, str | None]:
    """What decides which rows there are and how they are written."""
    return {name: getattr(database, name) for name in ("table", "query", "cursor", "time_zone")}


def _about(database: Database, file: Path) -> dict[str, Any]:
    """What a file says of itself.

    Raises:
        PlatformError: it cannot be read, or is no fetched file.

    """
    try:
        about: dict[str, Any] = json.loads((pq.read_schema(file).metadata or {})[ABOUT])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise PlatformError(
            f"{database.what}: {file} is no fetched file or is damaged; delete the folder {file.parent} to fetch "
            "everything again"
        ) from error
    return about


def _reach(database: Database, files: Sequence[Path]) -> str | None:
    """How far the fetched files reach; None if there are none.

    Raises:
        PlatformError: the newest file cannot be read, or was fetched from something else.

    """
    if not files:
        return None
    about = _about(database, files[-1])
    changed = [name for name, value in _way(database).items() if about[name] != value]
    if changed:
        raise PlatformError(
            f"{database.what}: {FILE} has another {changed[0]} than the files in {files[-1].parent} were fetched with "
            f"({about[changed[0]]}); give the database another name, or delete the folder to fetch everything again"
        )
    return str(about["reach"])


def _refuse_nothing(database: Database, count: int, reach: str | None) -> None:
    if count == 0 and reach is None:
        raise PlatformError(f"{database.what}: it has no rows; fetch it when there are some")
    if count == 0:
        raise PlatformError(
            f"{database.what}: no row has {database.cursor} from {begin(str(reach))} on, although {reach} was "
            f"fetched; if the table was emptied or restored, delete the folder {FOLDER}/{database.name} to fetch "
            "everything again"
        )


# --- the files ------------------------------------------------------------------------------------------------


def _write_rows(
    path: Path, batches: Iterator[tuple[pa.RecordBatch, str]], names: Sequence[str]
) -> tuple[int, str]:
    """Write what was read; returns how many rows, and their highest cursor."""
    count, reached = 0, ""
    with pq.ParquetWriter(path, pa.schema([(name, pa.string()) for name in names])) as writer:
        for batch, highest in batches:
            writer.write_batch(batch)
            count, reached = count + batch.num_rows, further(reached or None, highest)
    return count, reached


def _write_new(
    scratch: Path, rows: Path, files: Sequence[Path], order: str | None, target: Path, about: str
) -> int:
    """Write the rows that the files do not have just so; returns how many.

    They are sorted, so the file depends on the rows alone, and not on where the database keeps them.
    """
    names = pq.read_schema(rows).names
    fresh = f"read_parquet({_path(rows)})"
    unit, content = _unit(names, names, order), _content(names, names)
    with duckdb.connect(
        config={"memory_limit": MEMORY, "temp_directory": str(scratch / "spilled")}
    ) as connection:
        connection.execute(
            f"CREATE TABLE changed AS SELECT {unit} AS unit, sum({content}) AS content FROM {fresh} GROUP BY ALL"
        )
        if files:
            connection.execute(_LEAVE_OUT.format(held=_held(scratch, files, names, order)))
        if connection.execute("FROM changed LIMIT 1").fetchone() is None:
            return 0
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(f".{target.name}.new")
        ((count,),) = connection.execute(
            f"""
            COPY (FROM {fresh} WHERE {unit} IN (SELECT unit FROM changed) ORDER BY ALL) TO {_path(new)}
            (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{ABOUT.decode()}: {literal(about)}}})
            """
        ).fetchall()
    new.replace(target)
    return int(count)


_LEAVE_OUT = """
CREATE TABLE held AS
  SELECT unit, file, sum(content) AS content FROM ({held}) WHERE unit IN (SELECT unit FROM changed) GROUP BY ALL;
DELETE FROM changed WHERE (unit, content) IN (SELECT (unit, arg_max(content, file)) FROM held GROUP BY unit);
"""
"""Leaves out the units whose rows are those of the newest file that has the unit."""

OF_FILE = "the file of the row"
"""A name that no column has."""


def _held(scratch: Path, files: Sequence[Path], names: Sequence[str], order: str | None) -> str:
    """SQL for the units and contents of all rows that were fetched before."""
    links = scratch / "held"
    links.mkdir()
    for file in files:
        # A path with * or [ in it would be taken for a pattern.
        (links / file.name).symlink_to(file.resolve())
    known = [name for file in files for name in pq.read_schema(file).names]
    return f"""
    SELECT {_unit(names, known, order)} AS unit, {_content(names, known)} AS content, "{OF_FILE}" AS file
    FROM read_parquet({_path(links / "*.parquet")}, union_by_name = true, filename = '{OF_FILE}')
    """


def _unit(names: Sequence[str], known: Sequence[str], order: str | None) -> str:
    """SQL for what is fetched as a whole: the order, or else the row."""
    row = f"'row ' || {_content(names, known)}"
    return f"coalesce({_column(order, known)}, {row})" if order is not None else row


def _content(names: Sequence[str], known: Sequence[str]) -> str:
    """SQL for a number that stands for a row with these columns."""
    return f"hash(row({', '.join(_column(name, known) for name in names)}))"


def _column(name: str, known: Sequence[str]) -> str:
    """SQL for a column, which is empty if it is not known."""
    is_known = name.lower() in {other.lower() for other in known}
    return quoted(name) if is_known else "NULL::TEXT"


def _path(path: Path) -> str:
    return literal(str(path))
