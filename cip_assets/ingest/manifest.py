"""The manifest: the landing files as of the last scan, and which of them a run reads."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.config.errors import PlatformError
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import csv_records
from cip_assets.ingest.calendar import Calendar, delivery_month, event_dates
from cip_assets.ingest.csv_lines import GONE, UnreadableFileError, unchanged
from cip_assets.ingest.csv_records import Header
from cip_assets.ingest.discover import LandedFile, find_files, landed_file, lines_about
from cip_assets.ingest.first_seen import Seen, first_seen
from cip_assets.ingest.tasks import date_of, specs_in, spread
from cip_assets.layers import SOURCE_TABLES, contract_of
from cip_assets.sources.landing import FOLDER as FROM_EXPORTS
from cip_assets.storage import delta
from cip_assets.storage.files import hash_file


@dataclass(frozen=True)
class ManifestEntry:
    """The columns of a row of the manifest that the reader needs."""

    path: str
    size_bytes: int
    sha256: str
    delivery_date: date | None
    month_rows: Mapping[str, int]
    row_count: int
    column_names: Sequence[str]
    problem: str | None
    first_seen: datetime | None = None
    latest_event_date: date | None = None

    @property
    def version(self) -> str:
        """The ``source_version`` of the rows of this file."""
        return self.sha256[:16]

    @property
    def seen(self) -> str | None:
        """The ``source_seen`` of the rows of this file."""
        if self.first_seen is None:
            return None
        moment = self.first_seen.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return f"{moment} {self.latest_event_date or ''}".rstrip()

    @property
    def home(self) -> date | None:
        """The day whose month has the rows without a valid event date. It does not depend on when a scan ran."""
        return self.latest_event_date if self.first_seen else self.delivery_date


def read_manifest(uri: str, *, is_needed: bool = False) -> dict[str, list[ManifestEntry]]:
    """The files of each table, as of the last scan; nothing before the first scan, unless the manifest is needed.

    Raises:
        PlatformError: the manifest is needed, and nothing was scanned yet.

    """
    if not is_needed and not delta.exists(uri):
        return {}
    return {table: list(entries) for table, entries in _entries(delta.dataset(uri)).items()}


@lru_cache(maxsize=2)
def _entries(manifest: ds.Dataset) -> Mapping[str, Sequence[ManifestEntry]]:
    """The files of each table. The dataset is another object when the manifest has a new version."""
    found: dict[str, list[ManifestEntry]] = {}
    for row in sorted(manifest.to_table().to_pylist(), key=lambda row: str(row["path"])):
        found.setdefault(row["table_name"], []).append(manifest_entry(row))
    return found


def manifest_entry(row: Mapping[str, Any]) -> ManifestEntry:
    """An entry from a row of the manifest, which was read from the table or made by a scan."""
    # A manifest of an earlier version lacks some columns until the next scan.
    wanted: dict[str, Any] = {field.name: row.get(field.name) for field in fields(ManifestEntry)}
    return ManifestEntry(**{**wanted, "month_rows": dict(row["month_rows"])})


def files_to_read(entries: Sequence[ManifestEntry], months: Sequence[date] | None) -> list[ManifestEntry]:
    """The files that a run must read: those with rows in its months, or those of the newest full delivery.

    Args:
        entries: a table's part of the manifest.
        months: first days of the months to read; None for a table of full deliveries.

    """
    if months is None:
        return newest_delivery(entries)
    wanted = {str(month) for month in months}
    return [entry for entry in entries if wanted & entry.month_rows.keys()]


def require_readable(source: SourceTable, entries: Sequence[ManifestEntry]) -> None:
    """Refuse to read a table if one of its files cannot be read.

    Raises:
        PlatformError: a file cannot be read. The message names it, the problem and the remedy.

    """
    problems = [f"{source.name}: {entry.path}: {entry.problem}" for entry in entries if entry.problem]
    if problems:
        others = len(problems) - 1
        more = f" (and {others} more file{'s' if others > 1 else ''})" if others else ""
        raise PlatformError(problems[0] + more)


def newest_delivery(entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """The files of the newest delivery. Files without a dt= are one delivery, which is older than all others."""
    newest = max((entry.delivery_date or date.min for entry in entries), default=date.min)
    return [entry for entry in entries if (entry.delivery_date or date.min) == newest]


# --- the scan ---------------------------------------------------------------------------------------------


def scan_landing(
    spark: SparkSession,
    landing: Path,
    calendar: Calendar,
    leave_out: Collection[str] = (),
    known: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> DataFrame:
    """The manifest of a landing folder: one row per file. Each file is read completely, once, unless it is known.

    Args:
        spark: the session.
        landing: the folder.
        calendar: the months that events may be dated in.
        leave_out: paths of files that are still being written.
        known: rows of an earlier scan by path, with the same calendar and code. A file with the same content has the
            same row, so it is only hashed.

    Raises:
        PlatformError: the folder holds no landing files.

    """
    found, left_aside = find_files(landing)
    files = [file for file in found if file.path not in leave_out]
    if not files:
        hint = "".join(f" ({line})" for line in lines_about(left_aside))
        raise PlatformError(
            f"{landing} holds no landing files{hint}: run 'cip generate' for sample data, or put your files "
            f"there as <table>.csv or <table>/**/*.csv[.gz], where <table> is one of {', '.join(SOURCE_TABLES)}"
        )
    schema = contract_of("landing", "manifest").spark_schema
    arrow_schema = to_arrow_schema(schema, timezone="UTC")
    kept = {file.path: row for file in files if (row := _known_row(landing, file, known.get(file.path)))}

    def scan(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for spec in specs_in(batches):
            delivery = date_of(spec["delivery_date"])
            file = LandedFile(spec["table"], spec["path"], delivery, spec["problem"])
            yield pa.RecordBatch.from_pylist([scan_file(landing, file, calendar)], schema=arrow_schema)

    specs = [
        {
            "table": file.table,
            "path": file.path,
            "delivery_date": file.delivery_date and str(file.delivery_date),
            "problem": file.problem,
        }
        for file in files
        if file.path not in kept
    ]
    scanned = spread(spark, specs).mapInArrow(scan, schema) if specs else None
    if not kept and scanned is not None:
        return scanned
    frame = spark.createDataFrame(pa.Table.from_pylist([*kept.values()], schema=arrow_schema))
    return frame if scanned is None else frame.union(scanned)


def _known_row(landing: Path, file: LandedFile, row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The row of an earlier scan, as that scan made it; None if the file has another content or a problem."""
    if row is None or file.problem or row["problem"]:
        return None
    try:
        if hash_file(landing / file.path) != (row["size_bytes"], row["sha256"]):
            return None
    except OSError:
        return None  # the scan says what is wrong with it
    delivered = file.delivery_date or row["latest_event_date"]
    return {**row, "delivery_date": delivered, "first_seen": None, "month_rows": dict(row["month_rows"])}


