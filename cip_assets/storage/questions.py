"""DuckDB for small queries on tables and files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import duckdb


@contextmanager
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A separate connection to the database of this process, which is in memory and empty.

    Starting a database takes four times as long as a query on a small table, and a run makes some hundred queries.
    """
    with _database().cursor() as own:
        yield own


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()
