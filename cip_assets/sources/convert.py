"""Turns the exports that ``sources.yaml`` names into landing files.

Every record of every export becomes a line of ``transactions`` or ``returns``, or is left out with its kind; broken
records land too, so that they are quarantined with their text. The landing files are made from all exports together,
one per month, and a file is written only if it changes, so only changed months are ingested. If nothing that decides
them has changed, nothing is done.
"""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
from pydantic import TypeAdapter

from cip_assets.config.errors import PlatformError
from cip_assets.sources import lines, orders, sessions, stage, texts
from cip_assets.sources.config import FILE, Export, Sources, files_of
from cip_assets.sources.kept import Kept, digest, hash_of, kept_in
from cip_assets.sources.landing import write, written
from cip_assets.sources.reading.errors import UnreadableExport


@dataclass(frozen=True)
class KindTotal:
    """The records of one kind: how many, and the sum of their amounts as the export has them."""

    kind: str
    records: int
    amount: Decimal


@dataclass(frozen=True)
class ExportTotal:
    """What is in one export. The records of ``files`` add up to those of ``kinds``."""

    files: tuple[tuple[str, int], ...]
    """The name of each file that was read, with its records."""
    skipped: tuple[str, ...]
    """Files with the same content as another one."""
    kinds: tuple[KindTotal, ...]
    checked: int
    """Orders that say what their goods cost, or what was paid in all."""
    reconciled: int


@dataclass(frozen=True)
class Summary:
    """What is in the exports. ``kinds`` add up to all records."""

    records: int
    kinds: tuple[KindTotal, ...]
    orders: int | None
    """Empty, as all figures of orders, if there are none."""
    buyers: int | None
    """Empty if no record names a customer."""
    guest_orders: int | None
    currency: str | None
    """The currency of all orders; ``mixed`` if there are several."""
    sold: Decimal | None
    """Goods after discounts; empty if an amount has no rate."""
    charged: Decimal | None
    """What buyers paid in all; empty if an order does not say it."""
    returned: Decimal | None
    """Goods given back; empty if nothing was, or an amount has no rate."""
    refunded: Decimal | None
    """All money given back; empty as ``returned``."""
    returns: int
    linked_returns: int
    """Returns that undo an order line which is known."""
    first_day: date | None
    last_day: date | None
    tickets: int
    first_ticket_day: date | None
    sessions: int
    visitors: int
    """Customers with a session."""
    first_session_day: date | None
    checked: int
    """Orders that say what their goods cost, or what was paid in all."""
    reconciled: int
    unreconciled: tuple[str, ...]
    """Some orders whose lines add up to something else, each with the amounts."""
    unread: tuple[str, ...]
    """Some records that cannot be read, each with its place."""
    exports: tuple[ExportTotal, ...]
    """The same by export, in the order of ``sources.yaml``."""

    @property
    def skipped(self) -> Sequence[str]:
        """Files with the same content as another one of their export."""
        return tuple(name for export in self.exports for name in export.skipped)


def convert(sources: Sources, data_dir: Path, landing: Path) -> Summary:
    """Write the landing files of all exports, unless they are there and nothing that decides them has changed.

    Raises:
        PlatformError: a file cannot be read, no layout has its header, or ids have lost digits.

    """
    with kept_in(data_dir) as kept:
        made_from = _made_from(sources, data_dir)
        about = kept.converted(made_from, written(landing))
        if about is not None:
            return _SUMMARY.validate_python(about)
        with _lines(sources, data_dir, kept) as (found, skipped):
            write(found, landing)
            summary = _summary(found, skipped)
        kept.keep_conversion(made_from, written(landing), _SUMMARY.dump_python(summary, mode="json"))
        return summary


_SUMMARY = TypeAdapter(Summary)


def _made_from(sources: Sources, data_dir: Path) -> str:
    """Changes with all that decides what a conversion writes, beside our code: ``sources.yaml``, SQL, rates, files.

    Raises:
        PlatformError: a file cannot be read.

    """
    queries = [
        layout.records.sql for export in sources.exports for layout in export.layouts if layout.records
    ]
    rates = data_dir / sources.rates if sources.rates else None
    try:
        # The time of a change decides between files that say nothing of their order.
        files = [
            (str(path), hash_of(path), path.stat().st_mtime_ns)
            for export in sources.exports
            for path in files_of(export, data_dir)
        ]
    except UnreadableExport as error:
        raise PlatformError(str(error)) from error
    has_rates = rates is not None and rates.is_file()
    return digest(sources.model_dump_json(), queries, hash_of(rates) if rates and has_rates else None, files)