def with_arrivals(scanned: DataFrame, record: Path, now: datetime) -> DataFrame:
    """The manifest with what is known of the arrival of event files without a ``dt=``.

    Files that are made from exports come anew when they change, so their arrival says nothing.

    Args:
        scanned: the result of ``scan_landing``.
        record: the file that remembers what was seen.
        now: the moment of the scan.

    Raises:
        PlatformError: the record cannot be read.

    """
    rows = scanned.toArrow().to_pylist()
    events = [
        row
        for row in rows
        if SOURCE_TABLES[row["table_name"]].is_event
        and not row["problem"]
        and FROM_EXPORTS not in PurePath(row["path"]).parts
    ]
    files = (Seen(row["table_name"], row["sha256"], row["path"]) for row in events)
    seen = first_seen(record, files, now)
    for row in events:
        moment = seen[row["table_name"], row["sha256"]]
        if moment and landed_file(row["path"]).delivery_date is None:
            row |= {"first_seen": moment, "delivery_date": moment.date()}
    schema = scanned.schema
    found = pa.Table.from_pylist(rows, schema=to_arrow_schema(schema, timezone="UTC"))
    return scanned.sparkSession.createDataFrame(found, schema)


def scan_file(landing: Path, file: LandedFile, calendar: Calendar) -> dict[str, Any]:
    """Read one file completely; return its hash, header and rows by month, or the problem with it."""
    path = landing / file.path
    entry: dict[str, Any] = {
        "table_name": file.table,
        "path": file.path,
        "size_bytes": 0,
        "sha256": file.problem_hash,
        "delivery_date": file.delivery_date,
        "first_seen": None,
        "latest_event_date": None,
        "row_count": 0,
        "month_rows": {},
        "column_names": [],
        "problem": file.problem,
    }
    if file.problem:
        return entry
    try:
        with unchanged(path):
            entry["size_bytes"], entry["sha256"] = hash_file(path)
            _check_delivery(file.delivery_date, calendar)
            found = _scan_rows(path, SOURCE_TABLES[file.table], file.delivery_date, calendar)
        entry |= found
    except UnreadableFileError as error:
        entry["problem"] = str(error)
    except FileNotFoundError:
        entry["problem"] = GONE
    except (PermissionError, IsADirectoryError) as error:
        entry["problem"] = f"it cannot be opened: {error.strerror}"
    return entry


