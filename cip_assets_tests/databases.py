"""Databases of shops: SQLite files, and a real PostgreSQL server that the tests start for themselves."""

import getpass
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cip_assets.sources.databases.database import Database

PASSWORD = "p@ss:w/rd%20#?"
VARIABLE = "SHOP_DB_PASSWORD"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server on this machine."""

    port: int

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="shop", password=PASSWORD, dbname=database, autocommit=True
        )

    def url(self, database: str = "postgres", user: str = "shop") -> str:
        return f"postgresql://{user}:${{{VARIABLE}}}@127.0.0.1:{self.port}/{database}"


@dataclass(frozen=True)
class Shop:
    """A database of one test, empty at first."""

    kind: str
    url: str
    connection: Any

    def execute(self, *statements: str) -> None:
        """Run statements, each at once committed."""
        for statement in statements:
            self.connection.execute(statement)

    def database(self, **changed: str | None) -> Database:
        """The table `orders` with the cursor `updated_at`, or what is given instead."""
        given = {"name": "orders", "url": self.url, "table": "orders", "cursor": "updated_at"}
        return Database.model_validate(given | changed)


def _programs() -> Path | None:
    """The folder with PostgreSQL's programs; Debian has one per version, outside of PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server with a password, on a free port, until the tests end."""
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL IS MISSING: initdb is not on PATH, nor in /usr/lib/postgresql/*/bin"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}, and CI may not go without it")
        pytest.skip(reason)
    # initdb refuses to work as root.
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        secret = Path(folder) / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        for path in (Path(folder), secret):
            shutil.chown(path, user)
        data = Path(folder) / "data"

        def run(program: str, *arguments: str) -> None:
            # The server would keep a pipe open.
            with (Path(folder) / "output").open("w+", encoding="utf-8") as output:
                done = subprocess.run(
                    [programs / program, *arguments],
                    user=user,
                    cwd=folder,
                    stdout=output,
                    stderr=output,
                    check=False,
                )
                output.seek(0)
                assert done.returncode == 0, output.read()

        run(
            "initdb",
            "-D",
            str(data),
            "-U",
            "shop",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
            "-N",
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", str(data), "-w", "-o", settings, "-l", f"{folder}/log", "start")
        try:
            yield Server(port)
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")


@pytest.fixture
def postgresql(
    server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """A new database on the server."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    name = re.sub(r"\W+", "_", request.node.name).lower()[:60]
    with server.connect() as main:
        main.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[call-overload]
        main.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    with server.connect(name) as connection:
        yield Shop("postgresql", server.url(name), connection)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Shop]:
    """A new file below the data folder."""
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    yield Shop("sqlite", "sqlite:///shop.db", connection)
    connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A new database of each kind."""
    found: Shop = request.getfixturevalue(request.param)
    return found
