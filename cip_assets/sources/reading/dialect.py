"""Finds out how a member is written: its encoding, delimiter, quotes and header."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from cip_assets.sources.reading import json_rows, parquet_rows
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.header import find_header, names
from cip_assets.sources.reading.members import Member
from cip_assets.sources.reading.rows import LINE_ENDS, QUOTE, Row, line_count, rows
from cip_assets.sources.reading.text import decode, lines

BEGINNING_CHARACTERS = 4096
SAMPLE_CHARACTERS = 2 * 1024 * 1024
HEADER_WITHIN = 100
"""The header is among so many records at the beginning."""

DELIMITERS = "\t|;,"
"""If records agree as well with two of them, the first one: the others are more often text."""

ONE_COLUMN = 0.5
"""What a single column counts less than one, so that a text with some delimiters in it is still one column."""

SEPARATOR_LINE = re.compile(r'"?sep=(?P<mark>[^"\r\n]?)"?[,;\t|]*', re.IGNORECASE)
"""The first line that Excel understands: ``sep=;``. Excel may write it back in quotes and padded with delimiters."""

MARKUP = re.compile(r"\s*<[!?a-z]", re.IGNORECASE)


NUMBERS = re.compile(r" *\d+(?: +\d+(?:[.]\d+)?){2,} *")
"""A line of a table without a header: numbers in columns that are filled with blanks."""

Form = Literal["delimited", "numbers", "json_lines", "json_array", "parquet"]


@dataclass(frozen=True)
class Dialect:
    """How a member is written.

    ``quote`` is None if quotes are text. ``header_line`` is the number of the first line of the header, ``header_text``
    is the header as it is written, without its line end, and ``preamble`` has the lines before it. JSON and Parquet
    have neither delimiter nor header line; their ``columns`` are all names that occur. A table of numbers has none
    either; its columns are named by their places.
    """

    encoding: str
    delimiter: str
    quote: str | None
    header_line: int
    columns: tuple[str, ...]
    preamble: tuple[str, ...] = ()
    header_text: str = ""
    form: Form = "delimited"


def detect(member: Member) -> Dialect:
    """Find out how a member is written. All of its bytes are read once to know their encoding.

    Raises:
        UnreadableExport: it is damaged, empty or not text, or no line names the columns.

    """
    if member.kind == "parquet":
        return _named(parquet_rows.columns(member), "", "parquet")
    with decode(member) as stream:
        encoding, beginning = stream.encoding, stream.read(BEGINNING_CHARACTERS)
    if member.kind == "text":
        if MARKUP.match(beginning):
            raise UnreadableExport(member.name, "it is HTML or XML; export it as CSV or .xlsx")
        if form := json_rows.form_of(beginning):
            with decode(member, encoding) as stream:
                return _named(json_rows.columns(stream, member.name, form), encoding, form)
    with decode(member, encoding) as stream:
        sample = list(_sample(lines(stream, member.name)))
    if not any(map(str.strip, sample)):
        raise UnreadableExport(member.name, "it is empty; a file without records still needs its header")
    if member.kind == "text" and (width := _width_of_numbers(sample)):
        return _named(names([None] * width), encoding, "numbers")
    readings = _readings(sample) if member.kind == "text" else [_reading(sample, 1, ",", QUOTE, by_row=True)]
    found = [reading for reading in readings if reading]
    if not found:
        raise UnreadableExport(
            member.name, "no line names the columns; put a line with a name for each column above the records"
        )
    best = max(found, key=_Reading.agreement)
    above = (line.rstrip(LINE_ENDS) for line in sample[: best.header.line - 1])
    return Dialect(
        encoding=encoding,
        delimiter=best.delimiter,
        quote=best.quote,
        header_line=best.header.line,
        columns=names(best.header.fields),
        preamble=tuple(above) if member.kind == "text" else best.titles,
        header_text=best.header.text,
    )


def _named(columns: tuple[str, ...], encoding: str, form: Form) -> Dialect:
    """The dialect of records that name their fields."""
    return Dialect(encoding, ",", None, header_line=0, columns=columns, form=form)


def _width_of_numbers(sample: Sequence[str]) -> int | None:
    """The number of columns of a table of numbers; None if a line has other text or another number of columns."""
    bodies = [body for line in sample if (body := line.rstrip(LINE_ENDS)).strip(" ")]
    widths = {len(body.split()) if NUMBERS.fullmatch(body) else None for body in bodies}
    return widths.pop() if len(widths) == 1 else None


def _sample(found: Iterable[str]) -> Iterator[str]:
    size = 0
    for line in found:
        yield line
        size += len(line)
        if size > SAMPLE_CHARACTERS:
            return


@dataclass(frozen=True)
class _Reading:
    """What a sample holds, read with a delimiter and with or without quotes."""

    delimiter: str
    quote: str | None
    header: Row
    titles: tuple[str, ...]
    """The records above the header."""

    exact: int
    """Records with as many fields as the header."""

    longer: int
    others: int
    """Records with fewer fields or broken quotes."""

    wrapped: int
    """Fields of exact records that begin and end with a quote."""

    opened: int
    """Fields of exact records that begin with a quote but do not end with one."""

    def agreement(self) -> tuple[float, float]:
        """How well the records and the header agree on the number of fields; more columns count more."""
        titles = sum(not title.startswith("#") for title in self.titles)
        total = 1 + titles + self.exact + self.longer + self.others
        exact = (1 + self.exact) / total
        return (len(self.header.fields) - ONE_COLUMN) * (exact + self.longer / total / 2), exact


def _readings(sample: Sequence[str]) -> Iterator[_Reading | None]:
    """The readings of a sample with each delimiter, or with the one that the line for Excel names."""
    declared = SEPARATOR_LINE.fullmatch(sample[0].rstrip(LINE_ENDS))
    marks = declared["mark"] if declared and declared["mark"] else DELIMITERS
    for delimiter in marks:
        yield _by_its_quotes(sample, 2 if declared else 1, delimiter)


def _by_its_quotes(sample: Sequence[str], first: int, delimiter: str) -> _Reading | None:
    """With quotes, unless records agree better without and more fields begin with a quote than also end with one."""
    quoted = _reading(sample, first, delimiter, QUOTE)
    if not any(QUOTE in line for line in sample):
        return quoted
    plain = _reading(sample, first, delimiter, None)
    if quoted is None or plain is None:
        return quoted or plain
    is_better = plain.longer + plain.others < quoted.longer + quoted.others
    return plain if is_better and plain.opened > plain.wrapped else quoted


def _reading(
    sample: Sequence[str], first: int, delimiter: str, quote: str | None, *, by_row: bool = False
) -> _Reading | None:
    beginning = list(islice(rows(sample[first - 1 :], first, delimiter, quote, by_row=by_row), HEADER_WITHIN))
    header = find_header(beginning)
    if header is None:
        return None
    width = len(header.fields)
    titles = tuple(row.text for row in beginning[: beginning.index(header)])
    exact = longer = others = wrapped = opened = 0
    start = header.line - 1 + line_count(header.text)
    for row in rows(sample[start:], start + 1, delimiter, quote, width):
        if row.problem or len(row.fields) < width:
            others += 1
        elif len(row.fields) > width:
            longer += 1
        else:
            exact += 1
            if quote is None and QUOTE in row.text:
                begin = [field for field in row.fields if field and field.startswith(QUOTE)]
                ended = sum(len(field) > 1 and field.endswith(QUOTE) for field in begin)
                wrapped += ended
                opened += len(begin) - ended
    return _Reading(delimiter, quote, header, titles, exact, longer, others, wrapped, opened)