def _check_delivery(delivery: date | None, calendar: Calendar) -> None:
    if delivery and delivery > calendar.last_delivery:
        raise UnreadableFileError(
            f"its folder name has the delivery date {delivery}, which is in the future; correct the folder name"
        )


def _scan_rows(path: Path, source: SourceTable, delivery: date | None, calendar: Calendar) -> dict[str, Any]:
    header = csv_records.read_header(path, source.columns)
    _check_columns(header, source)
    wanted = source.event_date or source.id_column
    rows, undated = 0, 0
    by_month: dict[date, int] = {}
    latest: date | None = None
    for block in csv_records.read_records(path, header.names, [wanted]):
        rows += len(block.lines) + len(block.ragged)
        if not source.is_event:
            continue
        days = event_dates(block.columns.column(wanted), calendar)
        undated += days.null_count + len(block.ragged)
        for day, count in _counts(days):
            by_month[day.replace(day=1)] = by_month.get(day.replace(day=1), 0) + count
            latest = max(latest or day, day)
    if not source.is_event:
        return {"row_count": rows, "column_names": list(header.names)}
    delivery = delivery or latest
    if undated:
        home = delivery_month(delivery, calendar)
        by_month[home] = by_month.get(home, 0) + undated
    return {
        "row_count": rows,
        "column_names": list(header.names),
        "delivery_date": delivery,
        "latest_event_date": latest,
        "month_rows": {str(month): by_month[month] for month in sorted(by_month)},
    }


def _check_columns(header: Header, source: SourceTable) -> None:
    names = header.names
    missing = [name for name in source.columns if name not in names]
    if missing:
        separator = next((s for s in ";\t|" if s in names[0]), None)
        if separator and len(names) == 1:
            raise UnreadableFileError(f"its fields are separated by {separator!r}; separate them with commas")
        # Without a header, line 1 holds a customer's data, which must not get into the log or the webhook.
        has = "none of them" if len(missing) == len(source.columns) else ", ".join(map(_visible, names))
        columns = "column" if len(missing) == 1 else "columns"
        raise UnreadableFileError(f"line {header.line} lacks {columns} {', '.join(missing)}; it has {has}")
    taken = sorted((set(names) - set(source.texts)) & set(source.raw.columns))
    if taken:
        raise UnreadableFileError(
            f"line {header.line} names column {taken[0]!r}, which the platform adds itself; rename it"
        )
    hidden = [name for name in names if not name.isprintable()]
    if hidden:
        raise UnreadableFileError(
            f"line {header.line} names column {hidden[0]!r}, which has an invisible character; remove it"
        )


def _visible(name: str) -> str:
    """A column name in printable form: with invisible characters, it is quoted and has escapes."""
    return name if name.isprintable() else repr(name)


def _counts(days: pa.Array) -> list[tuple[date, int]]:
    return [
        (pair["values"], pair["counts"])
        for pair in pc.value_counts(days).to_pylist()
        if pair["values"] is not None
    ]
