"""Finds where the records of a CSV file begin, and what makes the file unreadable, from its bytes.

This is a second, simpler reading of a file besides pyarrow's: it knows line ends (LF, CRLF, CR) and quotes, but not
fields. Quotes follow RFC 4180: a field that begins with a quote ends with one, and quotes inside it are doubled. Any
other quote is text, such as in ``27" monitor``.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 8 * 1024 * 1024
RECORD_LIMIT_BYTES = 64 * 1024 * 1024
HEADER_LIMIT_BYTES = 1024 * 1024

UTF8_BOM = b"\xef\xbb\xbf"
OTHER_FORMATS = {
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"\x1f\x8b": "packed with gzip; unpack it, or end its name with .csv.gz",
    b"PK\x03\x04": "a workbook or a zip archive; save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls); save it as CSV",
    b"PAR1": "a Parquet file; save it as CSV",
}
"""How files begin that are no CSV files in UTF-8 whatever their names say, and what to do."""

LINE = re.compile(rb"(?P<text>[^\r\n]*+)(?:\r\n|\n|\r(?=[^\n]))")
SEPARATOR_LINE = re.compile(rb'"?sep=(?P<mark>[^"\r\n]?)"?,*', re.IGNORECASE)
"""The first line that Excel understands: ``sep=,``. Excel may write it back in quotes and padded with commas."""

QUOTED_FIELD = re.compile(rb'"(?<![^,\r\n]")[^"]*+(?:""[^"]*+)*+(?P<closing>"?)')
BACKSLASH_FIELD = re.compile(rb'"(?<![^,\r\n]")[^"\\]*+(?:(?:\\.|"")[^"\\]*+)*+(?P<closing>"?)', re.DOTALL)
"""The same, if a backslash can also escape a quote."""

FIELD_END = re.compile(rb"(?P<blanks>[ \t]*)(?:[,\r\n]|\Z)")
ESCAPED = re.compile(rb'\\"(?:[^"\r\n]*,)?"(?=[,\r\n])')
"""A quote after a backslash, if the next quote ends the field when the first one counts as escaped."""

COMMA, LF, CR, QUOTE, BACKSLASH = b',\n\r"\\'
BEFORE_OPENING = np.isin(np.arange(256), [COMMA, LF, CR, QUOTE])
AFTER_CLOSING = BEFORE_OPENING
"""For each byte, whether it may be there if all quotes follow RFC 4180. A quote there belongs to a doubled one."""

CHANGED = "it changed while it was read; run again when it is complete"
GONE = "it was moved or deleted while it was being read; run again"

Positions = npt.NDArray[np.int64]
Inside = Callable[[Positions], npt.NDArray[np.bool_]]
"""A function that says whether positions are inside a quoted field. The positions must not be those of quotes."""


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read; the message says what is wrong, where in the file, and what to do."""


@dataclass(frozen=True)
class Records:
    """The complete records at the beginning of some bytes: their length, and the line on which each one begins."""

    byte_count: int
    line_count: int
    lines: npt.NDArray[np.int64]


