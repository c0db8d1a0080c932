"""Reads JSON Lines, and JSON arrays of objects: a record is an object, its nested objects flattened.

An array may be in an object, as in the answers of a shop's API: ``{"count": 2, "orders": [...]}``.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Literal, TextIO

from cip_assets.sources.reading import text as texts
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.header import OWN_COLUMNS
from cip_assets.sources.reading.rows import LINE_ENDS, end_of, line_count

BLOCK_CHARACTERS = 1024 * 1024
TOKEN_CHARACTERS = 16
"""At least the length of a number or word that may go on in the next block."""

Form = Literal["json_lines", "json_array"]
Fields = dict[str, str | None]
OBJECT_FIRST = re.compile(r'\s*\{\s*("|\}|\Z)')
ARRAY_FIRST = re.compile(r"\s*\[\s*(\{|\]|\Z)")
PAGING = "count|total|page|pages|per_?page|limit|offset|next|prev|previous|has_?more|object|status|success|ok|version"
ABOUT = "meta|metadata|info|pagination|paging|page_?info|links|request"
RECORDS = "orders|transactions|sales|purchases|invoices|bestellungen|data|results|records|rows|value"
WRAPPED_FIRST = re.compile(
    rf'\s*\{{\s*(?:"(?:(?:{PAGING})"\s*:\s*(?:"[^"]*"|[-+.\w]+)|(?:{ABOUT})"\s*:\s*\{{[^{{}}\[\]]*\}})\s*,\s*)*'
    rf'(?:"(?:data|result|response)"\s*:\s*\{{\s*)?"(?:{RECORDS})"\s*:\s*(?=\[\s*[{{\]])',
    re.IGNORECASE,
)
"""An object up to its list of records."""

BETWEEN = re.compile(r"[\s,]*")
HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
INDENT = re.compile(r"[\r\n][ \t]*\Z")


class _Number(str):
    """A number with its digits as they are written."""

    __slots__ = ()


class _Object(list):
    """The keys and values of an object, in order, and each as often as it occurs."""


DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_Number
)


def form_of(beginning: str) -> Form | None:
    """Whether a text with this beginning is JSON, and in which form."""
    if WRAPPED_FIRST.match(beginning):
        return "json_array"
    if OBJECT_FIRST.match(beginning):
        return "json_lines"
    return "json_array" if ARRAY_FIRST.match(beginning) else None


def columns(stream: TextIO, name: str, form: Form) -> tuple[str, ...]:
    """All names that occur, in the order in which they occur first.

    A name that is an object in some records and null in the others is no column.

    Raises:
        UnreadableExport: more records than not are no JSON objects.

    """
    found: dict[str, bool] = {}
    good = bad = 0
    for _, _, fields in records(stream, name, form):
        if fields is None:
            bad += 1
        else:
            good += 1
            for column, value in fields.items():
                found[column] = found.get(column, False) or value is not None
    if bad > good:
        raise UnreadableExport(
            name, f"{bad} of {bad + good} records are not JSON objects; write one object on each line"
        )
    parents = {column[:place] for column in found for place, mark in enumerate(column) if mark == "."}
    return tuple(column for column, is_used in found.items() if is_used or column not in parents)


def records(stream: TextIO, name: str, form: Form) -> Iterator[tuple[int, str, Fields | None]]:
    """Each record: the number of its first line, its text, and its fields; None if it is no JSON object.

    The numbers differ: elements that begin on one line are counted on from it.

    Raises:
        UnreadableExport: a record is too long, or there is more after the object that the array is in.

    """
    return _lines(stream, name) if form == "json_lines" else _elements(stream, name)


def _lines(stream: TextIO, name: str) -> Iterator[tuple[int, str, Fields | None]]:
    for number, line in enumerate(texts.lines(stream, name), 1):
        if line.strip():
            text = line.rstrip(LINE_ENDS)
            yield number, text, fields_of(text)


class _Window:
    """The part of a text that is in memory. ``place`` is where the rest begins, and ``line`` its line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text, self.place, self.line, self.is_end = "", 0, 1, False

    def move_to(self, place: int) -> None:
        self.line += line_count(self.text[self.place : place]) - 1
        self.place = place

    def read_more(self) -> None:
        """Drop what is before the place, and read at least as much as is left."""
        rest = self.text[self.place :]
        more = self._stream.read(max(BLOCK_CHARACTERS, len(rest)))
        if more.endswith("\r"):
            more += self._stream.read(1)
        self.text, self.place, self.is_end = rest + more, 0, not more


