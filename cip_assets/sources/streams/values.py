"""Turns the value of a record into a line of a landing file.

What cannot be read becomes a line of two fields, its text and its place with what is wrong, so that it is quarantined.
"""

import csv
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastavro import schemaless_reader
from numpy.typing import NDArray

from cip_assets.config.errors import PlatformError
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.reading.json_rows import fields_of
from cip_assets.sources.streams.alike import ENOUGH, lines_of_alike
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.registry import Registry
from cip_assets.sources.streams.topics import Topic

OFFSET_COLUMN = "stream_offset"
"""The column of a landing file with the offset of the record. The name of the file has its topic and partition."""

AT_ONCE = 8_192
"""The records whose lines are made at once: as many as stay in the processor's cache."""

LINE_BREAK = re.compile(r"\r\n|[\r\n]")
NUL = "\0"
MAGIC, PREFIX = b"\0", 5
"""The first byte of a value whose next four are the number of its schema, and the size of both."""

BAD_AVRO = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    StopIteration,
    struct.error,
)
"""What fastavro raises when bytes are not what their schema says."""

Fields = Mapping[str, str | None]
ESCAPES_A_QUOTE = re.compile(r'\\"|[,"].*\\\Z', re.DOTALL)
"""A text with a quote after a backslash in CSV. Landing files in which quotes seem to be escaped so are refused."""


class NotALineError(ValueError):
    """The value cannot be a line of the table; the message says why."""


def fields_by_column(topic: Topic) -> Mapping[str, str]:
    """The field that each column of the table is read from.

    Raises:
        PlatformError: the table has no such column.

    """
    columns = SOURCE_TABLES[topic.table].texts
    if unknown := sorted(topic.columns.keys() - set(columns)):
        raise PlatformError(
            f"sources.yaml: topic {topic.topic}: {topic.table} has no column {unknown[0]!r}; "
            f"it has {', '.join(columns)}"
        )
    return {column: topic.columns.get(column, column) for column in columns}


def landing_text(topic: Topic, partition: int, records: Records, registry: Registry | None = None) -> bytes:
    """The text of a landing file with a line for each record.

    Raises:
        RegistryAwayError: the values are Avro, and the registry does not answer.

    """
    file = BytesIO()
    header = StringIO()
    csv.writer(header, lineterminator="\n").writerow([*fields_by_column(topic), OFFSET_COLUMN])
    file.write(header.getvalue().encode())
    for begin in range(0, len(records), AT_ONCE):
        file.write(_lines(topic, partition, records[begin : begin + AT_ONCE], registry))
    return file.getvalue()


def _lines(topic: Topic, partition: int, records: Records, registry: Registry | None) -> memoryview:
    """The lines of the records. Most are alike, and made together."""
    parts = _lines_of_alike(topic, records)
    is_left = np.ones(len(records), np.bool_)
    for numbers, _ in parts:
        is_left[numbers] = False
    left = np.flatnonzero(is_left)
    if len(left):
        parts.append(
            (left, pa.array(_lines_one_by_one(topic, partition, records, left, registry), pa.string()))
        )
    lines = pa.concat_arrays([part for _, part in parts])
    if len(parts) > 1:
        lines = lines.take(pa.array(np.argsort(np.concatenate([numbers for numbers, _ in parts]))))
    return memoryview(lines.buffers()[2])[: pc.sum(pc.binary_length(lines)).as_py()]


def _lines_of_alike(topic: Topic, records: Records) -> list[tuple[NDArray[np.int64], Any]]:
    if topic.values != "json" or len(records) < ENOUGH:
        return []
    columns = fields_by_column(topic)
    ends = pc.binary_join_element_wise(pa.array(records.offsets).cast(pa.string()), "", "\n")
    texts = [value or b"" for value in records.values]
    known = {*columns.values(), *topic.ignored}
    try:
        return lines_of_alike(texts, ends, [*columns.values()], known, columns[_id_column(topic)])
    except UnicodeDecodeError:
        return []


