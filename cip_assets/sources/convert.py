"""Turns the exports that ``sources.yaml`` names into landing files.

Every record of every export becomes a line of ``transactions`` or ``returns``, or is left out with its kind; broken
records land too, so that they are quarantined with their text. The landing files are made from all exports each time,
one per month, and a file is written only if it changes, so only changed months are ingested.
"""

import csv
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import SEEK_END, StringIO
from pathlib import Path

import duckdb
import pyarrow as pa

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, Export, Layout, Sources, files_of, literal
from cip_assets.sources.databases.database import fetch_number, pattern_of
from cip_assets.sources.reading.dialect import Dialect, detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member, members
from cip_assets.sources.reading.records import read
from cip_assets.storage.files import hash_file, replace_text

FOLDER = "from_exports"
"""The folder below ``landing/<table>`` that only this module writes to."""

LEFT_OUT = "_left_out.csv"
"""The file in the landing folder with the records that are no sale and no return. It is not ingested."""

TRANSACTIONS = (
    "transaction_id,order_id,customer_id,is_guest,product_id,quantity,price,amount,payment_method,transaction_date,"
    "export_file,export_line"
)
RETURNS = (
    "return_id,transaction_id,order_id,customer_id,is_guest,product_id,amount,return_reason,return_date,export_file,"
    "export_line"
)
PRODUCTS = "product_id,product_name,category,brand,cost_price,selling_price"


@dataclass(frozen=True)
class KindTotal:
    """The records of one kind: how many, and the sum of their amounts as the export has them."""

    kind: str
    records: int
    amount: Decimal


@dataclass(frozen=True)
class Summary:
    """What is in the exports. ``kinds`` add up to all records."""

    records: int
    kinds: Sequence[KindTotal]
    orders: int
    buyers: int
    guest_orders: int
    sold: Decimal
    returned: Decimal
    first_day: date | None
    last_day: date | None
    skipped: Sequence[str]
    """Files with the same content as another one."""
    unread: Sequence[str] = ()
    """Some records that cannot be read, each with its place."""


def convert(sources: Sources, data_dir: Path, landing: Path) -> Summary:
    """Write the landing files of all exports.

    Raises:
        PlatformError: a file cannot be read, no layout has its header, or ids have lost digits.

    """
    with lines_of(sources, data_dir) as (lines, skipped):
        _write(lines, landing)
        return _summary(lines, skipped)


def look_at(sources: Sources, data_dir: Path) -> Summary:
    """What ``convert`` would find, without writing anything.

    Raises:
        PlatformError: as ``convert``.

    """
    with lines_of(sources, data_dir) as (lines, skipped):
        return _summary(lines, skipped)


@contextmanager
def lines_of(sources: Sources, data_dir: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Sequence[str]]]:
    """A database with the table ``lines``, one row per record, and the files that are copies of others.

    Raises:
        PlatformError: as ``convert``.

    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        duckdb.connect(config={"memory_limit": "2GB", "temp_directory": scratch}) as connection,
    ):
        connection.execute(_MACROS)
        connection.execute(_LINES)
        skipped: list[str] = []
        whole = {database.files for database in sources.databases if database.order is not None}
        for number, export in enumerate(sources.exports):
            skipped += _read_export(connection, number, export, data_dir, whole)
        _refuse_lost_digits(connection)
        _refuse_reused_numbers(connection)
        connection.execute(_SUPERSEDE)
        connection.execute(_DISCOUNT)
        connection.execute(_LANDING)
        yield connection, skipped


_MACROS = """
CREATE MACRO present(x) AS nullif(trim(x, ' \t\r\n\u00a0'), '');
CREATE MACRO bare(x) AS regexp_replace(regexp_replace(x, '[\\s\u00a0\u202f''\u2019]', '', 'g'),
  '^[^-+(0-9.,]+[.,]?|[^-)0-9.,]+$|[.,]-$', '', 'g');
CREATE MACRO in_front(x) AS
  CASE WHEN regexp_matches(x, '^[(].*[)]$') THEN '-' || x[2:-2] WHEN x LIKE '%-' THEN '-' || x[:-2] ELSE x END;
CREATE MACRO number(x, decimal_sign) AS try_cast(
  CASE WHEN decimal_sign = ',' THEN replace(replace(in_front(bare(x)), '.', ''), ',', '.')
    ELSE replace(in_front(bare(x)), ',', '') END AS DECIMAL(24, 6));
