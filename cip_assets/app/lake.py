"""The tables of a data folder as pages read them: the rows of their current versions, by SQL in DuckDB."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any

import duckdb

from cip_assets.app.index import COPIES, Index
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import AS_OF
from cip_assets.layers import CONTRACTS
from cip_assets.storage import delta
from cip_assets.storage.written import WHOLE, covers

Row = Mapping[str, Any]

CUSTOMERS = "marts/customer_360"
"""The table whose snapshot days the pages offer."""

NAMED = re.compile(r'"(?P<name>[a-z]+/\w+)"')
"""A table in a query."""


@dataclass(frozen=True)
class Version:
    """What is known of the rows of a table: its version, and the commit that wrote them, if the log still has it."""

    table: str
    version: int
    written: delta.Commit | None

    @property
    def run(self) -> str:
        return str(self.written.audit.get("run_id") or "") if self.written else ""


class Lake:
    """The tables of a data folder."""

    def __init__(self, settings: Settings, index: Index | None = None) -> None:
        self.settings = settings
        self.index = index or Index(settings)

    def days(self) -> Sequence[date]:
        """The snapshot days that are stored, the newest first.

        Raises:
            PlatformError: there is none.

        """
        uri = self._uri(CUSTOMERS)
        newest = delta.newest_commit(uri)
        found = _days(uri, newest) if newest else ()
        if not found:
            raise PlatformError(f"{CUSTOMERS}: no snapshot was computed yet. Compute one with: cip run")
        return found

    def has(self, table: str, day: date | None = None) -> bool:
        """Whether a table was written; for a day, whether it has rows of that day."""
        uri = self._uri(table)
        newest = delta.newest_commit(uri)
        return newest is not None and (day is None or day in _days(uri, newest))

    def rows(self, query: str, given: Sequence[Any] = (), day: date | None = None) -> list[dict[str, Any]]:
        """The rows of a query.

        Args:
            query: DuckDB's SQL, with tables as ``"layer/table"`` in double quotes.
            given: the values of its question marks.
            day: the snapshot day of the tables that have days; all days without it.

        Raises:
            PlatformError: a table is not written yet.

        """
        try:
            return self._rows(query, given, day)
        except duckdb.IOException:
            # Between the look at a table and its reading, its files were replaced. They are looked at again.
            return self._rows(query, given, day)

    def _rows(self, query: str, given: Sequence[Any], day: date | None) -> list[dict[str, Any]]:
        with _database().cursor() as connection:

            def relation(found: re.Match[str]) -> str:
                name = found["name"]
                only = str(day) if day and _has_days(name) else None
                sql = self.index.relation(name, only)
                if sql is None:
                    table = COPIES[name].table if name in COPIES else name
                    connection.register(name, delta.dataset(self._uri(table), day=only))
                return sql or found[0]

            result = connection.execute(NAMED.sub(relation, query), list(given))
            names = [column[0] for column in result.description or []]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def version(self, table: str, day: date | None = None) -> Version:
        """The version of a table, and the last commit that wrote its rows of a day, or any of its rows."""
        uri = self._uri(table)
        newest = delta.newest_commit(uri)
        if newest is None:
            raise delta.not_written(uri)
        key = str(day) if day and _has_days(table) else WHOLE
        return Version(table, newest.version, _commit(uri, newest, key))

    def _uri(self, table: str) -> str:
        return self.settings.table_uri(*table.split("/"))


def _has_days(table: str) -> bool:
    contract = CONTRACTS.get(table)
    return contract is not None and contract.partition_column == AS_OF


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """A database that remembers where things are in Parquet files, which is most of what a page reads of them."""
    database = duckdb.connect()
    database.execute("SET GLOBAL parquet_metadata_cache = true")
    return database


@lru_cache(maxsize=64)
def _days(uri: str, newest: delta.CommitFile) -> Sequence[date]:  # noqa: ARG001 -- it is part of the cache's key
    return sorted(delta.slices(uri, AS_OF), reverse=True)


@lru_cache(maxsize=512)
def _commit(uri: str, newest: delta.CommitFile, key: str) -> delta.Commit | None:
    commits = delta.standing(uri, newest.version)
    written = (commit for commit in commits if commit.audit.get("run_id"))
    return next(
        (c for c in written if key == WHOLE or covers(str(c.audit.get("partition") or ""), key)), None
    )