def _lines_one_by_one(
    topic: Topic, partition: int, records: Records, numbers: Iterable[int], registry: Registry | None
) -> Iterator[str]:
    text = StringIO()
    write, line_of = csv.writer(text, lineterminator="\n").writerow, _line_of(topic, registry)
    for number in numbers:
        offset, value = records.offsets[number], records.values[number]
        try:
            line = line_of(value)
        except NotALineError as error:
            write([_shown(value), f"{topic.topic}:{partition}:{offset}: {error}"])
        else:
            line.append(str(offset))
            write(line)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _id_column(topic: Topic) -> str:
    return SOURCE_TABLES[topic.table].id_column


def _line_of(topic: Topic, registry: Registry | None) -> Callable[[bytes | None], list[str]]:
    """A function that makes the line of a value, without its offset."""
    fields_of_columns = fields_by_column(topic)
    wanted = list(fields_of_columns.values())
    known = {*wanted, *topic.ignored}
    key = fields_of_columns[_id_column(topic)]
    fields_in = _reader(topic, registry)

    def line_of(value: bytes | None) -> list[str]:
        if value is None:
            raise NotALineError("the record has no value")
        fields = fields_in(value)
        if not known.issuperset(fields):
            unknown = sorted(fields.keys() - known)
            raise NotALineError(f"sources.yaml does not know the field {unknown[0]!r}")
        texts = [fields.get(each) or "" for each in wanted]
        if not fields.get(key):
            raise NotALineError(f"it has no {key}")
        together = "".join(texts)
        if NUL in together:
            raise NotALineError("it contains a NUL character")
        if "\\" in together and any(map(ESCAPES_A_QUOTE.search, texts)):
            raise NotALineError("it contains a backslash before a quote")
        # A line break in a field could be taken for the end of a line.
        return [LINE_BREAK.sub(" ", each) for each in texts]

    return line_of


def _reader(topic: Topic, registry: Registry | None) -> Callable[[bytes], Fields]:
    """A function that reads the fields of a value."""
    if topic.values == "avro" and registry is not None:
        return _avro_by(registry)
    return _csv_by(topic.header) if topic.values == "csv" else _json


def _json(value: bytes) -> Fields:
    """The fields of a JSON object, which may come after the number of its schema."""
    fields = fields_of(_decoded(value[PREFIX:] if value[:1] == MAGIC else value), taken=())
    if fields is None:
        raise NotALineError("it is no JSON object")
    return fields


def _avro_by(registry: Registry) -> Callable[[bytes], Fields]:
    missing: set[int] = set()

    def fields_in(value: bytes) -> Fields:
        if value[:1] != MAGIC or len(value) < PREFIX:
            raise NotALineError("it does not begin with the number of a schema")
        number = int.from_bytes(value[1:PREFIX], "big")
        schema = None if number in missing else registry.schema(number)
        if schema is None:
            missing.add(number)
            raise NotALineError(f"the registry has no Avro schema {number}")
        stream = BytesIO(value)
        stream.seek(PREFIX)
        try:
            record = schemaless_reader(stream, schema)
            fields = fields_of(json.dumps(record, default=_as_text, ensure_ascii=False), taken=())
        except BAD_AVRO as error:
            raise NotALineError(f"it is not what schema {number} says") from error
        if fields is None or stream.read(1):
            raise NotALineError(f"it is not what schema {number} says")
        return fields

    return fields_in


def _as_text(value: object) -> str:
    """A value that JSON does not have."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotALineError("it is not UTF-8") from error


def _csv_by(header: Sequence[str]) -> Callable[[bytes], Fields]:
    def fields_in(value: bytes) -> Fields:
        try:
            rows = list(csv.reader([_decoded(value)], strict=True))
        except csv.Error as error:
            raise NotALineError(f"it is no line of CSV: {error}") from error
        if len(rows) != 1 or len(rows[0]) != len(header):
            found = len(rows[0]) if rows else 0
            raise NotALineError(f"it has {found} fields, and header has {len(header)}")
        return dict(zip(header, rows[0], strict=True))

    return fields_in


def _shown(value: bytes | None) -> str:
    """A value as text on one line, with escapes for backslashes, line breaks and what is no text."""
    text = (value or b"").replace(b"\\", rb"\\").decode("utf-8", "backslashreplace")
    return text.replace("\r", r"\r").replace("\n", r"\n").replace(NUL, r"\x00")
