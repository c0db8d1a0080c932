"""Reads landing files into raw rows: every line once, as text, with its file and line, in the same way on every engine.

``csv_records`` parses the files in the engine's tasks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from cip_assets.ingest import csv_records
from cip_assets.ingest.calendar import Calendar, delivery_month, event_dates
from cip_assets.ingest.csv_lines import UnreadableFileError, unchanged
from cip_assets.ingest.csv_records import RecordBlock
from cip_assets.ingest.manifest import ManifestEntry
from cip_assets.ingest.tasks import date_of, specs_in, spread


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

    Only rows of ``months`` are returned. Columns that are not in the contract come last. A file that changed since
    it was scanned makes the engine fail, with the message of a ``PlatformError`` in its error.
    """
    extras = extra_columns(source, entries)
    schema = T.StructType(
        [*source.raw.spark_schema, *(T.StructField(name, T.StringType()) for name in extras)]
    )
    arrow_schema = to_arrow_schema(schema)
    text_columns = [*source.texts, *extras]
    wanted_months = None if months is None else pa.array(list(months), pa.date32())

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for spec in specs_in(batches):
            try:
                with unchanged(landing / spec["path"], spec["size_bytes"]):
                    yield from rows_of(spec)
            except UnreadableFileError as error:
                raise PlatformError(f"{source.name}: {spec['path']}: {error}") from error

    def rows_of(spec: Mapping[str, Any]) -> Iterator[pa.RecordBatch]:
        header: list[str] = spec["column_names"]
        here = [name for name in text_columns if name in header]
        for block in csv_records.read_records(landing / spec["path"], header, here):
            rows = _raw_rows(block, source, spec, calendar, text_columns, arrow_schema)
            if wanted_months is not None:
                is_wanted = pc.is_in(rows["month"], value_set=wanted_months)
                # A filter copies all rows, even if it keeps them all.
                rows = rows if pc.all(is_wanted).as_py() else rows.filter(is_wanted)
            yield from rows.to_batches(max_chunksize=65_536)

    specs = [
        {
            "path": entry.path,
            "size_bytes": entry.size_bytes,
            "version": entry.version,
            "delivery_date": entry.delivery_date and str(entry.delivery_date),
            "home": entry.home and str(entry.home),
            "seen": entry.seen,
            "column_names": list(entry.column_names),
        }
        for entry in entries
    ]
    return spread(spark, specs).mapInArrow(read, schema)


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
    delivery = date_of(file["delivery_date"])
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
        home = pa.scalar(delivery_month(date_of(file["home"]), calendar), pa.date32())
        columns["source_seen"] = pa.repeat(pa.scalar(file["seen"], pa.string()), whole + ragged)
        columns["month"] = pa.chunked_array([pc.fill_null(months, home), pa.repeat(home, ragged)])
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)
