"""DuckDB, for small questions to tables and files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb


@contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of one's own to the one database of this process, which is in memory and holds nothing.

    To start a database takes four times as long as to ask a small table, and a run asks some hundred times.
    """
    with _database().cursor() as own:
        yield own


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()
