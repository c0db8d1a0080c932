"""The databases that ``sources.yaml`` names. ``fetch`` turns their rows into files.

Nothing here connects to a database, so this module is cheap to import.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cip_assets.config.errors import PlatformError

FOLDER = "fetched"
"""The folder below the data folder with the fetched files, one folder for each database of ``sources.yaml``."""

POSTGRESQL = ("postgresql", "postgresql+psycopg")
SQLITE = ("sqlite", "sqlite+pysqlite")

VARIABLE = re.compile(r"\$\{(\w+)\}")
"""An environment variable in a URL."""

PASSWORD = re.compile(r"^[^:]*://[^:/@]*:(?P<user>.*)@|[?&]\w*password=(?P<option>[^&]*)", re.IGNORECASE)
"""Where a password stands in a URL, even if it has characters that a URL may not have."""


class Database(BaseModel):
    """A table or a query whose rows are fetched.

    Its errors never show the URL, because it may hold a password that does not belong there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str = Field(
        pattern=r"^\w[\w-]*$", description="the folder of its files: fetched/NAME below the data folder"
    )
    url: str = Field(
        description="postgresql://USER:${VARIABLE}@HOST/DATABASE, where VARIABLE is an environment variable with the "
        "password, or sqlite:///FILE, absolute or below the data folder"
    )
    table: str | None = Field(default=None, description="a table or view, with its schema if it needs one")
    query: str | None = Field(default=None, description="a SELECT, instead of a table")
    cursor: str = Field(
        description="a column that grows with each new or changed row: a time of change, or a growing number"
    )
    order: str | None = Field(
        default=None,
        description="the column with the order's id: if a row changes, all rows of its order are fetched again",
    )
    time_zone: str = Field(default="UTC", description="the zone in which times with a zone are written")

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        dialect, found, rest = url.partition("://")
        if any(
            not VARIABLE.fullmatch(password)
            for at in PASSWORD.finditer(url)
            if (password := at["user"] if at["user"] is not None else at["option"])
        ):
            raise ValueError(
                "the password stands in the URL; put it into an environment variable and write "
                "postgresql://USER:${SHOP_DB_PASSWORD}@HOST/DATABASE"
            )
        if dialect == "postgres":
            raise ValueError("postgres:// is an old spelling; write postgresql://")
        if not found or dialect not in (*POSTGRESQL, *SQLITE):
            raise ValueError(
                f"{dialect if found else 'the URL'} is not supported; write postgresql://USER@HOST/DATABASE or "
                "sqlite:///FILE, or export the table as CSV"
            )
        if dialect in SQLITE and (not rest.startswith("/") or rest[1:] in {"", ":memory:"}):
            raise ValueError("the URL names no file; write sqlite:///FILE with three slashes")
        return url

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (LookupError, ValueError, OSError) as error:
            raise ValueError(f"{name} is no time zone; write one such as Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("name a table or a query, and not both")
        return self

    @property
    def files(self) -> str:
        """The pattern of its files, as ``files`` of an export has it."""
        return f"{FOLDER}/{self.name}/*.parquet"

    @property
    def what(self) -> str:
        """How messages name it."""
        return f"database {self.name}"


FETCHED = re.compile(rf"{FOLDER}/(?P<name>[\w-]+)/(?P=name)-(?P<number>\d+)[.]parquet$")


def fetch_number(path: Path) -> int | None:
    """The number of the fetch that wrote a file; a later fetch has a higher one. None if no fetch wrote it."""
    found = FETCHED.search(path.as_posix())
    return int(found["number"]) if found else None


def pattern_of(path: Path) -> str | None:
    """The pattern of all files of the database that a file was fetched from; None if it was not fetched."""
    found = FETCHED.search(path.as_posix())
    return f"{FOLDER}/{found['name']}/*.parquet" if found else None


def from_command_line(
    arguments: Sequence[str],
    data_dir: Path,
    *,
    table: str | None,
    query: str | None,
    cursor: str | None,
    name: str | None,
    time_zone: str | None,
) -> tuple[tuple[Database, ...], list[Path]]:
    """The database and the paths among the arguments of a command.

    Args:
        arguments: paths, and at most one URL. The file of a ``sqlite`` URL is relative to the current folder.
        data_dir: the data folder. A file below it is named relative to it.
        table: the table to fetch.
        query: the query to fetch, instead of a table.
        cursor: the cursor column; empty if there is none yet.
        name: the name in ``sources.yaml``; by default that of the table.
        time_zone: the zone in which its times are written.

    Raises:
        PlatformError: there is no URL although there is an option for one, there are several, or it cannot be used.

    """
    urls = [argument for argument in arguments if "://" in argument]
    paths = [Path(argument) for argument in arguments if "://" not in argument]
    if not urls:
        if table or query or cursor or name:
            raise PlatformError(
                "--table, --query, --cursor and --name belong to a database; name one, such as sqlite:///shop.db"
            )
        return (), paths
    if len(urls) > 1:
        raise PlatformError("name one database at a time; each 'cip adopt' adds one to sources.yaml")
    own_name = name or re.sub(r"[^\w-]+", "_", (table or "query").rpartition(".")[2])
    given = {"url": _placed(urls[0], data_dir), "query": query, "cursor": cursor or "", "name": own_name}
    given |= {"time_zone": time_zone} if time_zone else {}
    # A table without a name exists nowhere, so the message about it names those that do.
    return (_checked({**given, "table": "" if table is None and query is None else table}),), paths


def _checked(given: Mapping[str, object]) -> Database:
    try:
        return Database.model_validate(given)
    except ValidationError as error:
        raise PlatformError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _placed(url: str, data_dir: Path) -> str:
    """The URL, with the file of a SQLite database as ``sources.yaml`` needs it."""
    dialect, _, file = url.partition(":///")
    if dialect not in SQLITE or not file or file == ":memory:":
        return url
    path, base = Path(file).resolve(), data_dir.resolve()
    return f"{dialect}:///{path.relative_to(base) if path.is_relative_to(base) else path}"


def with_known(new: Sequence[Database], known: Sequence[Database]) -> tuple[Database, ...]:
    """The new databases, each as ``sources.yaml`` has it already if it does.

    Raises:
        PlatformError: another database has the name.

    """
    by_name = {database.name: database for database in known}
    return tuple(_as_known(database, by_name.get(database.name)) for database in new)


def _as_known(new: Database, known: Database | None) -> Database:
    named = {"url", "table", "query", "cursor"} | new.model_fields_set
    if known and any(getattr(known, name) != getattr(new, name) for name in named):
        raise PlatformError(
            f"sources.yaml has another database {new.name}; give this one another name with --name, or edit the file"
        )
    return known or new
