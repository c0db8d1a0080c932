"""Scan and read landing files, in the same way on every engine.

``discover`` finds the files. They are distributed over the engine's tasks, where ``csv_records`` parses them inside
``mapInArrow``. A scan makes the manifest of the folder; a read turns selected files into raw rows.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyspark.sql.types as T
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.config.errors import PlatformError
from cip_assets.contracts.source import SourceTable
from cip_assets.contracts.text_formats import BLANKS, ISO_DATE
from cip_assets.ingest import csv_records
from cip_assets.ingest.csv_lines import UnreadableFileError
from cip_assets.ingest.csv_records import Header, RecordBlock
from cip_assets.ingest.discover import LandedFile, find_files, lines_about
from cip_assets.layers import SOURCE_TABLES, contract_of

FILES_PER_TASK = 8


@dataclass(frozen=True)
class Calendar:
    """The first and last month that events may be dated in, both included, each as its first day.

    ``last_delivery`` is the latest valid delivery date.
    """

    first_month: date
    last_month: date
    last_delivery: date = date.max

    def clip(self, month: date) -> date:
        return min(max(month, self.first_month), self.last_month)


@dataclass(frozen=True)
class ManifestEntry:
    """The columns of a row of the manifest that the reader needs."""

    path: str
    sha256: str
    delivery_date: date | None
    month_rows: Mapping[str, int]
    row_count: int
    column_names: Sequence[str]
    problem: str | None

    @property
    def version(self) -> str:
        """The ``source_version`` of the rows of this file."""
        return self.sha256[:16]


# --- the manifest -----------------------------------------------------------------------------------------


def scan_landing(
    spark: SparkSession, landing: Path, calendar: Calendar, leave_out: Collection[str] = ()
) -> DataFrame:
    """The manifest of a landing folder: one row per file. Each file is read completely, once.

    Args:
        spark: the session.
        landing: the folder.
        calendar: the months that events may be dated in.
        leave_out: paths of files that are still being written.

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
    arrow_schema = to_arrow_schema(schema)

    def scan(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for spec in _specs(batches):
            delivery = _date(spec["delivery_date"])
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
    ]
    return _spread(spark, specs).mapInArrow(scan, schema)


def scan_file(landing: Path, file: LandedFile, calendar: Calendar) -> dict[str, Any]:
    """Read one file completely; return its hash, header and rows by month, or the problem with it."""
    path = landing / file.path
    entry: dict[str, Any] = {
        "table_name": file.table,
        "path": file.path,
        "size_bytes": 0,
        "sha256": file.problem_hash,
        "delivery_date": file.delivery_date,
        "row_count": 0,
        "month_rows": {},
        "column_names": [],
        "problem": file.problem,
    }
    if file.problem:
        return entry
    try:
        entry["size_bytes"], entry["sha256"] = csv_records.hash_file(path)
        _check_delivery(file.delivery_date, calendar)
        entry |= _scan_rows(path, SOURCE_TABLES[file.table], file.delivery_date, calendar)
    except UnreadableFileError as error:
        entry["problem"] = str(error)
    except FileNotFoundError:
        entry["problem"] = "it was moved or deleted while it was being read; run again"
    except (PermissionError, IsADirectoryError) as error:
        entry["problem"] = f"it cannot be opened: {error.strerror}"
    return entry


def _check_delivery(delivery: date | None, calendar: Calendar) -> None:
    if delivery and delivery > calendar.last_delivery:
        raise UnreadableFileError(
            f"its folder name has the delivery date {delivery}, which is in the future; correct the folder name"
        )


def _scan_rows(path: Path, source: SourceTable, delivery: date | None, calendar: Calendar) -> dict[str, Any]:
    header = csv_records.read_header(path)
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
    taken = sorted((set(names) - set(source.columns)) & set(source.raw.columns))
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


def delivery_month(delivery: date | None, calendar: Calendar) -> date:
    """The month of rows without a valid event date: that of their delivery, or the first month of the calendar."""
    return calendar.clip(delivery.replace(day=1)) if delivery else calendar.first_month


def event_dates(text: pa.Array, calendar: Calendar) -> pa.Array:
    """The date that each text begins with; null if that is not an ISO 8601 date in a month of the calendar."""
    encoded = pc.dictionary_encode(pc.utf8_trim(text, characters=BLANKS))
    values = encoded.dictionary
    valid = pc.match_substring_regex(values, ISO_DATE)
    day_text = pc.if_else(valid, pc.utf8_slice_codeunits(values, 0, 10), None)
    parsed = pc.strptime(day_text, format="%Y-%m-%d", unit="s", error_is_null=True)
    real = pc.equal(pc.strftime(parsed, format="%Y-%m-%d"), day_text)  # strptime accepts February 30
    days = pc.if_else(real, parsed, None).cast(pa.date32())
    months = pc.floor_temporal(days, unit="month").cast(pa.date32())
    inside = pc.and_(
        pc.greater_equal(months, pa.scalar(calendar.first_month)),
        pc.less_equal(months, pa.scalar(calendar.last_month)),
    )
    return pc.take(pc.if_else(inside, days, None), encoded.indices)


def _counts(days: pa.Array) -> list[tuple[date, int]]:
    return [
        (pair["values"], pair["counts"])
        for pair in pc.value_counts(days).to_pylist()
        if pair["values"] is not None
    ]


# --- reading ----------------------------------------------------------------------------------------------


def manifest_entries(manifest: DataFrame, table: str) -> list[ManifestEntry]:
    """The files of one table, sorted by path."""
    wanted = ["path", "sha256", "delivery_date", "month_rows", "row_count", "column_names", "problem"]
    rows = manifest.where(manifest["table_name"] == table).select(*wanted).collect()
    return sorted((ManifestEntry(**row.asDict()) for row in rows), key=lambda entry: entry.path)


