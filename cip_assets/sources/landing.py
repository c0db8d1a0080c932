"""Writes what is in exports as landing files."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import SEEK_END, StringIO
from itertools import islice
from pathlib import Path

import duckdb

from cip_assets.sources.config import LANDS_IN
from cip_assets.sources.reading.text import RECORD_LIMIT
from cip_assets.storage.files import hash_file, replace_text
from cip_assets.storage.views import literal

FOLDER = "from_exports"
"""The folder below ``landing/<table>`` that only this module writes to."""

PEOPLE = "_people.csv"
"""The file in the landing folder with the address or name behind each id that was made here. It is not ingested."""

LEFT_OUT = "_left_out.csv"
"""The file in the landing folder with the records that are no sale and no return. It is not ingested."""

TRANSACTIONS = (
    "transaction_id,order_id,customer_id,is_guest,product_id,quantity,price,amount,charged,currency,original_amount,"
    "payment_method,transaction_date,export_file,export_line"
)
RETURNS = (
    "return_id,transaction_id,order_id,customer_id,is_guest,product_id,amount,refunded,currency,original_amount,"
    "amount_unknown,return_reason,return_date,export_file,export_line"
)
TICKETS = (
    "ticket_id,customer_id,ticket_category,priority,status,opened_date,resolved_date,export_file,export_line"
)
SESSIONS = "session_id,customer_id,activity_type,product_id,timestamp,export_file,export_line"
CUSTOMERS = "customer_id,first_name,last_name,email,gender,date_of_birth,signup_date,region,customer_segment"
PRODUCTS = "product_id,product_name,category,brand,cost_price,selling_price"


LANDING = """
CREATE MACRO is_personal(x) AS contains(x, '@') OR contains(trim(x), ' ');
CREATE MACRO named(x) AS CASE WHEN is_personal(x) THEN 'person-' || sha256(x)[:16] ELSE x END;
CREATE MACRO numbered(several) AS TABLE
  SELECT *, row_number() OVER (PARTITION BY export, order_id ORDER BY file_no, line, number) AS place,
    CASE WHEN (SELECT count(DISTINCT export) FROM lines WHERE kind IN ('sale', 'return')) > 1
      THEN 'export' || export + 1 || ':' ELSE '' END || order_id AS own_id
  FROM query_table(several) JOIN files USING (export, file_no);
CREATE TABLE landing_transactions AS FROM numbered('sold');
CREATE TABLE landing_returns AS
  SELECT returned.*, sales.own_id || '-' || sales.place AS transaction_id, sales.own_id AS sale_id
  FROM numbered('returned') AS returned
  LEFT JOIN linked ON (returned.export, returned.file_no, returned.line, returned.number)
    = (linked.export, linked.credit.file_no, linked.credit.line, linked.credit.number)
  LEFT JOIN landing_transactions AS sales ON (sales.export, sales.file_no, sales.line, sales.number)
    = (linked.export, linked.sale.file_no, linked.sale.line, linked.sale.number);
CREATE TABLE landing_support_tickets AS
  SELECT * EXCLUDE (opened), opened AS day, ticket_id AS order_id
  FROM tickets JOIN ranked USING (export, file_no) JOIN files USING (export, file_no) WHERE kind = 'ticket'
  QUALIFY row_number() OVER (PARTITION BY export, ticket_id ORDER BY rank DESC, line DESC) = 1;
CREATE TABLE landing_web_activity AS
  SELECT visits.*, time::DATE AS day, file,
    CASE WHEN (SELECT count(DISTINCT export) FROM visits) > 1 THEN 'export' || export + 1 || ':' ELSE '' END || CASE
      WHEN session_id IS NULL THEN named(customer_id) || '-' || coalesce(strftime(time, '%Y%m%dT%H%M%S'), time_text)
      WHEN min(customer_id) OVER one_id <> max(customer_id) OVER one_id THEN session_id || '-' || named(customer_id)
      ELSE session_id END AS order_id
  FROM visits JOIN files USING (export, file_no)
  WINDOW one_id AS (PARTITION BY export, session_id);
CREATE TABLE landing_customers AS
  FROM customers JOIN ranked USING (export, file_no) WHERE kind = 'customer'
  QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY export DESC, rank DESC, line DESC) = 1;
