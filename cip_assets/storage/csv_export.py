"""Stream a Delta table to a CSV file, with limited memory and reproducible bytes, and replace the file in one step.

DuckDB sorts the rows (on disk if necessary) and writes them, whatever engine wrote the table. So the same table always
gives the same file.
"""

import codecs
import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.dataset

from cip_assets.config.rules import Rules
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.storage import delta, questions
from cip_assets.storage.csv_query import query
from cip_assets.storage.files import Written, scratch_beside
from cip_assets.storage.views import literal, only, view
from cip_assets.storage.written import require_written

MEMORY_LIMIT = "1GB"

FEW = 100_000
"""Fewer rows than this need no database of their own, which takes longer to start than they take to write."""

AS_WRITTEN = (
    "header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"', comment = '', skip = 0, "
    f"max_line_size = {128 * 1024 * 1024}"
)
"""Options to read an exported file. Without them DuckDB would guess from the content, and refuse a line of 2 MB. It
skips a byte order mark.
"""


def export_csv(file: CsvFile, mart_uri: str, as_of: date, folder: Path, rules: Rules) -> Written:
    """Write one day of a mart to ``folder/<name>.csv``: UTF-8, with a header, sorted.

    The section ``exports`` of the rules says whether formulas are neutralized and whether a byte order mark is written.

    Raises:
        PlatformError: the mart has not been written yet.

    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{file.name}.csv"
    day = _day_of(mart_uri, as_of.isoformat())
    with scratch_beside(target) as scratch:
        written = scratch / target.name
        with _database_for(day, scratch) as connection:
            view(connection, "mart", day)
            text = query(file, connection, rules)
            (rows,) = connection.execute(
                f"COPY ({text} ORDER BY {', '.join(file.order_by)}) TO {literal(str(written))} (HEADER, DELIMITER ',')"
            ).fetchone() or (0,)
        if rules.exports.byte_order_mark:
            written = _with_byte_order_mark(written)
        with written.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        size = written.stat().st_size
        written.replace(target)
    return Written(target, digest, size, rows)


def _database_for(
    rows: pyarrow.dataset.Dataset, scratch: Path
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """A database that can sort the rows, on disk if they are many."""
    if rows.count_rows() < FEW:
        return questions.connection()
    return duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": str(scratch)})


def problems_of(file: CsvFile, mart_uri: str, as_of: str, folder: Path, rules: Rules) -> list[str]:
    """The problems of a file: a wrong header, or rows that differ from its mart."""
    path = folder / f"{file.name}.csv"
    if not path.exists():
        return [f"{path} is missing; export it again"]
    with questions.connection() as connection:
        view(connection, "mart", _day_of(mart_uri, as_of))
        try:
            problem = _difference(file, path, connection, rules)
        except duckdb.InvalidInputException:
            problem = "it is not a CSV file with the expected header; export it again"
    return [f"{path.name}: {problem}"] if problem else []


def _difference(file: CsvFile, path: Path, connection: duckdb.DuckDBPyConnection, rules: Rules) -> str | None:
    """How a file differs from the view ``mart``."""
    expected = connection.sql(query(file, connection, rules))
    written = connection.sql(f"FROM read_csv({only(str(path))}, {AS_WRITTEN})")
    if written.columns != expected.columns:
        return f"header {written.columns}, expected {expected.columns}; export it again"
    as_text = f"({_as_text(expected.columns)} FROM expected)"
    # The sums of the rows' hashes come first: they need no sorting, and they are usually equal.
    fingerprint = f"SELECT count(*), sum(hash({', '.join(_names(expected.columns))})::HUGEINT) FROM "
    promised = connection.execute(f"{fingerprint} {as_text}").fetchone()
    if connection.execute(f"{fingerprint} written").fetchone() == promised:
        return None
    (differing,) = connection.execute(
        f"SELECT count(*) FROM ((FROM {as_text} EXCEPT ALL FROM written) "
        f"UNION ALL (FROM written EXCEPT ALL FROM {as_text}))"
    ).fetchone() or (0,)
    differ = "row differs" if differing == 1 else "rows differ"
    return f"{differing} {differ} from {file.mart.table}; export it again" if differing else None


def alike_ids(column: str, mart_uri: str, as_of: str) -> int:
    """The number of ids of a day that differ from another only in case or trailing blanks, which Power BI ignores."""
    return _count(
        f"SELECT coalesce(sum(ids), 0) FROM (SELECT count(*) AS ids FROM "
        f"(SELECT DISTINCT {column} AS id FROM mart) GROUP BY lower(rtrim(id)) HAVING count(*) > 1)",
        mart_uri,
        as_of,
    )


def addresses_as_ids(column: str, mart_uri: str, as_of: str) -> int:
    """The number of ids of a day that contain an email address."""
    return _count(
        f"SELECT count(DISTINCT {column}) FROM mart WHERE {column} LIKE '%_@_%._%'", mart_uri, as_of
    )


def _count(query: str, mart_uri: str, as_of: str) -> int:
    with questions.connection() as connection:
        view(connection, "mart", _day_of(mart_uri, as_of))
        (count,) = connection.execute(query).fetchone() or (0,)
    return int(count)


def sums_of(folder: Path) -> dict[str, Decimal | None]:
    """The total revenue according to each file that contains money; None if an amount is unknown or there is none."""
    with questions.connection() as connection:

        def amount(file: str, column: str, *, of_none: str = "NULL") -> Decimal | None:
            (total,) = connection.execute(
                f"SELECT CASE WHEN count({column}) = count(*) THEN coalesce(sum({column}::DECIMAL(18,2)), {of_none}) "
                f"END FROM read_csv({only(str(folder / f'{file}.csv'))}, {AS_WRITTEN})"
            ).fetchone() or (None,)
            return None if total is None else Decimal(total)

        parts = [
            amount("customer_360", "monetary_value", of_none="0"),
            amount("kpi_totals", "orphan_revenue"),
            amount("kpi_totals", "guest_revenue"),
        ]
        known = [part for part in parts if part is not None]
        return {
            "kpi_totals": amount("kpi_totals", "total_revenue"),
            "kpi_monthly_revenue": amount("kpi_monthly_revenue", "monthly_revenue"),
            "customer_360_orphans_and_guests": sum(known, Decimal(0)) if len(known) == len(parts) else None,
        }


def _with_byte_order_mark(written: Path) -> Path:
    marked = written.with_suffix(".marked")
    with written.open("rb") as source, marked.open("wb") as target:
        target.write(codecs.BOM_UTF8)
        shutil.copyfileobj(source, target)
    return marked


def _day_of(mart_uri: str, as_of: str) -> pyarrow.dataset.Dataset:
    """A day of a mart.

    Raises:
        PlatformError: the day was never computed.

    """
    require_written(mart_uri, delta.Slice.of_day(date.fromisoformat(as_of)))
    return delta.dataset(mart_uri, day=as_of)


def _names(columns: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in columns]


def _as_text(columns: Sequence[str]) -> str:
    """SQL for the columns as they are in a CSV file."""
    return "SELECT " + ", ".join(f"nullif(CAST({name} AS VARCHAR), '') AS {name}" for name in _names(columns))
