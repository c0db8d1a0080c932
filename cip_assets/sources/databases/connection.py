"""Opens a database for reading, and explains its errors."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import environ
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE
from cip_assets.sources.databases.database import VARIABLE, Database

CONNECT_SECONDS = 10
LOCK_SECONDS = 60

_SQLITE = ("PRAGMA query_only = ON", "BEGIN")
_POSTGRESQL = (
    "SET TRANSACTION READ ONLY",
    "SET LOCAL datestyle = 'ISO'",
    "SET LOCAL intervalstyle = 'iso_8601'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 1",
)
"""What begins a transaction. PostgreSQL then writes values in one way, whatever its own settings are."""


@contextmanager
def transaction(database: Database, data_dir: Path) -> Iterator[sa.Connection]:
    """A read-only transaction that sees one moment of the database.

    Raises:
        PlatformError: the database cannot be reached, or a variable of the URL is not set.

    """
    url = _url(database, data_dir)
    is_sqlite = url.get_backend_name() == "sqlite"
    with explained(database, url):
        waits = {"timeout": LOCK_SECONDS} if is_sqlite else {"connect_timeout": CONNECT_SECONDS}
        engine = sa.create_engine(
            url.set(drivername="sqlite" if is_sqlite else "postgresql+psycopg"),
            poolclass=sa.NullPool,
            connect_args={name: seconds for name, seconds in waits.items() if name not in url.query},
        )
        connection = engine.connect()
    with connection:
        with explained(database, url):
            # A driver must not look for parameters in the SQL of a person, which may have % and : in it.
            connection.execution_options(
                isolation_level="AUTOCOMMIT" if is_sqlite else "REPEATABLE READ", no_parameters=True
            )
            for statement in (
                _SQLITE if is_sqlite else (*_POSTGRESQL, f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
            ):
                connection.exec_driver_sql(statement)
        yield connection


def _url(database: Database, data_dir: Path) -> sa.URL:
    """The URL with the values of its variables.

    Raises:
        PlatformError: it is no URL, a variable is not set, or the file does not exist.

    """

    def filled(part: str | None) -> str | None:
        def value(found: re.Match[str]) -> str:
            if found[1] not in environ:
                raise PlatformError(
                    f"{database.what}: {found[1]} is not set; set it, because the url of {FILE} needs it"
                )
            return environ[found[1]]

        return part and VARIABLE.sub(value, part)

    try:
        url = sa.make_url(database.url)
    except (ArgumentError, ValueError) as error:
        raise PlatformError(
            f"{database.what}: the url is not valid; write postgresql://USER@HOST:PORT/DATABASE"
        ) from error
    parts = {name: filled(getattr(url, name)) for name in ("username", "password", "host", "database")}
    url = sa.URL.create(url.drivername, port=url.port, query=url.query, **parts)
    if url.get_backend_name() == "sqlite":
        file = data_dir / str(url.database)
        if not file.is_file():
            raise PlatformError(f"{database.what}: {file} does not exist; correct the url")
        url = url.set(database=str(file))
    return url


REMEDIES: Mapping[str, str] = {
    "password|role .* does not exist": "check the user in the url, and the variable that has the password",
    "translate host|resolve host|Name or service|refused|time.?out expired|connection timeout|unreachable|No route": (
        "check host and port in the url, and that the server is running and lets this machine in"
    ),
    "pg_hba[.]conf": "let this machine and user in, on the server",
    'database "[^"]*" does not exist': "correct the name of the database in the url",
    "permission denied|not authorized": "let the user read it: GRANT SELECT",
    "lock timeout|is locked": "another program has locked it; try again later",
    "terminat|closed|is lost|canceling": "try again; if it stops each time, ask who runs the server",
    "not a database|malformed": "the file is no SQLite database, or is damaged",
    "UTF-8": "store its texts as UTF-8",
    "read-only|readonly": "a query may only read",
}
"""What to do about errors of databases whose text matches a pattern."""


@contextmanager
def explained(database: Database, url: sa.URL) -> Iterator[None]:
    """Turn an error of the database into one line, without the password.

    Raises:
        PlatformError: there was one.

    """
    try:
        yield
    except ImportError as error:
        raise PlatformError(
            f"{database.what}: the driver {error.name} is not installed or cannot be loaded ({error}); "
            "install psycopg[binary] with pip"
        ) from error
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines()
        text = " ".join(lines if error.connection_invalidated or _is_connecting(error) else lines[:1])
        text = " ".join(text.split())
        if url.password:
            text = text.replace(str(url.password), "***")
        remedy = next(
            (remedy for pattern, remedy in REMEDIES.items() if re.search(pattern, text, re.IGNORECASE)),
            f"correct {'the query' if database.query else 'the table'} in {FILE}",
        )
        raise PlatformError(f"{database.what}: {text}; {remedy}") from error


def _is_connecting(error: DBAPIError) -> bool:
    return error.statement is None