"""
"""What lands, each record of an order with its number there. The ids of orders are those of the export, unless several
exports have orders. Of a ticket and of a customer the newest record lands. A session without an id, or whose id others
have too, lands with one made from its customer. Ids are not masked, so a customer who is
known by an email address or a name lands with an id made from it.
"""


_MONTHLY: Mapping[str, tuple[str, str]] = {
    "transactions": (
        TRANSACTIONS,
        """
        own_id || '-' || place, own_id, named(customer_id), CASE WHEN customer_id IS NULL THEN 'true' ELSE 'false' END,
        product_id, CASE WHEN quantity IS NULL THEN quantity_text ELSE greatest(1, round(quantity))::BIGINT::TEXT END,
        unit_price::TEXT, amount::TEXT, charged::TEXT, currency, original_amount::TEXT, payment_method,
        coalesce(day::TEXT, date_text), file, line
        """,
    ),
    "returns": (
        RETURNS,
        """
        own_id || '-r' || place, transaction_id, coalesce(sale_id, own_id), named(customer_id),
        CASE WHEN customer_id IS NULL THEN 'true' ELSE 'false' END, product_id, amount::TEXT, refunded::TEXT, currency,
        original_amount::TEXT, (coalesce(amount, original_amount) IS NULL)::TEXT, NULL,
        coalesce(day::TEXT, date_text), file, line
        """,
    ),
    "support_tickets": (
        TICKETS,
        """
        ticket_id, named(customer_id), ticket_category, priority, status, coalesce(day::TEXT, date_text),
        coalesce(resolved::TEXT, resolved_text), file, line
        """,
    ),
    "web_activity": (
        SESSIONS,
        """
        order_id, named(customer_id), activity, product_id,
        coalesce(strftime(time, '%Y-%m-%d %H:%M:%S'), time_text), file, line
        """,
    ),
}
"""For each landing table, the header of its files, and SQL for the columns."""


def write(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """Write the landing files, those of events one per month; a file changes only if its lines do."""
    connection.execute(LANDING)
    for table, (header, columns) in _MONTHLY.items():
        folder, found = landing / table / FOLDER, f"landing_{table}"
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
                ORDER BY export, day, order_id, file_no, line, number
                """,
            )
            for (month,) in months
        }
        if table == "transactions":
            written |= _write_broken(connection, folder / "broken.csv", header)
        _remove_others(folder, written)
    _write_whole(
        connection,
        landing,
        "customers",
        CUSTOMERS,
        """
        SELECT named(customer_id), first_name, last_name, email, NULL, NULL, NULL, region, NULL FROM landing_customers
        ORDER BY 1
    """,
    )
    named = "FROM lines WHERE product_id IS NOT NULL AND kind IN ('sale', 'return')"
    ((has_names,),) = connection.execute(f"SELECT count(product_name) > 0 {named}").fetchall()
    _write_whole(
        connection,
        landing,
        "products",
        PRODUCTS,
        f"""
        SELECT product_id, arg_max(product_name, place) FILTER (product_name IS NOT NULL),
          arg_max(category, place) FILTER (category IS NOT NULL), NULL, NULL, NULL
        FROM (SELECT *, {{day: day, file_no: file_no, line: line}} AS place {named}) WHERE {has_names}
        GROUP BY product_id ORDER BY product_id
    """,
    )
    people = """
        SELECT DISTINCT named(customer_id) AS id, customer_id FROM (
          SELECT customer_id FROM sold UNION SELECT customer_id FROM returned UNION SELECT customer_id FROM tickets
          UNION SELECT customer_id FROM customers UNION SELECT customer_id FROM visits)
        WHERE is_personal(customer_id) ORDER BY id
    """
    _write_any(connection, landing / PEOPLE, "customer_id,known_as", people)
    others = f"""
        SELECT file, line, kind, record_text FROM lines JOIN files USING (export, file_no)
        WHERE kind NOT IN ({", ".join(map(literal, [*LANDS_IN, "joined"]))})
        ORDER BY export, file_no, line
    """
    _write_csv(connection, landing / LEFT_OUT, "export_file,export_line,kind,record_text", others)


def written(landing: Path) -> dict[str, str]:
    """The files that are there of those that ``write`` makes, each with its hash."""
    found = [*landing.glob(f"*/{FOLDER}/*.csv"), landing / PEOPLE, landing / LEFT_OUT]
    return {
        path.relative_to(landing).as_posix(): hash_file(path)[1] for path in sorted(found) if path.is_file()
    }


def kinds_left_out(landing: Path) -> Mapping[str, int]:
    """How many records of each kind were left out; nothing if there are no exports."""
    return Counter(kind for _, _, kind, _ in _left_out(landing))


def lines_left_out(landing: Path, limit: int) -> Sequence[tuple[str, int, str, str]]:
    """The first records that were left out: file, line, kind, text."""
    return [(file, int(line), kind, text) for file, line, kind, text in islice(_left_out(landing), limit)]


def _left_out(landing: Path) -> Iterator[list[str]]:
    path = landing / LEFT_OUT
    if path.exists():
        csv.field_size_limit(2 * RECORD_LIMIT)  # with its quotes doubled
        with path.open(encoding="utf-8", newline="") as stream:
            yield from islice(csv.reader(stream), 1, None)


def _has_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return connection.execute(f"SELECT 1 FROM {relation} LIMIT 1").fetchone() is not None


def _write_whole(
    connection: duckdb.DuckDBPyConnection, landing: Path, table: str, header: str, query: str
) -> None:
    """Write the rows of a query as the only file of a table, or none if there are no rows."""
    folder = landing / table / FOLDER
    _remove_others(folder, _write_any(connection, folder / f"{table}.csv", header, query))


def _write_any(connection: duckdb.DuckDBPyConnection, path: Path, header: str, query: str) -> set[Path]:
    """Write the rows of a query, or remove the file if there are none."""
    if _has_rows(connection, f"({query})"):
        return {_write_csv(connection, path, header, query)}
    path.unlink(missing_ok=True)
    return set()


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
        "SELECT record_text, file || ':' || line FROM lines JOIN files USING (export, file_no) WHERE kind = 'broken' "
        "ORDER BY export, file_no, line"
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
