"""Copies of tables in another order, so that the rows of one customer are found without reading those of all others.

A table is stored by month or day, as it is computed. Its copy has the same rows, ordered by customer, in one Parquet
file for each month or day. The name of a copy follows from the files that it was made from, so a copy is never wrong:
after a write only the months that were written have none yet, and they are read from the table until a thread has made
theirs. Copies of files that a table no longer has are deleted.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import duckdb
import pyarrow as pa

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.layers import EVENT_TABLES
from cip_assets.storage import delta
from cip_assets.storage.files import scratch_beside
from cip_assets.storage.views import literal, of_files, only

MEMORY_LIMIT = "1GB"

FEW, MANY = 8192, 122_880
"""The rows of a block of a copy: few if one customer is looked for, many if all rows are searched."""

LEAST_ROWS = 200_000
"""A table with fewer rows is read as it is, because that takes no longer."""

ALL = "all"
"""The part of a table that has no months or days."""

LOG = logging.getLogger(__name__)

FOLDED = "lower(strip_accents({}))"
"""How texts are compared in a search."""


@dataclass(frozen=True)
class Copy:
    """A copy of a table, or of some expressions over its rows."""

    table: str
    order: str
    columns: str = "*"
    block: int = FEW


COPIES: Mapping[str, Copy] = {
    "marts/customer_360": Copy("marts/customer_360", "customer_id"),
    **{f"cleaned/{name}": Copy(f"cleaned/{name}", "customer_id") for name in EVENT_TABLES},
    "index/names": Copy(
        "cleaned/customers",
        "customer_id",
        f"customer_id, {FOLDED.format('first_name')} AS first_name, {FOLDED.format('last_name')} AS last_name, "
        f"{FOLDED.format('email')} AS email",
        MANY,
    ),
    "index/orders": Copy(
        "cleaned/transactions",
        "order_id",
        "order_id, customer_id, transaction_date, source_file, source_line",
    ),
}
"""The copies by the name that a query reads them by."""


@dataclass(frozen=True)
class _Parts:
    """The rows of a version of a table, and its data files by month or snapshot day."""

    rows: int
    files: Mapping[str, Sequence[str]]


@lru_cache(maxsize=64)
def _parts(uri: str, newest: delta.CommitFile) -> _Parts:
    actions = pa.table(delta.open_table(uri, newest.version).get_add_actions(flatten=True))
    keys = [name for name in actions.column_names if name.startswith("partition.")]
    found: dict[str, list[str]] = {}
    rows = actions.select(["path", "num_records", *keys]).to_pylist()
    for row in rows:
        found.setdefault(str(row[keys[0]]) if keys else ALL, []).append(row["path"])
    return _Parts(sum(row["num_records"] or 0 for row in rows), found)


class Index:
    """The copies of a data folder, and the thread that makes them.

    Args:
        settings: the data folder.
        least_rows: only tables with this many rows have copies.

    """

    def __init__(self, settings: Settings, least_rows: int = LEAST_ROWS) -> None:
        self._settings = settings
        self._least_rows = least_rows
        self._folder = settings.index
        self._wanted = threading.Event()
        self._is_over = False

    def start(self) -> None:
        """Let the thread make what is missing."""
        self._wanted.set()
        threading.Thread(target=self._work, name="index", daemon=True).start()

    def stop(self) -> None:
        """End the thread when it has made what it is making."""
        self._is_over = True
        self._wanted.set()

    def relation(self, name: str, day: str | None) -> str | None:
        """A table or a copy in SQL: from copies as far as they are there, the rest from the table.

        None if DuckDB cannot read the table's files itself.
        """
        copy = COPIES.get(name)
        table = copy.table if copy else name
        rows = delta.dataset(self._uri(table), day=day)
        whole = of_files(rows)
        if copy is None or whole is None:
            return whole
        paths = self._paths(name, day)
        if not paths:
            return f"(SELECT {copy.columns} FROM {whole})"
        ready = [path for path in paths.values() if path.exists()]
        missing = [part for part, path in paths.items() if not path.exists()]
        if missing:
            self._wanted.set()
        relations = []
        if ready:
            relations.append(f"FROM read_parquet([{', '.join(only(str(path)) for path in ready)}])")
        if missing:
            relations.append(_selected(copy, whole, missing))
        return f"({' UNION ALL BY NAME '.join(relations)})"

    def make(self) -> None:
        """Make every copy that is missing, the newest parts first, and delete those that no table needs."""
        kept: set[Path] = set()
        for name in COPIES:
            if not delta.exists(self._uri(COPIES[name].table)):
                continue
            paths = self._paths(name, None)
            kept |= {*paths.values()}
            for part in sorted(paths, reverse=True):
                if not paths[part].exists():
                    self._make(name, part, paths[part])
        for path in self._folder.glob("*/*/*.parquet"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _make(self, name: str, part: str, path: Path) -> None:
        copy = COPIES[name]
        whole = of_files(delta.dataset(self._uri(copy.table), day=part if "marts/" in copy.table else None))
        if whole is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            scratch_beside(path) as scratch,
            duckdb.connect(
                config={"memory_limit": MEMORY_LIMIT, "threads": 1, "temp_directory": str(scratch)}
            ) as connection,
        ):
            made = scratch / "made.parquet"
            connection.execute(
                f"COPY ({_selected(copy, whole, [part])} ORDER BY {copy.order}) TO {literal(str(made))} "
                f"(FORMAT parquet, ROW_GROUP_SIZE {copy.block})"
            )
            made.replace(path)

    def _paths(self, name: str, day: str | None) -> Mapping[str, Path]:
        """The file of each part of a copy, whether it is there or not; none if the table is small."""
        copy = COPIES[name]
        uri = self._uri(copy.table)
        newest = delta.newest_commit(uri)
        parts = _parts(uri, newest) if newest else None
        if parts is None or parts.rows < self._least_rows:
            return {}
        return {
            part: self._folder / name / f"{part}-{_digest(copy, files)}.parquet"
            for part, files in parts.files.items()
            if day in {None, part}
        }

    def _uri(self, table: str) -> str:
        return self._settings.table_uri(*table.split("/"))

    def _work(self) -> None:
        while self._wanted.wait() and not self._is_over:
            self._wanted.clear()
            try:
                self.make()
            except (duckdb.Error, OSError, PlatformError) as error:
                # Without a copy, pages read the table. The next one that misses a copy asks for it again.
                LOG.warning("a copy was not made: %s", error)


def _selected(copy: Copy, whole: str, parts: Sequence[str]) -> str:
    """The rows of some parts of a table, as its copy has them."""
    if parts == [ALL]:
        return f"SELECT {copy.columns} FROM {whole}"
    column = "as_of_date" if copy.table.startswith("marts/") else "month"
    return f"SELECT {copy.columns} FROM {whole} WHERE {column} IN ({', '.join(map(_as_date, parts))})"


def _as_date(part: str) -> str:
    return f"DATE {literal(part)}"


def _digest(copy: Copy, files: Sequence[str]) -> str:
    content = "\n".join([duckdb.__version__, repr(copy), *sorted(files)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
