"""Makes lines of many JSON objects at once that differ in their values alone, as those of one producer do.

One of them shows the shape: the texts between its values. All others are compared with it together, in numpy. What has
another shape, or an escape, is left to ``values.py``, which reads one record at a time and says what is wrong with it.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cip_assets.sources.reading.json_rows import fields_of

ENOUGH = 500
"""Fewer records are read faster one at a time."""

SHAPES = 8
"""The shapes that are tried."""

QUOTE, BACKSLASH, SPACE = b'"\\ '

TOKEN = re.compile(rb'("[^"]*")(\s*:)?|[^\s"{}\[\]:,]+')
"""A text, with the colon that makes it a name, or a bare value."""

BARE = r"^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)$"
"""Every value but texts, objects and lists."""

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class _Value:
    """A value of an object: how far it begins after a mark, and ends before the next one."""

    name: str
    is_text: bool
    mark: int
    after: int
    before: int


@dataclass(frozen=True)
class _Shape:
    """The texts between the values of an object. Its marks are its begin, its quotes and its end."""

    quotes: int
    between: tuple[bytes, ...]
    values: tuple[_Value, ...]

    @classmethod
    def of(cls, text: bytes) -> "_Shape | None":
        """The shape of an object without escapes; None if it is none, or has lists or empty objects."""
        fields = fields_of(text.decode(), taken=())
        tokens = [found for found in TOKEN.finditer(text) if not found[2]]
        shown = [found[0].strip(b'"').decode() for found in tokens]
        if fields is None or shown != ["null" if value is None else value for value in fields.values()]:
            return None
        marks = [0, *(place for place, each in enumerate(text) if each == QUOTE), len(text)]
        values, between, end = [], [], 0
        for name, found in zip(fields, tokens, strict=True):
            is_text = found[1] is not None
            begin, before = found.start() + is_text, end
            end = found.end() - is_text
            mark = sum(place < begin for place in marks) - 1
            values.append(_Value(name, is_text, mark, begin - marks[mark], marks[mark + 1] - end))
            between.append(text[before:begin])
        return cls(len(marks) - 2, (*between, text[end:]), tuple(values))


class _Texts:
    """Texts, one after another, and the places of the quotes in them."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        together = b" ".join([*texts, b""])
        together.decode("utf-8")
        self.characters = np.frombuffer(together, np.uint8)
        self.ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1) - 1
        self.begins = np.concatenate([[0], self.ends + 1])
        self.quotes = np.flatnonzero(self.characters == QUOTE)
        self.quotes_before = np.searchsorted(self.quotes, self.begins)
        self.plain = np.arange(len(texts))
        if BACKSLASH in together or self.characters.min() < SPACE:
            odd = np.flatnonzero((self.characters == BACKSLASH) | (self.characters < SPACE))
            self.plain = np.flatnonzero(np.diff(np.searchsorted(odd, self.begins)) == 0)
        self._together = together

    def have(self, text: bytes, places: Numbers) -> Flags:
        """Whether the text is at each place."""
        shape = (len(self._together) - len(text) + 1,)
        found: Flags = np.ndarray(shape, f"S{len(text)}", self._together, strides=(1,))[places] == text
        return found

    def between(self, begins: Sequence[Numbers], ends: Sequence[Numbers]) -> list[Any]:
        """The columns of texts that begin and end at these places, which ascend in each row."""
        width = 2 * len(begins)
        places = np.empty(width * len(begins[0]) + 1, np.int32)
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            places[2 * number : -1 : width] = begin
            places[2 * number + 1 :: width] = end
        places[-1] = len(self.characters)
        buffers = [None, pa.py_buffer(places), pa.py_buffer(self.characters)]
        pieces = pa.Array.from_buffers(pa.string(), len(places) - 1, buffers)
        return [
            pieces.take(pa.array(np.arange(number, len(places) - 1, width))) for number in range(0, width, 2)
        ]