CREATE MACRO year_first(x) AS regexp_extract(x, '^(\\d{4})[-/.](\\d{1,2})[-/.](\\d{1,2})', ['a', 'b', 'c']);
CREATE MACRO year_last(x) AS regexp_extract(x, '^(\\d{1,2})[-/.](\\d{1,2})[-/.](\\d{4})', ['a', 'b', 'c']);
CREATE MACRO day_of(y, m, d) AS
  try_cast(y || '-' || lpad(m, 2, '0') || '-' || lpad(d, 2, '0') AS DATE);
CREATE MACRO ymd(x) AS day_of(year_first(x).a, year_first(x).b, year_first(x).c);
CREATE MACRO mdy(x) AS day_of(year_last(x).c, year_last(x).a, year_last(x).b);
CREATE MACRO dmy(x) AS day_of(year_last(x).c, year_last(x).b, year_last(x).a);
CREATE MACRO id(x) AS regexp_replace(regexp_replace(present(x), '^''', ''), '^(\\d+)[.]0$', '\\1');
CREATE MACRO person(x) AS CASE WHEN id(x) LIKE '%@%' THEN lower(id(x)) ELSE id(x) END;
"""
"""SQL for texts: presence, numbers, days and ids."""

_LINES = """
CREATE TABLE files (
  export INT, file_no INT, file TEXT, delivered DATE, fetched INT, is_whole BOOLEAN, changed DOUBLE);
CREATE TABLE lines (
  export INT, file_no INT, file TEXT, line BIGINT, record_text TEXT, problem TEXT, order_id TEXT, customer_id TEXT,
  product_id TEXT, product_name TEXT, category TEXT, payment_method TEXT, quantity_text TEXT, quantity DECIMAL(24, 6),
  unit_price DECIMAL(24, 6), amount DECIMAL(24, 6), refunded DECIMAL(24, 6), date_text TEXT, day DATE, kind TEXT);
"""

_SUPERSEDE = """
CREATE TABLE ranked AS
  WITH reached AS (
    SELECT export, file_no, quantile_disc(day, 0.99) AS day FROM lines WHERE kind = 'sale' GROUP BY ALL)
  SELECT export, file_no, is_whole,
    row_number() OVER (PARTITION BY export
      ORDER BY delivered NULLS FIRST, fetched NULLS FIRST, day NULLS FIRST, changed, file) AS rank
  FROM files LEFT JOIN reached USING (export, file_no);
CREATE TABLE parts AS
  SELECT DISTINCT export, order_id, kind = 'return' AS is_return, file_no, rank, is_whole,
    CASE WHEN kind = 'return' THEN concat_ws('|', product_id, day, amount) ELSE coalesce(product_id, '') END AS part
  FROM lines JOIN ranked USING (export, file_no)
  WHERE order_id IS NOT NULL AND kind NOT IN ('repeated_header', 'broken');
CREATE TABLE replaced AS
  SELECT DISTINCT old.export, old.order_id, old.is_return, old.file_no
  FROM parts AS old JOIN parts AS new USING (export, order_id, is_return, part) WHERE new.rank > old.rank
  UNION SELECT old.export, old.order_id, old.is_return, old.file_no
  FROM parts AS old JOIN (
    SELECT export, order_id, max(rank) AS rank FROM parts WHERE is_whole GROUP BY ALL
  ) AS new USING (export, order_id) WHERE new.rank > old.rank;
UPDATE lines SET kind = 'superseded' FROM replaced
  WHERE lines.export = replaced.export AND lines.order_id = replaced.order_id AND lines.file_no = replaced.file_no
    AND (kind = 'return') = is_return;
"""
"""An order that two files have with the same product, or a return that two files have, is taken from the newer file.
The newer one is that of the later ``dt=`` folder, or of the later fetch from a database; without these, the file whose
sales reach further (single days far off do not count), or that was changed later. If an order's files share no product,
each has a part of the order; but a fetch from a database brings an order whole.
"""

_DISCOUNT = """
CREATE TABLE shares AS
  WITH taken AS (
    SELECT export, order_id, -sum(round(amount, 2)) AS discount FROM lines WHERE kind = 'discount' GROUP BY ALL),
  goods AS (
    SELECT export, order_id, file_no, line, discount, sum(round(amount, 2)) OVER whole AS total,
      sum(round(amount, 2)) OVER (whole ORDER BY file_no, line) AS reached, round(amount, 2) AS amount
    FROM lines JOIN taken USING (export, order_id) WHERE kind = 'sale'
    WINDOW whole AS (PARTITION BY export, order_id))
  SELECT export, file_no, line,
    round(least(discount, total) * reached / total, 2) - round(least(discount, total) * (reached - amount) / total, 2)
      AS part
  FROM goods WHERE total > 0;