def look_at(sources: Sources, data_dir: Path) -> Summary:
    """What ``convert`` would find, without writing anything.

    Raises:
        PlatformError: as ``convert``.

    """
    with lines_of(sources, data_dir) as (found, skipped):
        return _summary(found, skipped)


Skipped = Sequence[Sequence[str]]
"""For each export, the files with the same content as another one."""


@contextmanager
def lines_of(sources: Sources, data_dir: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Skipped]]:
    """A database with what is in the exports, and for each export the files that are copies of others.

    ``lines`` has each record with its kind; ``sold`` and ``returned`` what lands of orders; ``customers`` and
    ``tickets`` those records; ``visits`` the sessions of the website.

    Raises:
        PlatformError: as ``convert``.

    """
    with kept_in(data_dir) as kept, _lines(sources, data_dir, kept) as found:
        yield found


@contextmanager
def _lines(
    sources: Sources, data_dir: Path, kept: Kept
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Skipped]]:
    """As ``lines_of``."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        duckdb.connect(config={"memory_limit": "2GB", "temp_directory": scratch}) as connection,
    ):
        for script in (texts.MACROS, sessions.MACROS, stage.TABLES, lines.TABLES, orders.CONVERTED):
            connection.execute(script)
        skipped: list[Sequence[str]] = []
        whole = {database.files for database in sources.databases if database.order is not None}
        for number, export in enumerate(sources.exports):
            skipped.append(_read_export(connection, number, export, data_dir, whole, kept))
        _refuse_lost_digits(connection)
        _refuse_reused_numbers(connection)
        _refuse_mixed_orders(
            connection, [n for n, export in enumerate(sources.exports) if export.preset is None]
        )
        for script in (*orders.STEPS, sessions.VISITS):
            connection.execute(script)
        orders.link_returns(connection)
        orders.convert_currencies(connection, sources, data_dir)
        yield connection, skipped


def _read_export(
    connection: duckdb.DuckDBPyConnection,
    number: int,
    export: Export,
    data_dir: Path,
    whole: Collection[str],
    kept: Kept,
) -> list[str]:
    """Read all files of an export; returns the ones that are copies of others."""
    found, skipped = stage.stage(connection, number, export, data_dir, whole, kept)
    for records in found:
        lines.add(connection, number, records)
    tables = stage.tables_of(number, export)
    for table, layout in zip(tables, export.layouts, strict=True):
        made = [records.relation for records in found if table in records.staged]
        is_joined = not made and any(
            other.records and layout.name in other.records.sql for other in export.layouts
        )
        lines.add_rest(connection, number, table, layout, made, is_joined=is_joined)
    _refuse_other_lines(connection, number, tables)
    for table in tables:
        connection.execute(f"DROP TABLE {table} CASCADE")
    return skipped


def _refuse_other_lines(connection: duckdb.DuckDBPyConnection, number: int, tables: Sequence[str]) -> None:
    """Make sure that each line of each file is counted, and nothing else.

    Raises:
        PlatformError: a record names a line that its file does not have, or a line has no record.

    """
    staged = " UNION ".join(f"SELECT file_no, line FROM {table}" for table in tables)
    counted = f"SELECT file_no, line FROM lines WHERE export = {number}"
    found = connection.execute(
        f"""
        SELECT file, line, what FROM (
          SELECT *, 'has no record' AS what FROM ({staged} EXCEPT {counted})
          UNION ALL
          SELECT *, 'is not in the file' FROM ({counted} EXCEPT ({staged})))
        LEFT JOIN (SELECT * FROM files WHERE export = {number}) USING (file_no) ORDER BY ALL LIMIT 1
        """
    ).fetchone()
    if found:
        file, line, what = found
        raise PlatformError(
            f"{file or 'a file that is not there'}, line {line}: {what}, by the SQL of exports.{number} in {FILE}; "
            "select _file and _line from the records of the files as they are"
        )


MANY = 0.2
"""The share of ids that look shortened from which on they are: a code may look so by chance."""


def _refuse_lost_digits(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse ids that a spreadsheet has shortened, because different ones are then the same.

    Raises:
        PlatformError: there are such ids.

    """
    for name, what in (
        ("order_id", "order ids"),
        ("customer_id", "customer ids"),
        ("product_id", "product ids"),
    ):
        found = connection.execute(
            f"""
            WITH shortened AS (
              FROM lines WHERE regexp_matches({name}, '^[0-9]([.,][0-9]+)?[eE][+]?[0-9]+$')
                OR regexp_matches({name}, '^[1-9][0-9]{{14}}000+$'))
            SELECT file, line, {name}, count(*) OVER () AS count FROM shortened JOIN files USING (export, file_no)
            WHERE (SELECT count(*) FROM shortened) > {MANY} * (SELECT count({name}) FROM lines)
            ORDER BY file_no, line LIMIT 1
            """
        ).fetchone()
        if found:
            file, line, value, count = found
            raise PlatformError(
                f"{file}, line {line}: {what} like {value} have lost digits in a spreadsheet ({count} records); export "
                "the file again, and do not open it in a spreadsheet before"
            )


