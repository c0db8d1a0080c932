"""Dagster's SQLite files are held open: quicker, and what was committed is there for everybody at once."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from cip_assets.orchestration import event_storage as sqlite


def ask(path: Path, *statements: str) -> list[tuple[int, ...]]:
    """Run statements as Dagster does, with an engine and a connection for just these; what the last one gives."""
    engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        for statement in statements:
            found = connection.execute(sqlalchemy.text(statement))
        return [tuple(row) for row in found] if found.returns_rows else []


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A file in Dagster's mode, with a table."""
    path = tmp_path / "events.db"
    ask(path, "PRAGMA journal_mode=WAL")
    ask(path, "CREATE TABLE events (id INTEGER)")
    return path


def test_the_log_stays_between_events_and_others_read_it(events: Path, tmp_path: Path) -> None:
    for number in range(3):
        ask(events, f"INSERT INTO events VALUES ({number})")
        assert log_of(events).stat().st_size > 0
    count = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM events'))"
    done = subprocess.run([sys.executable, "-c", count, events], capture_output=True, text=True, check=True)
    assert done.stdout == "(3,)\n"
    assert ask(events, "SELECT count(*) FROM events") == [(3,)]


def test_what_was_committed_outlives_the_process(events: Path, tmp_path: Path) -> None:
    """The files as a kill leaves them: the log is not copied into the database yet."""
    ask(events, "INSERT INTO events VALUES (1)")
    killed = Path(shutil.copytree(tmp_path, tmp_path / "killed"))
    assert sqlite3.connect(killed / events.name).execute("SELECT * FROM events").fetchall() == [(1,)]


def test_the_files_used_last_are_held_and_others_written_back(events: Path, tmp_path: Path) -> None:
    ask(events, "INSERT INTO events VALUES (1)")
    for number in range(sqlite.HELD_OPEN):
        other = tmp_path / f"{number}.db"
        ask(other, "PRAGMA journal_mode=WAL")
        ask(other, "CREATE TABLE events (id INTEGER)")
    assert len(sqlite._held) == sqlite.HELD_OPEN
    assert not log_of(events).exists()
    assert log_of(other).exists()
    assert ask(events, "SELECT * FROM events") == [(1,)]


def test_a_file_in_the_place_of_one_that_was_deleted_is_another(events: Path, tmp_path: Path) -> None:
    ask(events, "INSERT INTO events VALUES (1)")
    for path in tmp_path.iterdir():
        path.unlink()
    ask(events, "PRAGMA journal_mode=WAL")
    ask(events, "CREATE TABLE events (id INTEGER)", "INSERT INTO events VALUES (2)")
    assert len([path for path, _ in sqlite._held if path == str(events)]) == 2
    while sqlite._held:
        sqlite._held.popitem(last=False)[1].close()
    assert ask(events, "SELECT * FROM events") == [(2,)]


def test_only_files_with_such_a_log_are_held(tmp_path: Path) -> None:
    ask(tmp_path / "plain.db", "CREATE TABLE events (id INTEGER)")
    ask(Path(":memory:"), "SELECT 1")
    assert not [path for path, _ in sqlite._held if path.endswith("plain.db") or not path]