def files_to_read(
    source: SourceTable, entries: Sequence[ManifestEntry], months: Sequence[date] | None
) -> list[ManifestEntry]:
    """The files that a run must read: those with rows in its months, or those of the newest full delivery.

    Args:
        source: the table.
        entries: its part of the manifest.
        months: first days of the months to read; None for a table of full deliveries.

    Raises:
        PlatformError: no file has landed, or a file cannot be read.

    """
    if not entries:
        raise PlatformError(
            f"{source.name}: no file has landed; put {source.name}.csv into the landing folder "
            f"(only the header line if there are no rows: {','.join(source.columns)})"
        )
    problems = [f"{source.name}: {entry.path}: {entry.problem}" for entry in entries if entry.problem]
    if problems:
        others = len(problems) - 1
        more = f" (and {others} more file{'s' if others > 1 else ''})" if others else ""
        raise PlatformError(problems[0] + more)
    if months is None:
        return newest_delivery(entries)
    wanted = {str(month) for month in months}
    return [entry for entry in entries if wanted & entry.month_rows.keys()]


def newest_delivery(entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """The files of the newest delivery. Files without a dt= are one delivery, which is older than all others."""
    newest = max((entry.delivery_date or date.min for entry in entries), default=date.min)
    return [entry for entry in entries if (entry.delivery_date or date.min) == newest]


def extra_columns(source: SourceTable, entries: Iterable[ManifestEntry]) -> list[str]:
    """Columns of the files that are not in the contract, in alphabetical order."""
    known = set(source.raw.columns)
    return sorted({name for entry in entries for name in entry.column_names} - known)


def read_landing(
    spark: SparkSession,
    landing: Path,
    source: SourceTable,
    entries: Sequence[ManifestEntry],
    calendar: Calendar,
    months: Sequence[date] | None = None,
) -> DataFrame:
    """The lines of some landing files as rows of text, each once, with its file and line.

    Only rows of ``months`` are returned. Columns that are not in the contract come last.
    """
    extras = extra_columns(source, entries)
    schema = T.StructType(
        [*source.raw.spark_schema, *(T.StructField(name, T.StringType()) for name in extras)]
    )
    arrow_schema = to_arrow_schema(schema)
    text_columns = [*source.columns, *extras]
    wanted_months = None if months is None else pa.array(list(months), pa.date32())

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for spec in _specs(batches):
            header: list[str] = spec["column_names"]
            here = [name for name in text_columns if name in header]
            for block in csv_records.read_records(landing / spec["path"], header, here):
                rows = _raw_rows(block, source, spec, calendar, text_columns, arrow_schema)
                if wanted_months is not None:
                    rows = rows.filter(pc.is_in(rows["month"], value_set=wanted_months))
                yield from rows.to_batches(max_chunksize=65_536)

    specs = [
        {
            "path": entry.path,
            "version": entry.version,
            "delivery_date": entry.delivery_date and str(entry.delivery_date),
            "column_names": list(entry.column_names),
        }
        for entry in entries
    ]
    return _spread(spark, specs).mapInArrow(read, schema)


def _raw_rows(
    block: RecordBlock,
    source: SourceTable,
    file: Mapping[str, Any],
    calendar: Calendar,
    text_columns: Sequence[str],
    schema: pa.Schema,
) -> pa.Table:
    """A block as rows of the raw table: complete records first, then the ragged ones."""
    whole, ragged = len(block.lines), len(block.ragged)
    delivery = _date(file["delivery_date"])
    no_text = pa.nulls(ragged, pa.string())
    columns: dict[str, Any] = {}
    for name in text_columns:
        here = name in block.columns.schema.names
        values = block.columns.column(name) if here else pa.nulls(whole, pa.string())
        columns[name] = pa.chunked_array([values, no_text])
    columns["ragged_text"] = pa.chunked_array(
        [pa.nulls(whole, pa.string()), pa.array([r.text for r in block.ragged], pa.string())]
    )
    columns["header_field_count"] = pa.chunked_array(
        [pa.nulls(whole, pa.int32()), pa.repeat(pa.scalar(len(file["column_names"]), pa.int32()), ragged)]
    )
    columns["field_count"] = pa.chunked_array(
        [pa.nulls(whole, pa.int32()), pa.array([r.field_count for r in block.ragged], pa.int32())]
    )
    columns["source_file"] = pa.repeat(pa.scalar(file["path"]), whole + ragged)
    columns["source_version"] = pa.repeat(pa.scalar(file["version"]), whole + ragged)
    columns["source_line"] = pa.chunked_array(
        [pa.array(block.lines, pa.int64()), pa.array([r.line for r in block.ragged], pa.int64())]
    )
    columns["delivery_date"] = pa.repeat(pa.scalar(delivery, pa.date32()), whole + ragged)
    if source.event_date:
        days = event_dates(block.columns.column(source.event_date), calendar)
        months = pc.floor_temporal(days, unit="month").cast(pa.date32())
        home = pa.scalar(delivery_month(delivery, calendar), pa.date32())
        columns["month"] = pa.chunked_array([pc.fill_null(months, home), pa.repeat(home, ragged)])
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


# --- shared -----------------------------------------------------------------------------------------------


def _spread(spark: SparkSession, specs: Sequence[Mapping[str, Any]]) -> DataFrame:
    """One row of JSON per file, distributed over the engine's tasks: several files each, because a task takes time."""
    rows = [(json.dumps(spec),) for spec in specs]
    frame = spark.createDataFrame(rows, "spec string")
    return frame.repartition(max(1, min(len(rows), 16), len(rows) // FILES_PER_TASK))


def _specs(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for spec in batch.column(0).to_pylist():
            yield json.loads(spec)


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