LONGEST_ORDER_DAYS = 92
"""The lines of one order are not further apart."""


def _refuse_reused_numbers(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse order numbers that begin again, for example each year, because different orders would be one.

    Raises:
        PlatformError: an order has lines that are far apart.

    """
    found = connection.execute(
        f"""
        SELECT order_id, min(day), max(day), count(*) OVER () FROM lines WHERE kind = 'sale'
        GROUP BY export, order_id HAVING max(day) - min(day) > {LONGEST_ORDER_DAYS} ORDER BY ALL LIMIT 1
        """
    ).fetchone()
    if found:
        order, first, last, count = found
        raise PlatformError(
            f"order {order} has lines of {first} and of {last} ({count} such orders): the numbers seem to be used "
            f"again; put the files of each period into an export of its own in {FILE}"
        )


MIXED = 0.2
"""The share of the orders with several records that may have several days or buyers: some are mistakes."""


def _refuse_mixed_orders(connection: duckdb.DuckDBPyConnection, exports: Sequence[int]) -> None:
    """Refuse order numbers that begin again each day, or in each store, in exports that no preset knows.

    Raises:
        PlatformError: many orders have sales of several days or buyers.

    """
    found = connection.execute(
        f"""
        WITH several AS (
          SELECT order_id, list_sort(list(DISTINCT day::TEXT)) AS days,
            list_sort(list(DISTINCT customer_id) FILTER (customer_id IS NOT NULL)) AS buyers
          FROM lines WHERE kind = 'sale' AND list_contains({list(exports)}::INT[], export) AND updated_at IS NULL
          GROUP BY export, order_id HAVING count(*) > 1),
        mixed AS (
          SELECT order_id, CASE WHEN len(buyers) > 1 THEN buyers ELSE days END AS found
          FROM several WHERE len(days) > 1 OR len(buyers) > 1)
        SELECT order_id, found[1], found[2], count(*) OVER () FROM mixed
        WHERE (SELECT count(*) FROM mixed) > greatest(1, {MIXED} * (SELECT count(*) FROM several))
        ORDER BY ALL LIMIT 1
        """
    ).fetchone()
    if found:
        order, first, second, count = found
        raise PlatformError(
            f"order {order} is of {first} and of {second} ({count} such orders): the numbers seem to be used again; "
            f"put the files of each period or store into an export of its own in {FILE}, or export a number that each "
            "order has for itself"
        )


def _kinds(connection: duckdb.DuckDBPyConnection, which: str) -> tuple[KindTotal, ...]:
    """The records of each kind, of all exports or one."""
    found = connection.execute(
        "SELECT kind, count(*), sum(round(amount, 2)) FROM lines "
        f"WHERE {which} GROUP BY kind ORDER BY count(*) DESC, kind"
    ).fetchall()
    return tuple(KindTotal(kind, records, amount or Decimal(0)) for kind, records, amount in found)


def _reconciled(connection: duckdb.DuckDBPyConnection, which: str) -> tuple[int, int]:
    """How many orders say what they cost, and how many of these add up to it, of all exports or one."""
    ((checked, reconciled),) = connection.execute(
        f"SELECT count(*), count(*) FILTER (is_reconciled) FROM reconciled WHERE {which}"
    ).fetchall()
    return checked, reconciled


def _export_total(connection: duckdb.DuckDBPyConnection, number: int, skipped: Sequence[str]) -> ExportTotal:
    which = f"export = {number}"
    files = connection.execute(
        f"""
        SELECT file, count(line) FROM files LEFT JOIN lines USING (export, file_no)
        WHERE {which} GROUP BY file_no, file ORDER BY file_no
        """
    ).fetchall()
    checked, reconciled = _reconciled(connection, which)
    return ExportTotal(tuple(files), tuple(skipped), _kinds(connection, which), checked, reconciled)


def _summary(connection: duckdb.DuckDBPyConnection, skipped: Skipped) -> Summary:
    kinds = _kinds(connection, "true")
    ((records,),) = connection.execute("SELECT count(*) FROM lines").fetchall()
    ((orders_, buyers, guests, currency, sold, charged, returned, refunded, first, last),) = (
        connection.execute(
            """
        SELECT nullif(count(DISTINCT (export, order_id)), 0),
          CASE WHEN count(customer_id) > 0 THEN count(DISTINCT customer_id) END,
          CASE WHEN count(customer_id) > 0
            THEN count(DISTINCT (export, order_id)) FILTER (customer_id IS NULL) END,
          CASE WHEN count(DISTINCT coalesce(currency, '')) > 1 THEN 'mixed' ELSE min(currency) END,
          CASE WHEN count(amount) = count(*) THEN sum(round(amount, 2)) END,
          CASE WHEN count(charged) = count(*) AND count(amount) = count(*) THEN sum(charged) END,
          (SELECT sum(round(amount, 2)) FROM returned HAVING count(amount) = count(*)),
          (SELECT sum(round(coalesce(refunded, amount), 2)) FROM returned HAVING count(amount) = count(*)),
          min(day), max(day)
        FROM sold WHERE kind = 'sale'
        """
        ).fetchall()
    )
    ((returns, linked),) = connection.execute(
        "SELECT (SELECT count(*) FROM returned), (SELECT count(*) FROM linked)"
    ).fetchall()
    ((tickets, first_ticket),) = connection.execute(
        "SELECT count(DISTINCT (export, ticket_id)), min(opened) FROM tickets WHERE kind = 'ticket'"
    ).fetchall()
    ((visits, visitors, first_session),) = connection.execute(
        "SELECT count(*), count(DISTINCT customer_id), min(time)::DATE FROM visits WHERE time IS NOT NULL"
    ).fetchall()
    checked, reconciled = _reconciled(connection, "true")
    unreconciled = tuple(
        f"{order}: its lines are {goods:,.2f}, but {what}"
        for order, goods, what in connection.execute(
            """
            SELECT order_id, goods, concat_ws(', ', 'subtotal ' || subtotal::DECIMAL(24, 2),
              'charged ' || charged::DECIMAL(24, 2))
            FROM reconciled WHERE NOT is_reconciled ORDER BY ALL LIMIT 3
            """
        ).fetchall()
    )
    unread = tuple(
        f"{file}, line {line}: {text}"
        for file, line, text in connection.execute(
            """
            SELECT file, line, record_text[:80] FROM lines JOIN files USING (export, file_no)
            WHERE kind IN ('unreadable', 'broken')
            ORDER BY export, file_no, line LIMIT 2
            """
        ).fetchall()
    )
    return Summary(
        records,
        kinds,
        orders=orders_,
        buyers=buyers,
        guest_orders=guests,
        currency=currency,
        sold=sold,
        charged=charged,
        returned=returned,
        refunded=refunded,
        returns=returns,
        linked_returns=linked,
        first_day=first,
        last_day=last,
        tickets=tickets,
        first_ticket_day=first_ticket,
        sessions=visits,
        visitors=visitors,
        first_session_day=first_session,
        checked=checked,
        reconciled=reconciled,
        unreconciled=unreconciled,
        unread=unread,
        exports=tuple(_export_total(connection, number, each) for number, each in enumerate(skipped)),
    )
