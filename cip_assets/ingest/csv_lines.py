"""Where the records of a CSV file begin, and what makes the file unreadable, told from its bytes.

This is a second reading of a file beside pyarrow's, and a simpler one: it knows line ends (LF, CRLF, CR) and quotes,
and nothing of fields. Quotes follow RFC 4180: a field that begins with a quote ends with one, and quotes inside are
doubled. A quote elsewhere is text, such as in ``27" monitor``.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 8 * 1024 * 1024
RECORD_LIMIT_BYTES = 64 * 1024 * 1024
HEADER_LIMIT_BYTES = 1024 * 1024

UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

LINE = re.compile(rb"(?P<text>[^\r\n]*+)(?:\r\n|\n|\r(?=[^\n]))")
SEPARATOR_LINE = re.compile(rb'"?sep=(?P<mark>[^"\r\n]?)"?,*', re.IGNORECASE)
"""What Excel understands as first line: ``sep=,``. It may come back quoted, and padded with commas."""

QUOTED_FIELD = re.compile(rb'"(?<![^,\r\n]")[^"]*+(?:""[^"]*+)*+(?P<closing>"?)')
BACKSLASH_FIELD = re.compile(rb'"(?<![^,\r\n]")[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*+(?P<closing>"?)', re.DOTALL)
"""The same, if a backslash too makes text of a quote."""

FIELD_END = re.compile(rb"(?P<blanks>[ \t]*)(?:[,\r\n]|\Z)")
ESCAPED = re.compile(rb'\\"(?:[^"\r\n]*,)?"(?=[,\r\n])')
"""A quote after a backslash, if the next quote ends the field once the first one is taken for escaped."""

COMMA, LF, CR, QUOTE, BACKSLASH = b',\n\r"\\'
BEFORE_OPENING = np.isin(np.arange(256), [COMMA, LF, CR, QUOTE])
AFTER_CLOSING = BEFORE_OPENING
"""By byte: what may stand there in a file whose quotes are all RFC 4180. A quote makes a doubled one."""

Positions = npt.NDArray[np.int64]
Inside = Callable[[Positions], npt.NDArray[np.bool_]]
"""Whether positions, which are not those of quotes, are inside a quoted field."""


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read; the message says what is wrong and where in the file."""


@dataclass(frozen=True)
class Records:
    """The whole records that some bytes begin with: how long they are, and the line each begins on."""

    byte_count: int
    line_count: int
    lines: npt.NDArray[np.int64]


