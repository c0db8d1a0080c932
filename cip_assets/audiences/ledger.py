"""The ledger of an audience: who joined, stayed and left on each day, and why. Rows are only ever added.

It is a Delta table. An entry has all rows of a day; if a day is computed again and differs, it gets another entry, and
its newest one counts.
"""

from datetime import date

import duckdb
import pyarrow as pa

from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import AS_OF
from cip_assets.storage import delta
from cip_assets.storage.append import append
from cip_assets.storage.views import view

LAYER = "audiences"

SCHEMA = pa.schema(
    [
        ("entry", pa.int64()),
        (AS_OF, pa.date32()),
        ("customer_id", pa.string()),
        ("change", pa.string()),
        ("is_holdout", pa.bool_()),
        ("why", pa.string()),
    ]
)


def show(settings: Settings, name: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Show the rows of the ledger that count as ``ledger``: of each day, those of its newest entry."""
    uri = settings.table_uri(LAYER, name)
    if delta.exists(uri):
        view(connection, "all_entries", delta.dataset(uri))
    else:
        connection.register("all_entries", SCHEMA.empty_table())
    connection.execute(
        "CREATE TEMP VIEW ledger AS SELECT * FROM all_entries WHERE entry IN "
        "(SELECT max(entry) FROM all_entries GROUP BY as_of_date)"
    )


def before(settings: Settings, name: str, day: date, connection: duckdb.DuckDBPyConnection) -> date | None:
    """The newest day before a day. The table ``known`` then has the members of that day, with ``was_in``, and those of
    an older entry of the day itself.
    """
    show(settings, name, connection)
    (newest,) = connection.execute(
        "SELECT max(as_of_date) FROM ledger WHERE as_of_date < ?", [day]
    ).fetchone() or (None,)
    connection.execute(
        "CREATE TEMP TABLE known AS SELECT customer_id, bool_or(as_of_date < $day) AS was_in FROM ledger "
        "WHERE as_of_date IN ($day, $newest) AND change <> 'left' GROUP BY customer_id",
        {"day": day, "newest": newest},
    )
    return newest if isinstance(newest, date) else None


def record(settings: Settings, name: str, day: date, connection: duckdb.DuckDBPyConnection) -> int:
    """Add the table ``changes`` of a connection as an entry of a day, unless its newest entry says the same.

    Returns:
        The number of rows that were added.

    """
    columns = "customer_id, change, is_holdout, why"
    hashed = f"(count(*), sum(hash({columns})::HUGEINT))"
    said, now = (
        connection.execute(f"SELECT {hashed} FROM {rows}").fetchone()
        for rows in (f"ledger WHERE as_of_date = DATE '{day}'", "changes")
    )
    ((count, _),) = now or ((0, None),)
    if said == now or not count:
        return 0
    ((entry,),) = connection.execute("SELECT coalesce(max(entry), 0) + 1 FROM all_entries").fetchall()
    rows = connection.sql(f"SELECT {entry}::BIGINT AS entry, {columns} FROM changes ORDER BY customer_id")
    return append(
        settings.table_uri(LAYER, name),
        SCHEMA,
        rows.to_arrow_reader(100_000),
        (AS_OF, str(day)),
        {"as_of": str(day), "entry": entry},
    )


def newest_day(settings: Settings, name: str) -> date | None:
    """The newest day of the ledger; None if it is empty."""
    uri = settings.table_uri(LAYER, name)
    return delta.newest_slice(uri, AS_OF) if delta.exists(uri) else None