UPDATE lines SET amount = lines.amount - part FROM shares
  WHERE lines.export = shares.export AND lines.file_no = shares.file_no AND lines.line = shares.line;
"""
"""A discount that is a record of the order is taken off the order's lines, in proportion, to the cent, and at most what
they cost.
"""

_LANDING = """
CREATE MACRO numbered(several) AS TABLE
  SELECT *, row_number() OVER (PARTITION BY export, order_id ORDER BY file_no, line) AS number,
    CASE WHEN (SELECT max(export) FROM files) > 0 THEN 'export' || export + 1 || ':' ELSE '' END || order_id AS own_id
  FROM query_table(several);
CREATE VIEW sales AS FROM lines WHERE kind IN ('sale', 'unreadable');
CREATE VIEW given_back AS
  SELECT * REPLACE (abs(amount) AS amount) FROM lines WHERE kind = 'return'
  UNION ALL SELECT * REPLACE (refunded AS amount) FROM lines WHERE kind = 'sale' AND refunded > 0;
CREATE TABLE sold AS FROM numbered('sales');
CREATE TABLE returned AS FROM numbered('given_back');
"""
"""What lands, each record with its number in its order: sales; and returns, which are records of their own or are named
by a sale's record. The ids of orders are those of the export, unless there are several exports.
"""


DELIVERED = re.compile(r"(?:^|/)dt=(\d{4}-\d{2}-\d{2})(?=/)")
"""The delivery date in a path."""


def _read_export(
    connection: duckdb.DuckDBPyConnection, number: int, export: Export, data_dir: Path, whole: Collection[str]
) -> list[str]:
    """Read all files of an export; returns the ones that are copies of others.

    ``whole`` are the patterns of files that have each of their orders whole.
    """
    skipped: list[str] = []
    seen: dict[str, str] = {}
    for path in files_of(export, data_dir):
        delivered = DELIVERED.search(str(path))
        try:
            for member in members(path):
                name = f"{path.parent.name}/{member.name}"
                if (first := seen.setdefault(member.sha256, name)) != name:
                    skipped.append(f"{name}: the same content as {first}")
                    continue
                dialect = detect(member)
                layout = _layout_of(export, member, dialect)
                place = {"export": number, "file_no": len(seen), "file": member.name}
                connection.execute(
                    """
                    INSERT INTO files VALUES
                      ($export, $file_no, $file, try_cast($delivered AS DATE), $fetched, $is_whole, $changed)
                    """,
                    {
                        **place,
                        "delivered": delivered and delivered[1],
                        "fetched": fetch_number(path),
                        "is_whole": pattern_of(path) in whole,
                        "changed": path.stat().st_mtime,
                    },
                )
                _read_member(connection, place, member, dialect, layout)
        except UnreadableExport as error:
            raise PlatformError(str(error)) from error
    return skipped


def _layout_of(export: Export, member: Member, dialect: Dialect) -> Layout:
    """The layout with the header of a file.

    Raises:
        PlatformError: there is none; the message names what is new and what is missing.

    """
    for layout in export.layouts:
        if set(layout.header) == set(dialect.columns):
            return layout
    nearest = max(export.layouts, key=lambda layout: len(set(layout.header) & set(dialect.columns)))
    new = sorted(set(dialect.columns) - set(nearest.header))
    gone = sorted(set(nearest.header) - set(dialect.columns))
    raise PlatformError(
        f"{member.name}: {FILE} has no layout with its header (new: {', '.join(new) or 'nothing'}; missing: "
        f"{', '.join(gone) or 'nothing'}); run 'cip adopt' again with this file"
    )


def _read_member(
    connection: duckdb.DuckDBPyConnection,
    place: Mapping[str, object],
    member: Member,
    dialect: Dialect,
    layout: Layout,
) -> None:
    query = _normalized(layout, dialect.columns)
    for batch in read(member, dialect):
        # Names of columns differ in case only for the reader, not for SQL, so they are numbers there.
        numbered = ["line", *(f"c{place}" for place in range(len(dialect.columns))), *batch.schema.names[-4:]]
        connection.register("records", pa.Table.from_batches([batch]).rename_columns(numbered))
        try:
            connection.execute(query, place)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise PlatformError(f"{FILE}: the kinds of {member.name} are no valid SQL: {reason}") from error
        finally:
            connection.unregister("records")


def _normalized(layout: Layout, columns: Sequence[str]) -> str:
    """SQL that adds the records of a file with these columns to ``lines``."""
    place = {name: f"c{number}" for number, name in enumerate(columns)}
    field = {name: [place[column] for column in found] for name, found in layout.fields.items()}

    def text(name: str, function: str = "present") -> str:
        found = field.get(name, [])  # type: ignore[call-overload]
        return f"coalesce({', '.join([*(f'{function}({c})' for c in found), 'NULL'])})"

    nobody = ", ".join(literal(word.lower()) for word in layout.no_customer) or "NULL"
    people = [
        f"CASE WHEN lower(id({c})) NOT IN ({nobody}) THEN person({c}) END"
        for c in field.get("customer_id", [])
    ]
    quantity = (
        f"number({text('quantity')}, '{layout.decimal}')" if "quantity" in field else "1::DECIMAL(24, 6)"
    )
    total = f"number({text('line_total')}, '{layout.decimal}')"
    gross = "line_total" if "line_total" in field else "quantity * unit_price"
    amount = f"try(({gross} - sign({gross}) * coalesce(discount, 0))::DECIMAL(24, 6))"
    record = ", ".join(f"{literal(name)}: present({column})" for name, column in place.items())
    rules = "".join(f" WHEN {rule.when} THEN '{rule.kind}'" for rule in layout.kinds)
    return f"""
    INSERT INTO lines BY NAME
    WITH texts AS (
      SELECT line, record_text, problem, MAP {{{record}}} AS record, {text("order_id", "id")} AS order_id,
        coalesce({", ".join([*people, "NULL"])}) AS customer_id, {text("product_id", "id")} AS product_id,
        {text("product_name")} AS product_name, {text("category")} AS category,
        {text("payment_method")} AS payment_method, {text("quantity")} AS quantity_text, {quantity} AS quantity,
        number({text("unit_price")}, '{layout.decimal}') AS unit_price, {total} AS line_total,
        abs(number({text("discount")}, '{layout.decimal}')) AS discount,
        abs(number({text("refunded")}, '{layout.decimal}')) AS refunded,
        {text("date")} AS date_text
      FROM records),
    measured AS (SELECT *, {amount} AS amount, {layout.date_order}(date_text) AS day FROM texts)
    SELECT $export AS export, $file_no AS file_no, $file AS file, * EXCLUDE (record, line_total, discount),
      CASE
        WHEN problem = 'repeated_header' THEN problem
        WHEN problem <> 'too_many_fields' THEN 'broken'
        WHEN problem IS NOT NULL AND (quantity IS NULL OR amount IS NULL OR day IS NULL) THEN 'broken'{rules}
        WHEN order_id IS NULL OR day IS NULL OR quantity IS NULL OR amount IS NULL THEN 'unreadable'
        WHEN quantity < 0 OR amount < 0 THEN 'return'
        ELSE 'sale'
      END AS kind
    FROM measured
    """


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
            SELECT file, line, {name}, count(*) OVER () AS count FROM shortened
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


# --- the landing files ----------------------------------------------------------------------------------------

_MONTHLY: Mapping[str, tuple[str, str, str]] = {
    "transactions": (
        "sold",
        TRANSACTIONS,
        """
        own_id || '-' || number, own_id, customer_id, CASE WHEN customer_id IS NULL THEN 'true' ELSE 'false' END,
        product_id, coalesce(greatest(1, round(quantity))::BIGINT::TEXT, quantity_text),
        unit_price::TEXT, amount::TEXT, payment_method, coalesce(day::TEXT, date_text), file, line
        """,
    ),
    "returns": (
        "returned",
        RETURNS,
        """
        own_id || '-r' || number, NULL, own_id, customer_id,
        CASE WHEN customer_id IS NULL THEN 'true' ELSE 'false' END, product_id, amount::TEXT, NULL,
        coalesce(day::TEXT, date_text), file, line
        """,
    ),
}
"""For each landing table, the one with its records, the header of its files, and SQL for the columns."""


def _write(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    for table, (found, header, columns) in _MONTHLY.items():
        folder = landing / table / FOLDER
        months = connection.execute(
            f"SELECT DISTINCT strftime(day, '%Y-%m') AS month FROM {found} ORDER BY ALL"
        ).fetchall()
        written = {
            _write_csv(
                connection,
                folder / f"{month or 'undated'}.csv",
                header,
                f"""
                SELECT {columns} FROM {found}
                WHERE strftime(day, '%Y-%m') IS NOT DISTINCT FROM {literal(month) if month else "NULL"}
                ORDER BY export, day, order_id, number
                """,
            )
            for (month,) in months
        }
        if table == "transactions":
            written |= _write_broken(connection, folder / "broken.csv", header)
        _remove_others(folder, written)
    named = "FROM lines WHERE product_id IS NOT NULL AND kind IN ('sale', 'return')"
    products = landing / "products" / FOLDER
    ((has_names,),) = connection.execute(f"SELECT count(product_name) > 0 {named}").fetchall()
    made = f"""
        SELECT product_id, arg_max(product_name, place) FILTER (product_name IS NOT NULL),
          arg_max(category, place) FILTER (category IS NOT NULL), NULL, NULL, NULL
        FROM (SELECT *, {{day: day, file_no: file_no, line: line}} AS place {named})
        GROUP BY product_id ORDER BY product_id
    """
    _remove_others(
        products, {_write_csv(connection, products / "products.csv", PRODUCTS, made)} if has_names else set()
    )
    others = """
        SELECT file, line, kind, record_text FROM lines WHERE kind NOT IN ('sale', 'return', 'unreadable', 'broken')
        ORDER BY export, file_no, line
    """
    _write_csv(connection, landing / LEFT_OUT, "export_file,export_line,kind,record_text", others)


def _write_csv(connection: duckdb.DuckDBPyConnection, path: Path, header: str, query: str) -> Path:
    """Write the rows of a query, unless the file has them already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    connection.execute(
        f"COPY (FROM ({query}) AS made({header})) TO {literal(str(scratch))} (FORMAT csv, HEADER)"
    )
    if path.exists() and hash_file(path) == hash_file(scratch):
        scratch.unlink()
    else:
        scratch.replace(path)
    return path