def open_bytes(path: Path) -> BinaryIO:
    """Open the file's content, which is decompressed if the name ends in ``.gz``."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


@contextmanager
def unchanged(path: Path, size: int | None = None) -> Iterator[None]:
    """Read a file that must not change meanwhile; ``size`` is the one that it had when it was scanned.

    Raises:
        UnreadableFileError: it changed or is gone. What else was found wrong with it may be wrong only because of that.

    """
    before = _state(path)
    error = UnreadableFileError(CHANGED)
    if size not in {None, before[0]}:
        raise error
    try:
        yield
    except UnreadableFileError as found:
        if _state(path) != before:
            raise error from found
        raise
    if _state(path) != before:
        raise error


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise UnreadableFileError(GONE) from error
    return found.st_size, found.st_mtime_ns, found.st_ino


class RecordReader:
    """Reads a file: its header, then the rest in blocks of complete records.

    Byte order marks and a line ``sep=,`` before the header are skipped. Line numbers are those that an editor shows.
    ``header`` is the line with the column names, without its line end, and ``header_line`` is its number.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and read its header.

        Raises:
            UnreadableFileError: it is empty, UTF-16 or not gzip data, or names a separator other than the comma.

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
        """The next complete records, and the line on which each one begins; no bytes at the end of the file.

        Raises:
            UnreadableFileError: the bytes are not UTF-8, not text or not gzip data, or their quotes violate RFC 4180.

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
        """Read up to the line with the column names, and return that line without its line end."""
        self._fill(BLOCK_BYTES)
        if not self._pending:
            raise UnreadableFileError("it is empty; a file without rows still needs its header line")
        for beginning, what in OTHER_FORMATS.items():
            if self._pending.startswith(beginning):
                raise UnreadableFileError(f"it is {what}")
        while True:
            text = self._next_line()
            named = SEPARATOR_LINE.fullmatch(text)
            if named is None:
                return text
            if (mark := named["mark"].decode("ascii", "backslashreplace")) not in ("", ","):
                raise UnreadableFileError(f"its fields are separated by {mark!r}; separate them with commas")

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
                raise UnreadableFileError(
                    f"line {self._line} is too long for a header; it must name the columns"
                )
            self._fill(len(self._pending) + BLOCK_BYTES)

    def _fill(self, size: int) -> None:
        """Read until this many bytes are pending. The last line gets a line end if it has none, or only half of one."""
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
    """Check that some complete lines are text; ``line`` is the number of the first one.

    Raises:
        UnreadableFileError: they are not UTF-8, or contain a NUL byte.

    """
    if not block.isascii():
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            line += len(line_ends(block[: error.start + 1]))
            raise UnreadableFileError(f"line {line} is not UTF-8; save the file as UTF-8") from error
    nul = block.find(b"\0")
    if nul >= 0:
        # pyarrow ignores quotes and commas in the bytes after a NUL byte.
        line += len(line_ends(block[: nul + 1]))
        raise UnreadableFileError(
            f"line {line} contains a NUL byte, which is not text; save the file as UTF-8"
        )


def whole_records(data: bytes, line: int, *, is_end: bool) -> Records:
    """Find the complete records in some bytes.

    Args:
        data: bytes that begin with a record; at the end of the file they end with a line end.
        line: the number of their first line.
        is_end: whether the file ends here.

    Raises:
        UnreadableFileError: a quoted field is not closed by the end of the file, continues after its closing quote, or
            includes other lines because its quotes are escaped with backslashes.

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
    """The last byte of each line end. A CR at the end of the bytes is left out, because it may be half of a CRLF."""
    codes = np.frombuffer(data, np.uint8)
    is_end = codes == LF
    if b"\r" in data:
        is_end[:-1] |= (codes[:-1] == CR) & (codes[1:] != LF)
    return np.flatnonzero(is_end)


def quoted_fields(data: bytes, ends: Positions, line: int, *, is_end: bool) -> Inside:
    """Find the quoted fields.

    Raises:
        UnreadableFileError: one of them is not closed by the end of the file, or continues after its closing quote.

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
    """All quotes, if the 1st, 3rd, 5th, ... can open a field or belong to a doubled quote, and the others can close it.

    Then the bytes between each opening quote and the next quote are inside quotes. Otherwise None.
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
        return f'line {where}: a quote in a quoted field is escaped with a backslash; write "" instead'
    if first == last:
        return f'line {first}: a quote in a quoted field is not doubled; write "" instead'
    return (
        f"line {first}: a quote is opened, and the quote that seems to close it in line {last} does not end a field; "
        "close it, or double the quotes inside a field"
    )


def refuse_backslashes(
    data: bytes, ends: Positions, inside: Inside, is_inside: npt.NDArray[np.bool_], line: int
) -> None:
    r"""Refuse lines that would become part of a field because quotes are escaped with backslashes, as MySQL does.

    In RFC 4180, ``"27\""`` followed by a comma is a field that continues after the comma. If it continues on another
    line, it was most likely meant to end before the comma. It is also refused if all the bytes make sense with
    backslashes and then have different lines.

    Raises:
        UnreadableFileError: there is such a field.

    """
    if b"\\" not in data or b'\\"' not in data:  # searching for a single byte is much faster
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
            f'line {line + hidden[0]}: a quote in a quoted field is escaped with a backslash; write "" instead'
        )


def _fields_by_backslashes(data: bytes) -> Inside | None:
    """Find the quoted fields as if quotes were escaped with backslashes; None if that makes no sense."""
    starts, stops = [], []
    for field in BACKSLASH_FIELD.finditer(data):
        start, stop = field.span()
        if not field["closing"] or not FIELD_END.match(data, stop):
            return None
        starts.append(start)
        stops.append(stop)
    return _between(starts, stops)


def _is_escape(data: bytes, place: int) -> bool:
    """Whether there is a backslash that is not itself escaped."""
    first = place
    while first >= 0 and data[first] == BACKSLASH:
        first -= 1
    return (place - first) % 2 == 1


def _line_of(position: int, ends: Positions, line: int) -> int:
    return line + int(np.searchsorted(ends, position))
