r"""Splits lines of delimited text into records and their fields.

Quotes follow RFC 4180: a cell that begins with a quote ends with one, quotes inside it are doubled, and it may hold
delimiters and line ends. Any other quote is text, such as in ``27" monitor``. A quote that breaks these rules costs its
own line only: the record ends with the line, and the next line begins another one.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from cip_assets.sources.reading import text as texts

LINE_ENDS = "\r\n"
QUOTE = '"'
LINE_END = re.compile(r"\r\n|\n|\r")


class Row(NamedTuple):
    """A record: the number of its first line, its text without the last line end, its fields, and what is wrong."""

    line: int
    text: str
    fields: Sequence[str | None]
    problem: str | None = None
    field_count: int | None = None
    """If it is not the number of ``fields``."""


class _Patterns(NamedTuple):
    """Cells, each after its delimiter, so the text to match begins with one."""

    cells: re.Pattern[str]
    """Well-formed cells, up to 1,000 of them."""

    opened: re.Pattern[str]
    """A cell that is opened and not closed."""

    closed: re.Pattern[str]
    """After the closing quote of a cell: blanks."""

    cell: re.Pattern[str]
    """Any cell: its content if it is well-formed in quotes, and otherwise its text."""


INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
"""Text in a quoted cell, up to its closing quote."""


@cache
def _patterns(delimiter: str) -> _Patterns:
    mark = re.escape(delimiter)
    quoted = rf' *"({INSIDE.pattern})" *(?={mark}|\Z)'
    return _Patterns(
        # Before Python 3.11.5, a possessive quantifier of a group that backtracks or looks ahead matches nothing or too
        # much (CPython issues 106052 and 100061). A greedy one needs memory for each cell, so it has a limit.
        cells=re.compile(rf'(?:{mark}(?:{quoted}|(?! *")[^{mark}]*+)){{1,1000}}'),
        opened=re.compile(rf'{mark} *"{INSIDE.pattern}\Z'),
        closed=re.compile(rf" *(?={mark}|\Z)"),
        cell=re.compile(rf"{mark}(?:{quoted}|([^{mark}]*+))"),
    )


def rows(
    lines: Iterable[str],
    first: int,
    delimiter: str,
    quote: str | None,
    width: int | None = None,
    *,
    by_row: bool = False,
) -> Iterator[Row]:
    """The records of some lines. Blank lines between records are left out.

    Args:
        lines: with their line ends.
        first: the number of the first one.
        delimiter: between fields.
        quote: the double quote, or None if quotes are text.
        width: the usual number of fields. It decides whether a quote is really closed on a later line: not if the lines
            are records by themselves.
        by_row: count records, as a sheet does, instead of lines.

    """
    source, line = _Lines(lines), first
    for text in source:
        body = text.rstrip(LINE_ENDS)
        if not body.strip(" "):
            line += 1
        elif quote is None or QUOTE not in body:
            yield Row(line, body, body.split(delimiter))
            line += 1
        else:
            parts, is_closed = _quoted_record(text, source, delimiter)
            body = "".join(parts).rstrip(LINE_ENDS)
            if not is_closed or _are_records(parts, delimiter, width):
                source.put_back(parts[1:])
                parts, body, is_closed = parts[:1], text.rstrip(LINE_ENDS), False
            yield Row(line, body, _fields(body, delimiter), None if is_closed else "broken_quote")
            line += 1 if by_row else len(parts)


class _Lines:
    """Lines that can be put back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._ahead = iter(lines), deque[str]()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._ahead.popleft() if self._ahead else next(self._lines)

    def put_back(self, lines: Sequence[str]) -> None:
        self._ahead.extendleft(reversed(lines))


def _quoted_record(text: str, more: Iterator[str], delimiter: str) -> tuple[list[str], bool]:
    """The lines of a record, and whether its quotes are well-formed. If not, some of the lines are other records."""
    patterns = _patterns(delimiter)
    parts, size = [text], len(text)
    rest = delimiter + text.rstrip(LINE_ENDS)
    while (end := _end_of_cells(patterns, rest)) < len(rest):
        if not patterns.opened.match(rest, end):
            return parts, False
        closing = len(rest)
        while closing == len(rest):
            line = next(more, None)
            if line is None:
                return parts, False
            parts.append(line)
            size += len(line)
            if size > texts.RECORD_LIMIT:
                return parts, False
            rest = line.rstrip(LINE_ENDS)
            closing = end_of(INSIDE, rest)
        if not (closed := patterns.closed.match(rest, closing + 1)):
            return parts, False
        rest = rest[closed.end() :]
    return parts, True


def line_count(text: str) -> int:
    """The number of lines of a record."""
    return len(LINE_END.findall(text)) + 1


def end_of(pattern: re.Pattern[str], text: str, place: int = 0) -> int:
    """Where the match of a pattern ends that begins at a place."""
    found = pattern.match(text, place)
    return found.end() if found else place


def _end_of_cells(patterns: _Patterns, text: str) -> int:
    """Where the well-formed cells end that a text begins with."""
    end = 0
    while found := patterns.cells.match(text, end):
        end = found.end()
    return end


def _fields(text: str, delimiter: str) -> list[str | None]:
    return [
        content.replace('""', QUOTE) if content is not None else plain
        for content, plain in (
            (found[1], found[2]) for found in _patterns(delimiter).cell.finditer(delimiter + text)
        )
    ]


def _are_records(parts: Sequence[str], delimiter: str, width: int | None) -> bool:
    """Whether the lines of a record make more sense as a record each: more than two thirds have the usual width.

    Lines of a table with one or two columns say too little.
    """
    if width is None or width < 3 or len(parts) == 1:
        return False
    alone = sum(len(_fields(part.rstrip(LINE_ENDS), delimiter)) == width for part in parts)
    return 3 * alone > 2 * len(parts)