def _write_broken(connection: duckdb.DuckDBPyConnection, path: Path, header: str) -> set[Path]:
    """Records that cannot be read, each with its place: lines of two fields, so that they are quarantined."""
    rows = connection.execute(
        "SELECT record_text, file || ':' || line FROM lines WHERE kind = 'broken' ORDER BY export, file_no, line"
    ).fetchall()
    if not rows:
        return set()
    text = StringIO(f"{header}\n")
    text.seek(0, SEEK_END)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return {replace_text(path, text.getvalue()).path}


def _remove_others(folder: Path, kept: set[Path]) -> None:
    """Remove the files of a folder that are no longer made."""
    for path in folder.glob("*.csv"):
        if path not in kept:
            path.unlink()


def _summary(connection: duckdb.DuckDBPyConnection, skipped: Sequence[str]) -> Summary:
    kinds = [
        KindTotal(kind, records, amount or Decimal(0))
        for kind, records, amount in connection.execute(
            "SELECT kind, count(*), sum(round(amount, 2)) FROM lines GROUP BY kind ORDER BY count(*) DESC, kind"
        ).fetchall()
    ]
    ((records, orders, buyers, guest_orders, sold, returned, first, last),) = connection.execute(
        """
        SELECT count(*), count(DISTINCT order_id) FILTER (kind = 'sale'),
          count(DISTINCT customer_id) FILTER (kind = 'sale'),
          count(DISTINCT order_id) FILTER (kind = 'sale' AND customer_id IS NULL),
          coalesce(sum(round(amount, 2)) FILTER (kind = 'sale'), 0),
          (SELECT coalesce(sum(round(amount, 2)), 0) FROM returned),
          min(day) FILTER (kind = 'sale'), max(day) FILTER (kind = 'sale')
        FROM lines
        """
    ).fetchall()
    unread = tuple(
        f"{file}, line {line}: {text}"
        for file, line, text in connection.execute(
            """
            SELECT file, line, record_text[:80] FROM lines WHERE kind IN ('unreadable', 'broken')
            ORDER BY export, file_no, line LIMIT 2
            """
        ).fetchall()
    )
    return Summary(
        records, kinds, orders, buyers, guest_orders, sold, returned, first, last, tuple(skipped), unread
    )
