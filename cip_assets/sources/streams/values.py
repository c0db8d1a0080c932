"""Turns the value of a record into a line of a landing file.

What cannot be read becomes a line of two fields, its text and its place with what is wrong, so that it is quarantined.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

from cip_assets.config.errors import PlatformError
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.reading.json_rows import fields_of
from cip_assets.sources.streams.topics import Topic

OFFSET_COLUMN = "stream_offset"
"""The column of a landing file with the offset of the record. The name of the file has its topic and partition."""

LINE_BREAK = re.compile(r"\r\n|[\r\n]")
NUL = "\0"
ESCAPES_A_QUOTE = re.compile(r'\\"|[,"].*\\\Z', re.DOTALL)
"""A text with a quote after a backslash in CSV. Landing files in which quotes seem to be escaped so are refused."""


class Record(NamedTuple):
    """A record of a partition. There are so many that a tuple is worth it."""

    offset: int
    value: bytes | None


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


def landing_text(topic: Topic, partition: int, records: Iterable[Record]) -> str:
    """The text of a landing file with a line for each record."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    write, line_of = writer.writerow, _line_of(topic)
    write([*fields_by_column(topic), OFFSET_COLUMN])
    for record in records:
        try:
            line = line_of(record.value)
        except NotALineError as error:
            write([_shown(record.value), f"{topic.topic}:{partition}:{record.offset}: {error}"])
        else:
            line.append(str(record.offset))
            write(line)
    return text.getvalue()


def _line_of(topic: Topic) -> Callable[[bytes | None], list[str | None]]:
    """A function that makes the line of a value, without its offset."""
    fields_of_columns = fields_by_column(topic)
    wanted = list(fields_of_columns.values())
    known = {*wanted, *topic.ignored}
    key = fields_of_columns[SOURCE_TABLES[topic.table].id_column]
    is_json = topic.values == "json"
    fields_in = _json if is_json else _csv_by(topic.header)

    def line_of(value: bytes | None) -> list[str | None]:
        if value is None:
            raise NotALineError("the record has no value")
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotALineError("it is not UTF-8") from error
        fields = fields_in(text)
        if not known.issuperset(fields):
            unknown = sorted(fields.keys() - known)
            raise NotALineError(f"sources.yaml does not know the field {unknown[0]!r}")
        line = [*map(fields.get, wanted)]
        if not fields.get(key):
            raise NotALineError(f"it has no {key}")
        # JSON writes all characters that matter below with a backslash.
        if is_json and "\\" not in text:
            return line
        texts = [each or "" for each in line]
        together = "".join(texts)
        if NUL in together:
            raise NotALineError("it contains a NUL character")
        if "\\" in together and any(map(ESCAPES_A_QUOTE.search, texts)):
            raise NotALineError("it contains a backslash before a quote")
        # A line break in a field could be taken for the end of a line.
        return [LINE_BREAK.sub(" ", each) for each in texts]

    return line_of


_DECODER: Any = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str, parse_constant=str)
_PLAIN = {str}


def _json(text: str) -> Mapping[str, str | None]:
    """The fields of an object. Nearly all have only texts and numbers, and those are read several times as fast."""
    if text[:2] == '{"' and "\\" not in text:
        try:
            pairs, end = _DECODER.scan_once(text, 0)
            flat: dict[str, str | None] = dict(pairs)
        except (ValueError, TypeError, RecursionError, StopIteration):
            flat, end = {}, 0
        if end == len(text) and len(flat) == len(pairs) and {*map(type, flat.values())} == _PLAIN:
            return flat
    fields = fields_of(text)
    if fields is None:
        raise NotALineError("it is no JSON object")
    return fields


def _csv_by(header: Sequence[str]) -> Callable[[str], Mapping[str, str | None]]:
    def fields_in(text: str) -> Mapping[str, str | None]:
        try:
            rows = list(csv.reader([text], strict=True))
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