def lines_of_alike(
    texts: Sequence[bytes], last: Any, wanted: Sequence[str], known: Collection[str], key: str
) -> list[tuple[Numbers, Any]]:
    """The lines of CSV of the objects that are alike.

    Args:
        texts: what may be objects.
        last: the last column of the lines, an array of texts.
        wanted: the fields in the columns before.
        known: the fields that an object may have.
        key: the field that it must have.

    Returns:
        For each shape, the numbers of the texts that have it, in order, and their lines.

    Raises:
        UnicodeDecodeError: a text is not UTF-8.

    """
    found: list[tuple[Numbers, Any]] = []
    batch = _Texts(texts)
    rest = batch.plain
    for _ in range(SHAPES):
        if len(rest) < ENOUGH:
            break
        shape = _Shape.of(texts[rest[0]])
        names = [value.name for value in shape.values] if shape else []
        if shape is None or key not in names or not {*names} <= {*known}:
            rest = rest[1:]
            continue
        is_alike, columns = _columns(batch, rest, shape, key)
        numbers = rest[is_alike]
        nothing = pa.repeat(pa.scalar("", pa.string()), len(numbers))
        cells = [_quoted(columns[name]) if name in columns else nothing for name in wanted]
        found.append((numbers, pc.binary_join_element_wise(*cells, last.take(pa.array(numbers)), ",")))
        rest = rest[~is_alike]
    return found


def _columns(batch: _Texts, numbers: Numbers, shape: _Shape, key: str) -> tuple[Flags, dict[str, Any]]:
    """Which texts have the shape, and the columns of their values."""
    first = batch.quotes_before[numbers]
    is_alike = batch.quotes_before[numbers + 1] - first == shape.quotes
    numbers, first = numbers[is_alike], first[is_alike]

    def mark(number: int) -> Numbers:
        if number == 0:
            return batch.begins[numbers]
        return batch.ends[numbers] if number > shape.quotes else batch.quotes[first + (number - 1)]

    begins = [mark(value.mark) + value.after for value in shape.values]
    ends = [mark(value.mark + 1) - value.before for value in shape.values]
    edges = [
        mark(0),
        *(edge for pair in zip(begins, ends, strict=True) for edge in pair),
        mark(shape.quotes + 1),
    ]
    sizes = [len(text) for text in shape.between]
    fits = np.ones(len(numbers), np.bool_)
    for number, (before, after) in enumerate(pairwise(edges)):
        fits &= after >= before if number % 2 else after - before == sizes[number // 2]
    edges = [edge[fits] for edge in edges]
    is_right = np.ones(len(edges[0]), np.bool_)
    for text, place in zip(shape.between, edges[::2], strict=True):
        is_right &= batch.have(text, place)
    columns = batch.between(edges[1:-1:2], edges[2:-1:2])
    for number, value in enumerate(shape.values):
        if not value.is_text:
            is_right &= _are_bare(columns[number])
            columns[number] = _without_null(columns[number])
        if value.name == key:
            is_right &= _flags(pc.greater(pc.binary_length(columns[number]), 0))
    if not is_right.all():
        columns = [column.filter(pa.array(is_right)) for column in columns]
    fits[fits] = is_right
    is_alike[is_alike] = fits
    return is_alike, {value.name: column for value, column in zip(shape.values, columns, strict=True)}


def _are_bare(column: Any) -> Flags:
    kinds = column.unique()
    wrong = kinds.filter(pc.invert(pc.match_substring_regex(kinds, BARE)))
    return ~_flags(pc.is_in(column, wrong)) if len(wrong) else np.ones(len(column), np.bool_)


def _without_null(column: Any) -> Any:
    is_null = pc.equal(column, "null")
    return pc.if_else(is_null, "", column) if pc.any(is_null).as_py() else column


def _quoted(column: Any) -> Any:
    has_comma = pc.match_substring(column, ",")
    if not pc.any(has_comma).as_py():
        return column
    return pc.if_else(has_comma, pc.binary_join_element_wise('"', column, '"', ""), column)


def _flags(column: Any) -> Flags:
    return np.asarray(column.to_numpy(zero_copy_only=False))
