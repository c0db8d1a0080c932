"""Who is in an audience on a snapshot day, and what changed since the day before."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb

from cip_assets.audiences import ledger
from cip_assets.audiences.columns import CUSTOMERS, OF_CUSTOMERS, Condition
from cip_assets.audiences.config import FILE, Audience, load_audiences
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.storage import delta, questions
from cip_assets.storage.views import literal, view
from cip_assets.storage.written import require_written

BITS = 32
"""The bits of a customer's hash that decide about the holdout."""


@dataclass(frozen=True)
class Compiled:
    """An audience whose condition was compiled, with those that it excludes."""

    name: str
    audience: Audience
    condition: Condition
    without: Mapping[str, "Compiled"]

    @cached_property
    def tables(self) -> set[str]:
        """The tables that decide who is in it."""
        return {*self.condition.tables, *(table for other in self.without.values() for table in other.tables)}

    @cached_property
    def is_in(self) -> str:
        """SQL: whether a customer is in the audience."""
        others = [f"NOT {other.is_in}" for other in self.without.values()]
        included = f"({_one_of(self.audience.include)} OR coalesce({self.condition.sql}, false))"
        return f"({' AND '.join([included, f'NOT {_one_of(self.audience.exclude)}', *others])})"

    @cached_property
    def why(self) -> str:
        """SQL: why a customer is in the audience or not. What identifies a person is not shown."""
        named = ", ', ', ".join(_told(table, name) for table, name in self.condition.columns) or "''"
        cases = [
            (_one_of(self.audience.exclude), "excluded by name"),
            *((other.is_in, f"in the audience {name}") for name, other in self.without.items()),
            (_one_of(self.audience.include), "included by name"),
        ]
        when = " ".join(f"WHEN {sql} THEN {literal(text)}" for sql, text in cases)
        return f"CASE WHEN {CUSTOMERS}.customer_id IS NULL THEN 'no customer any more' {when} ELSE concat({named}) END"

    @cached_property
    def is_holdout(self) -> str:
        """SQL: whether a customer belongs to the holdout, which follows from the id alone."""
        hashed = f"concat('0x', left(sha256(concat({literal(f'{self.name}/')}, customer_id)), 8))::BIGINT"
        return f"{hashed} < {int(self.audience.holdout * 2**BITS)}"


def compiled_audiences(data_dir: Path) -> Mapping[str, Compiled]:
    """The audiences of a data folder by name, compiled against the contracts.

    Raises:
        PlatformError: the file, a condition or a column is wrong.

    """
    found: dict[str, Compiled] = {}
    declared = load_audiences(data_dir)
    if not declared:
        return found
    from cip_assets.audiences.conditions import compiled, known_column  # noqa: PLC0415 -- it imports sqlglot

    for name, audience in declared.items():
        place = f"{data_dir / FILE}: audiences.{name}"
        condition = compiled(audience.where, f"{place}.where")
        for column in audience.columns:
            known_column(column, f"{place}.columns")
        found[name] = Compiled(
            name, audience, condition, {other: found[other] for other in audience.exclude_audiences}
        )
    return found


@dataclass(frozen=True)
class Change:
    """How an audience of a day differs from that of the newest day before it."""

    as_of: date
    before: date | None
    members: int
    holdout: int
    joined: int
    left: int

    @property
    def stayed(self) -> int:
        return self.members - self.joined

    @property
    def share(self) -> float | None:
        """Those who joined or left, as a share of the members before; None if there was nobody."""
        were = self.stayed + self.left
        return (self.joined + self.left) / were if were else None

    def check(self, found: Compiled) -> None:
        """Refuse a change that is larger than the audience allows.

        Raises:
            PlatformError: it is. Nothing was written or sent.

        """
        if self.share is not None and self.share > found.audience.max_change:
            raise PlatformError(
                f"audience {found.name}: {self.joined:,} would join and {self.left:,} leave, {self.share:.0%} of the "
                f"{self.stayed + self.left:,} of {self.before}; max_change allows {found.audience.max_change:.0%}. "
                f"Look at 'cip audience preview {found.name}', then run 'cip audience send {found.name} --accept'"
            )


@contextmanager
def changes(
    settings: Settings, found: Compiled, day: date
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Change]]:
    """A connection with the table ``changes``, and its counts.

    ``changes`` has a row for everyone who is in the audience of the day or was in that of the newest day before:
    customer_id, change (joined, stayed or left), is_holdout and why.

    Raises:
        PlatformError: a table has no snapshot of the day.

    """
    with questions.connection() as connection:
        for table in sorted(found.tables):
            contract = OF_CUSTOMERS[table]
            uri = settings.table_uri(contract.layer, table)
            require_written(uri, delta.Slice.of_day(day))
            view(connection, table, delta.dataset(uri, day=day.isoformat()))
        before = ledger.before(settings, found.name, day, connection)
        joins = " ".join(f'LEFT JOIN "{t}" USING (customer_id)' for t in sorted(found.tables - {CUSTOMERS}))
        connection.execute(f"""
            CREATE TEMP TABLE changes AS
            SELECT customer_id, CASE WHEN NOT is_in THEN 'left' WHEN was_in THEN 'stayed' ELSE 'joined' END AS change,
              {found.is_holdout} AS is_holdout, why
            FROM (
              SELECT customer_id, was_in IS NOT NULL AS is_known, coalesce(was_in, false) AS was_in,
                coalesce({CUSTOMERS}.as_of_date IS NOT NULL AND {found.is_in}, false) AS is_in, {found.why} AS why
              FROM {CUSTOMERS} {joins}
              FULL JOIN known USING (customer_id))
            WHERE is_in OR is_known""")
        yield connection, _counted(connection, day, before)


def _counted(connection: duckdb.DuckDBPyConnection, day: date, before: date | None) -> Change:
    members, holdout, joined, left = connection.execute(
        "SELECT count(*) FILTER (change <> 'left'), count(*) FILTER (change <> 'left' AND is_holdout), "
        "count(*) FILTER (change = 'joined'), count(*) FILTER (change = 'left') FROM changes"
    ).fetchone() or (0, 0, 0, 0)
    return Change(day, before, members, holdout, joined, left)


def _one_of(ids: object) -> str:
    names = ", ".join(literal(name) for name in ids) if isinstance(ids, list | tuple) else ""
    return f"(customer_id IN ({names}))" if names else "false"


def _told(table: str, name: str) -> str:
    """SQL: a column with its value, unless it identifies a person."""
    shown = f'"{table}"."{name}"'
    value = f"CASE WHEN {shown} IS NULL THEN 'empty' ELSE {{}} END"
    told = value.format("'given'" if OF_CUSTOMERS[table].is_pii(name) else f"{shown}::VARCHAR")
    return f"{literal(f'{name} = ')}, {told}"