def open_bytes(path: Path) -> BinaryIO:
    """The file's content, decompressed where the name ends in ``.gz``."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


class RecordReader:
    """Reads a file: its header, then the rest in blocks of whole records.

    Byte order marks and a line ``sep=,`` before the header are passed over. Line numbers are those an editor shows.
    ``header`` is the line that names the columns, without its line end, and ``header_line`` its number.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its header.

        Raises:
            UnreadableFileError: it is empty, UTF-16, no gzip, or names another separator than the comma.

        """
        self._stream = open_bytes(path)
        self._pending = b""
        self._at_end = False
        self._line = 1
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise
        self.header_line = self._line - 1

    def close(self) -> None:
        self._stream.close()

    def next_block(self) -> tuple[memoryview, npt.NDArray[np.int64]]:
        """The next whole records, and the line each begins on; no bytes at the end of the file.

        Raises:
            UnreadableFileError: what comes is no UTF-8, no text, no gzip, or its quotes are not RFC 4180.

        """
        size = BLOCK_BYTES
        while True:
            self._fill(size)
            found = whole_records(self._pending, self._line, is_end=self._at_end)
            if found.byte_count or self._at_end:
                break
            if len(self._pending) >= RECORD_LIMIT_BYTES:
                raise UnreadableFileError(
                    f"line {self._line} begins a record of more than {RECORD_LIMIT_BYTES >> 20} MB: a quote in it "
                    "is opened and never closed, or a field is too long"
                )
            size = 2 * len(self._pending)
        data, end = self._pending, found.byte_count
        if not data.isascii() or b"\0" in data:
            check_text(data[:end], self._line)
        self._pending = data[end:]
        self._line += found.line_count
        return memoryview(data)[:end], found.lines

    def _read_header(self) -> bytes:
        """Read as far as the line that names the columns, and return it without its line end."""
        self._fill(BLOCK_BYTES)
        if not self._pending:
            raise UnreadableFileError("it is empty; a file without rows still needs its header line")
        if self._pending.startswith(UTF16_BOMS):
            raise UnreadableFileError("it is UTF-16; save it as UTF-8")
        while True:
            text = self._next_line()
            named = SEPARATOR_LINE.fullmatch(text)
            if named is None:
                return text
            if (mark := named["mark"].decode("ascii", "backslashreplace")) not in ("", ","):
                raise UnreadableFileError(f"its fields are separated by {mark!r}; separate them by commas")

    def _next_line(self) -> bytes:
        while True:
            while self._pending.startswith(UTF8_BOM):
                self._pending = self._pending.removeprefix(UTF8_BOM)
            if line := LINE.match(self._pending):
                self._pending = self._pending[line.end() :]
                self._line += 1
                return line["text"]
            if self._at_end:
                self._line += 1
                return b""
            if len(self._pending) >= HEADER_LIMIT_BYTES:
                raise UnreadableFileError(f"line {self._line} is too long to name the columns")
            self._fill(len(self._pending) + BLOCK_BYTES)

    def _fill(self, size: int) -> None:
        """Read until so many bytes wait. The last line gets a line end if it has none, or half of one."""
        wanted = size - len(self._pending)
        if wanted <= 0 or self._at_end:
            return
        try:
            more = self._stream.read(wanted)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFileError(
                f"its gzip data is damaged or cut off ({error}); deliver it again"
            ) from error
        self._at_end = len(more) < wanted
        self._pending += more
        if self._at_end and self._pending and not self._pending.endswith(b"\n"):
            self._pending += b"\n"


def check_text(block: bytes, line: int) -> None:
    """Look for what is no text in some whole lines, of which the first has this number.

    Raises:
        UnreadableFileError: no UTF-8, or a NUL byte.

    """
    if not block.isascii():
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            line += len(line_ends(block[: error.start + 1]))
            raise UnreadableFileError(f"line {line} is not UTF-8; save the file as UTF-8") from error
    nul = block.find(b"\0")
    if nul >= 0:
        # pyarrow overlooks the quotes and commas in the bytes after it.
        line += len(line_ends(block[: nul + 1]))
        raise UnreadableFileError(f"line {line} holds a NUL byte, which is no text; save it as UTF-8")


def whole_records(data: bytes, line: int, *, is_end: bool) -> Records:
    """Find the records that are whole in some bytes.

    Args:
        data: bytes that begin where a record does; at the end of the file they end with a line end.
        line: the number of their first line.
        is_end: whether the file ends here.

    Raises:
        UnreadableFileError: a quoted field is not closed by the end of the file, or goes on after its closing quote,
            or swallows lines because its quotes are escaped by backslashes.

    """
    ends = line_ends(data)
    inside = quoted_fields(data, ends, line, is_end=is_end)
    is_inside = inside(ends)
    (outside,) = np.nonzero(~is_inside)
    if not len(outside):
        return Records(0, 0, np.array([], np.int64))
    refuse_backslashes(data, ends, inside, is_inside, line)
    line_count = int(outside[-1]) + 1
    places = np.concatenate(([0], outside[:-1] + 1))
    starts = np.where(places, ends[places - 1] + 1, 0)
    first = np.frombuffer(data, np.uint8)[starts]
    return Records(
        int(ends[line_count - 1]) + 1,
        line_count,
        line + places[(first != LF) & (first != CR)].astype(np.int64),
    )


def line_ends(data: bytes) -> Positions:
    """The last byte of each line end; a CR that the bytes end with may be half of one and is left out."""
    codes = np.frombuffer(data, np.uint8)
    is_end = codes == LF
    if b"\r" in data:
        is_end[:-1] |= (codes[:-1] == CR) & (codes[1:] != LF)
    return np.flatnonzero(is_end)


def quoted_fields(data: bytes, ends: Positions, line: int, *, is_end: bool) -> Inside:
    """Where the quoted fields are.

    Raises:
        UnreadableFileError: one is not closed by the end of the file, or goes on after its closing quote.

    """
    if b'"' not in data:
        return lambda positions: np.zeros(len(positions), np.bool_)
    quotes = _well_formed_quotes(data)
    if quotes is not None and not (is_end and len(quotes) % 2):
        return lambda positions: np.searchsorted(quotes, positions) % 2 == 1
    starts, stops = [], []
    for field in QUOTED_FIELD.finditer(data):
        start, stop = field.span()
        if not field["closing"]:
            if is_end:
                raise UnreadableFileError(
                    f"line {_line_of(start, ends, line)}: a quote is opened and never closed; double the quotes "
                    "inside a field"
                )
        else:
            after = FIELD_END.match(data, stop)
            if not after or (after["blanks"] and not {CR, LF}.isdisjoint(field[0])):
                raise UnreadableFileError(_why_not_closed(data, start, stop - 1, ends, line))
        starts.append(start)
        stops.append(stop)
    return _between(starts, stops)


def _between(starts: Sequence[int], stops: Sequence[int]) -> Inside:
    begins, closes = np.array([-1, *starts]), np.array([-1, *stops])
    return lambda positions: positions < closes[np.searchsorted(begins, positions) - 1]


def _well_formed_quotes(data: bytes) -> Positions | None:
    """All quotes, if every second one can open a field (or is the second of a doubled one) and the others can close it.

    Then the bytes between an odd one and the next are inside quotes. None if that is not so for all of them.
    """
    codes = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(codes == QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    before = codes[opening[1:] - 1] if opening[0] == 0 else codes[opening - 1]
    after = codes[closing[:-1] + 1] if len(closing) and closing[-1] == len(data) - 1 else codes[closing + 1]
    return quotes if BEFORE_OPENING[before].all() and AFTER_CLOSING[after].all() else None


def _why_not_closed(data: bytes, opened: int, closed: int, ends: Positions, line: int) -> str:
    first, last = _line_of(opened, ends, line), _line_of(closed, ends, line)
    escaped = ESCAPED.search(data, opened, closed)
    if escaped or _is_escape(data, closed - 1):
        where = _line_of(escaped.start(), ends, line) if escaped else last
        return f'line {where}: a quote in a quoted field is escaped by a backslash; write "" for it'
    if first == last:
        return f'line {first}: a quote in a quoted field is not doubled; write "" for it'
    return (
        f"line {first}: a quote is opened, and what seems to close it in line {last} does not end a field; close it, "
        "or double the quotes inside a field"
    )


def refuse_backslashes(
    data: bytes, ends: Positions, inside: Inside, is_inside: npt.NDArray[np.bool_], line: int
) -> None:
    r"""Refuse lines that would become part of a field because quotes are escaped by backslashes, as MySQL does.

    ``"27\""`` then a comma is, by RFC 4180, a field that goes on after the comma. If it goes on to another line, it was
    most likely meant to end before. The same if all the bytes make sense with backslashes and hold other lines then.

    Raises:
        UnreadableFileError: there is such a field.

    """
    if b"\\" not in data or b'\\"' not in data:  # one byte alone is looked for much faster
        return
    hidden = [
        int(np.searchsorted(ends, escaped.start()))
        for escaped in ESCAPED.finditer(data)
        if _is_escape(data, escaped.start()) and inside(np.array([escaped.start()]))[0]
    ]
    hidden = [end for end in hidden if end < len(ends) and is_inside[end]]
    whole = data[: int(ends[~is_inside][-1]) + 1]
    if not hidden and (inside_by_backslashes := _fields_by_backslashes(whole)):
        within = ends[ends < len(whole)]
        hidden = np.flatnonzero(inside_by_backslashes(within) != is_inside[: len(within)]).tolist()
    if hidden:
        raise UnreadableFileError(
            f'line {line + hidden[0]}: a quote in a quoted field is escaped by a backslash; write "" for it'
        )


def _fields_by_backslashes(data: bytes) -> Inside | None:
    """Where the quoted fields are if quotes are escaped by backslashes; None if that makes no sense."""
    starts, stops = [], []
    for field in BACKSLASH_FIELD.finditer(data):
        start, stop = field.span()
        if not field["closing"] or not FIELD_END.match(data, stop):
            return None
        starts.append(start)
        stops.append(stop)
    return _between(starts, stops)


def _is_escape(data: bytes, place: int) -> bool:
    """Whether a backslash is there that no other one escapes."""
    first = place
    while first >= 0 and data[first] == BACKSLASH:
        first -= 1
    return (place - first) % 2 == 1


def _line_of(position: int, ends: Positions, line: int) -> int:
    return line + int(np.searchsorted(ends, position))
