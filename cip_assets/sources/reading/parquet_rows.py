"""Reads Parquet files: every value as text."""

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cip_assets.sources.reading import header
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member

ROWS = 16_384


def columns(member: Member) -> tuple[str, ...]:
    """The names of the columns, those of nested fields as ``customer.email``.

    Raises:
        UnreadableExport: the file is damaged.

    """
    with _opened(member) as file:
        return header.names(_flat(file.schema_arrow.empty_table()).column_names)


def rows(member: Member) -> Iterator[list[str | None]]:
    """The values of each row.

    Raises:
        UnreadableExport: the file is damaged, or a value has no text, such as a date after the year 9999.

    """
    with _opened(member) as file:
        whole = _whole_columns(file)
        for batch in file.iter_batches(ROWS):
            table = _flat(pa.Table.from_batches([batch]))
            texts = [_texts(column, is_whole=place in whole) for place, column in enumerate(table.columns)]
            yield from (list(values) for values in zip(*texts, strict=True))


@contextmanager
def _opened(member: Member) -> Iterator[pq.ParquetFile]:
    try:
        with member.open() as packed, tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(packed, copy)
            copy.seek(0)
            with pq.ParquetFile(copy) as file:
                yield file
    except UnreadableExport:
        raise
    except (pa.ArrowException, ValueError, OverflowError, LookupError, OSError) as error:
        raise UnreadableExport(
            member.name, f"the Parquet file cannot be read ({error}); write it again"
        ) from error


def _flat(table: pa.Table) -> pa.Table:
    """The table with a column for each field of its structs."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _whole_columns(file: pq.ParquetFile) -> set[int]:
    """The places of the floating-point columns of whole numbers, such as integers that pandas wrote with gaps."""
    schema = _flat(file.schema_arrow.empty_table()).schema
    whole = {place for place, field in enumerate(schema) if pa.types.is_floating(field.type)}
    for batch in file.iter_batches(ROWS) if whole else ():
        table = _flat(pa.Table.from_batches([batch]))
        whole = {place for place in whole if _is_whole(table.column(place))}
    return whole


def _is_whole(column: pa.ChunkedArray) -> bool:
    numbers = column.drop_null().to_numpy()
    numbers = numbers[~np.isnan(numbers)]
    return bool(np.all(np.isfinite(numbers) & (numbers == np.floor(numbers))))


def _texts(column: pa.ChunkedArray, *, is_whole: bool) -> Sequence[str | None]:
    if pa.types.is_float32(column.type) and not is_whole:
        return [None if value is None else str(np.float32(value)) for value in column.to_pylist()]
    return [_as_text(int(value) if is_whole and _is_number(value) else value) for value in column.to_pylist()]


def _is_number(value: float | None) -> bool:
    return value is not None and value == value  # noqa: PLR0124 -- NaN is not equal to itself


def _as_text(value: Any) -> str | None:
    match value:
        case None | str():
            text = value
        case bool():
            text = "true" if value else "false"
        case float() if np.isnan(value):
            text = None
        case Decimal():
            text = format(value, "f")
        case dt.date() | dt.time():
            text = value.isoformat()
        case bytes():
            text = value.decode("utf-8", "backslashreplace")
        case list() | dict():
            text = json.dumps(value, default=_as_text, ensure_ascii=False)
        case _:
            text = str(value)
    return text
