"""Dagster's SQLite files, written to without waiting and with statements that are compiled once.

Dagster stores every event by itself: it opens an SQLAlchemy engine, compiles the statement, writes, closes. A run
has some four hundred events. Other storages, as PostgreSQL, are left as they are.
"""

import sqlite3
from typing import Any

import sqlalchemy
from sqlalchemy.util import LRUCache

COMPILED: Any = LRUCache(500)
DIALECTS: dict[str, sqlalchemy.Dialect] = {}
"""By name, the one that statements are compiled for: SQLAlchemy keeps what it compiled by dialect."""


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def _sync_once_a_checkpoint(connection: Any, _record: object) -> None:
    """Dagster opens its SQLite files in WAL mode, where this is safe and spares a disk sync per event."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "engine_connect")
def _compile_once(connection: sqlalchemy.Connection) -> None:
    """Let the engines of all SQLite files share what they compiled."""
    if connection.dialect.name == "sqlite":
        connection.dialect = DIALECTS.setdefault("sqlite", connection.dialect)
        connection.execution_options(compiled_cache=COMPILED)
