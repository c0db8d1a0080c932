"""Dagster's SQLite files, written to without waiting and with statements that are compiled once.

Dagster stores every event by itself: it opens an SQLAlchemy engine, compiles the statement, writes, closes. A run
has some four hundred events, and each is several such connections. Other storages, as PostgreSQL, are left as
they are.
"""

import sqlite3
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.util import LRUCache

COMPILED: Any = LRUCache(500)
DIALECTS: dict[str, sqlalchemy.Dialect] = {}
"""By name, the one that statements are compiled for: SQLAlchemy keeps what it compiled by dialect."""

HELD_OPEN = 8
"""Files that are held open. There is one for the runs, one for all events, one for the events of each run."""

_held: OrderedDict[tuple[str, int], sqlite3.Connection] = OrderedDict()
_lock = threading.Lock()


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def _prepare(connection: Any, _record: object) -> None:
    """Dagster opens its SQLite files in WAL mode, where this is safe and spares a disk sync per event."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")
        _hold_open(connection)


def _hold_open(connection: sqlite3.Connection) -> None:
    """Hold a connection to the same file, which is never used.

    The last connection that is closed copies the log (the file ``-wal``) into the database, syncs both and deletes
    it: half of the time of a small run. While another connection is there, SQLite does so every thousand pages. What
    was committed is in the log, and safe when the process is killed.
    """
    with suppress(sqlite3.OperationalError):  # busy: what is not held now is when it is opened next
        path = str(connection.execute("PRAGMA database_list").fetchone()[2] or "")
        if not path or connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            return
        file = path, Path(path).stat().st_ino
        with _lock:
            if file not in _held:
                _held[file] = _reading(path)
            _held.move_to_end(file)
            while len(_held) > HELD_OPEN:
                _held.popitem(last=False)[1].close()


def _reading(path: str) -> sqlite3.Connection:
    """A connection that has read: only then it counts as one. Any thread may close it."""
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA schema_version").fetchone()
    return connection


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "engine_connect")
def _compile_once(connection: sqlalchemy.Connection) -> None:
    """Let the engines of all SQLite files share what they compiled."""
    if connection.dialect.name == "sqlite":
        connection.dialect = DIALECTS.setdefault("sqlite", connection.dialect)
        connection.execution_options(compiled_cache=COMPILED)
