"""Frames from short literal tables, and rows from frames.

A literal table is text: a line of column names, then one line per row, with cells separated by ``|``. An empty cell is
null. Cells are read in the types of the contract, so a test looks like a table on paper.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyspark.sql.types as T
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.contracts.contract import TableContract
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned.support_tickets import CLOSING

Row = dict[str, Any]


def parse(cell: str, data_type: T.DataType) -> Any:
    """A cell as a value of the type; null if it is empty."""
    if not cell:
        return None
    if isinstance(data_type, T.DateType):
        return date.fromisoformat(cell)
    if isinstance(data_type, T.TimestampType):
        return datetime.fromisoformat(cell).replace(tzinfo=UTC)
    if isinstance(data_type, T.DecimalType):
        return Decimal(cell)
    if isinstance(data_type, T.BooleanType):
        return {"true": True, "false": False}[cell]
    if isinstance(data_type, T.IntegerType | T.LongType):
        return int(cell.replace("_", ""))
    return cell


def rows_of(contract: TableContract, text: str) -> list[Row]:
    """The rows of a literal table, with its columns."""
    lines = [line for line in text.splitlines() if line.strip()]
    header, *body = ([cell.strip() for cell in line.split("|")] for line in lines)
    types = {field.name: field.dataType for field in contract.spark_schema}
    for cells in body:
        assert len(cells) == len(header), f"{contract.name}: {len(header)} columns, but {cells}"
    return [
        {name: parse(cell, types[name]) for name, cell in zip(header, cells, strict=True)} for cells in body
    ]


def landed(table: str, text: str) -> list[Row]:
    """Rows of a cleaned table, with what cleaning adds: the provenance, the month, and what a file may lack."""
    source = SOURCE_TABLES[table]
    rows = rows_of(source.cleaned, text)
    for line, row in enumerate(rows, 2):
        row |= {"source_file": f"{table}.csv", "source_version": "0123456789abcdef", "source_line": line}
        for name in ("is_guest", "amount_unknown"):
            if name in source.defaults:
                row.setdefault(name, False)
        if table == "transactions":
            row.setdefault("order_id", row["transaction_id"])
        if table == "support_tickets":
            row["closed_on"] = row.get("resolved_date") or (
                row["opened_date"] if row.get("status") in CLOSING else None
            )
        if source.event_date:
            row["month"] = month_of(row[source.event_date])
    return rows


def month_of(moment: date) -> date:
    return date(moment.year, moment.month, 1)


def frame_of(spark: SparkSession, schema: T.StructType, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """The rows as a frame with exactly this schema. Missing columns are null."""
    filled = [{field.name: row.get(field.name) for field in schema} for row in rows]
    table = pa.Table.from_pylist(filled, schema=to_arrow_schema(schema, timezone="UTC"))
    return spark.createDataFrame(table, schema)


def collected(frame: DataFrame) -> list[Row]:
    """The rows of a frame. Times are in UTC, although Spark gives them in the time zone of the machine."""
    return [
        {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.asDict().items()
        }
        for row in frame.collect()
    ]


def by_key(rows: Iterable[Row], key: Sequence[str]) -> dict[Any, Row]:
    """Rows by their key, which must be unique. A key of one column is not a tuple."""
    found: dict[Any, Row] = {}
    for row in rows:
        place = tuple(row[name] for name in key)
        place = place[0] if len(place) == 1 else place
        assert place not in found, f"two rows have the key {place}"
        found[place] = row
    return found


def types_of(schema: T.StructType) -> list[tuple[str, str]]:
    """Names and types, which the contract guarantees; not whether Spark considers a column nullable."""
    return [(field.name, field.dataType.simpleString()) for field in schema]