def _elements(stream: TextIO, name: str) -> Iterator[tuple[int, str, Fields | None]]:
    """The elements of an array. After a broken one, the next one begins on a line that is indented as its line."""
    window, next_element, number = _Window(stream), None, 0
    window.read_more()
    wrapped = WRAPPED_FIRST.match(window.text)
    window.move_to(window.text.index("[", wrapped.end() if wrapped else 0) + 1)
    while True:
        window.move_to(end_of(BETWEEN, window.text, window.place))
        if window.place == len(window.text) and not window.is_end:
            window.read_more()
            continue
        if window.text.startswith("]", window.place):
            break
        if window.place == len(window.text):
            yield max(number + 1, window.line), "", None
            return
        if next_element is None:
            indent = INDENT.search(window.text, 0, window.place)
            next_element = re.compile((re.escape(indent[0]) if indent else r"[\r\n]") + r"\{")
        fields, end = _element(window, next_element)
        if end is None:
            if len(window.text) - window.place > texts.RECORD_LIMIT:
                raise texts.too_long(name, window.line)
            window.read_more()
            continue
        number = max(number + 1, window.line)
        yield number, window.text[window.place : end].rstrip(", \t\r\n"), fields
        window.move_to(end)
        if fields is None and end == len(window.text):
            return
    rest = window.text[window.place + 1 :] + stream.read(texts.RECORD_LIMIT)
    if len(rest) > texts.RECORD_LIMIT:
        raise texts.too_long(name, window.line)
    if wrapped:
        if not _is_json(f"{wrapped[0]}[]{rest}"):
            raise UnreadableExport(
                name, "there is more after the first object; write an array of all records", window.line
            )
    elif rest.strip():
        yield max(number + 1, window.line), rest.strip(), None


def _is_json(text: str) -> bool:
    try:
        DECODER.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _element(window: _Window, next_element: re.Pattern[str]) -> tuple[Fields | None, int | None]:
    """The fields of the element at the window's place, and its end; no end if more of the text is needed."""
    text = window.text
    try:
        value, end = DECODER.raw_decode(text, window.place)
    except (ValueError, RecursionError) as error:
        is_cut = isinstance(error, json.JSONDecodeError) and (
            error.msg.startswith("Unterminated") or error.pos > len(text) - TOKEN_CHARACTERS
        )
        if is_cut and not window.is_end:
            return None, None
        after = next_element.search(text, window.place)
        return None, after.start() if after else len(text) if window.is_end else None
    if end == len(text) and not window.is_end:
        return None, None
    return _flattened(value), end


def fields_of(text: str, taken: Collection[str] = OWN_COLUMNS) -> Fields | None:
    """The fields of a JSON object with dotted names, none of which is taken; None if the text is none."""
    try:
        return _flattened(DECODER.decode(text), taken)
    except (ValueError, RecursionError):
        return None


def _flattened(value: Any, taken: Collection[str] = OWN_COLUMNS) -> Fields | None:
    """The fields of an object, with dotted names.

    None if it is another value, if it is nested too deeply, or if a text in it is not Unicode.
    """
    if not isinstance(value, _Object):
        return None
    try:
        leaves = list(_leaves(value, ""))
    except RecursionError:
        return None
    found: Fields = {}
    for name, text in leaves:
        column, count = name, 1
        while column in found or column in taken:
            count += 1
            column = f"{name}_{count}"
        found[column] = text
    halves = HALF_CHARACTER.search("".join([*found, *filter(None, found.values())]))
    return None if halves else found


def _leaves(value: _Object, prefix: str) -> Iterator[tuple[str, str | None]]:
    for key, inner in value:
        if isinstance(inner, _Object):
            if inner:
                yield from _leaves(inner, f"{prefix}{key}.")
            else:
                yield prefix + key, None
        elif inner is None or isinstance(inner, str):
            yield prefix + key, inner
        else:
            yield prefix + key, _as_json(inner)


def _as_json(value: Any) -> str:
    """A value as JSON text, its numbers as they were written."""
    if isinstance(value, _Object):
        return "{" + ",".join(f"{_as_json(str(key))}:{_as_json(inner)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_as_json, value)) + "]"
    return value if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
