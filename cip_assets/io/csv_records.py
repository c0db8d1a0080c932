"""Parse one CSV file into records that know their line, losing nothing.

pyarrow splits the file (RFC 4180, quoted newlines, BOM, gzip) in blocks, so memory stays bounded. A line
with too few or too many fields is kept as text. Line numbers are those an editor shows: the header is
line 1, and a record is on the line where it begins, whatever newlines its fields hold.
"""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

BLOCK_BYTES = 8 * 1024 * 1024
UTF8_BOM = b"\xef\xbb\xbf"


class UnreadableFileError(ValueError):
    """The file as a whole cannot be read; the message says what is wrong and where in the file."""


@dataclass(frozen=True)
class RaggedRecord:
    """A line whose number of fields is not the header's."""

    line: int
    field_count: int
    text: str


@dataclass(frozen=True)
class RecordBlock:
    """Some records of a file, in order: one text column per header name, and the line of each."""

    columns: pa.RecordBatch
    lines: npt.NDArray[np.int64]
    ragged: Sequence[RaggedRecord]


def open_bytes(path: Path) -> BinaryIO:
    """The file's content, decompressed where the name ends in ``.gz``."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def hash_file(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of the file as it lies on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def check_text(path: Path) -> int:
    """Read the file once, looking for what would make it unreadable as text; returns its number of lines.

    Raises:
        UnreadableFileError: no UTF-8, a NUL byte, a damaged gzip, or no content at all.

    """
    line = 1
    pending = b""
    empty = True
    ends_with_newline = False
    try:
        with open_bytes(path) as stream:
            while block := stream.read(BLOCK_BYTES):
                if empty and block.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise UnreadableFileError("it is UTF-16; save it as UTF-8")
                empty = False
                block = pending + block
                try:
                    block.decode("utf-8")
                    pending = b""
                except UnicodeDecodeError as error:
                    if error.reason != "unexpected end of data" or error.end != len(block):
                        line += block.count(b"\n", 0, error.start)
                        raise UnreadableFileError(
                            f"line {line} is not UTF-8; save the file as UTF-8"
                        ) from error
                    pending = block[error.start :]
                nul = block.find(b"\0")
                if nul >= 0:
                    # pyarrow overlooks the quotes and commas in the bytes after it.
                    line += block.count(b"\n", 0, nul)
                    raise UnreadableFileError(
                        f"line {line} holds a NUL byte, which is no text; save it as UTF-8"
                    )
                whole = len(block) - len(pending)
                line += block.count(b"\n", 0, whole)
                ends_with_newline = block.endswith(b"\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFileError(
            f"its gzip data is damaged or cut off ({error}); deliver it again"
        ) from error
    if pending:
        raise UnreadableFileError(f"line {line} is not UTF-8; save the file as UTF-8")
    if empty:
        raise UnreadableFileError("it is empty; a file without rows still needs its header line")
    return line - ends_with_newline


def read_header(path: Path) -> tuple[str, ...]:
    """The column names: trimmed, in lower case, without BOM.

    Raises:
        UnreadableFileError: it is no header: a name is missing, stands twice, or holds a line break.

    """
    with open_bytes(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        try:
            names = tuple(name.strip().lower() for name in next(reader, []))
        except csv.Error as error:
            raise UnreadableFileError(f"line 1 does not name the columns ({error})") from error
    if not any(names):
        raise UnreadableFileError("line 1 is blank; it must name the columns")
    if reader.line_num > 1:
        raise UnreadableFileError("line 1 opens a quote that it does not close; a column name is one line")
    if "" in names:
        place = names.index("") + 1
        raise UnreadableFileError(f"line 1 does not name column {place}; name it or leave it out")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(f"line 1 names column {twice[0]!r} twice")
    return names


def read_records(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator[RecordBlock]:
    """The file's records, block by block.

    Args:
        path: the CSV file, gzipped where its name ends in ``.gz``.
        header: every column name of the file, in the file's order.
        columns: those wanted.

    Raises:
        UnreadableFileError: a quote is opened and never closed.

    """
    ragged_rows: list[pa.csv.InvalidRow] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        ragged_rows.append(row)
        return "skip"

    cursor = _Cursor(path)
    try:
        with (
            pa.PythonFile(_WholeNewlines(path), mode="r") as source,
            pa.csv.open_csv(
                source,
                read_options=pa.csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=list(header), skip_rows=1
                ),
                parse_options=pa.csv.ParseOptions(
                    newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=keep
                ),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
                ),
            ) as reader,
        ):
            for batch in reader:
                if batch.num_rows:
                    # Every column is parsed: the newlines in any of them count for the lines that follow.
                    block = cursor.advance(batch, ragged_rows)
                    yield RecordBlock(block.columns.select(list(columns)), block.lines, block.ragged)
    except pa.ArrowInvalid as error:
        if "straddling" in str(error):
            raise UnreadableFileError(
                f"a quote is opened after line {cursor.line} and never closed; double the quotes inside a field"
            ) from error
        if not str(error).startswith(("Empty CSV file", "Could not skip initial")):
            raise UnreadableFileError(str(error).splitlines()[0]) from error
    if ragged_rows:
        yield cursor.rest(batch_of(columns), ragged_rows)


def ends_inside_quotes(path: Path, line: int) -> bool:
    """Whether the file's last record, which begins on that line, opens a quote and never closes it.

    Then the record swallowed all that follows. pyarrow takes that for a field like any other.
    """
    with open_bytes(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="\n") as text:
        try:
            for _ in csv.reader(islice(text, line - 1, None), strict=True):
                pass
        except csv.Error as error:
            return str(error).startswith(("unexpected end of data", "field larger than field limit"))
    return False


def batch_of(columns: Sequence[str]) -> pa.RecordBatch:
    """No rows of these text columns."""
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in columns], names=list(columns))


class _WholeNewlines:
    """A file whose reads do not end between CR and LF: pyarrow drops the LF there, inside quotes too."""

    def __init__(self, path: Path) -> None:
        self._stream = open_bytes(path)
        self._held_back = b""

    def read(self, size: int) -> bytes:
        data = self._held_back + self._stream.read(size - len(self._held_back))
        self._held_back = b"\r" if data.endswith(b"\r") and len(data) > 1 else b""
        return data[: len(data) - len(self._held_back)]

    @property
    def closed(self) -> bool:
        return self._stream.closed

    def close(self) -> None:
        self._stream.close()


class _Cursor:
    """Turns pyarrow's row numbers into line numbers.

    pyarrow numbers rows (blank lines and ragged rows count, newlines inside fields do not) and may parse
    ahead of the batch it hands out, so ragged rows wait here until their turn.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_row = 2
        self.line = 2
        self._blank_lines: npt.NDArray[np.int64] | None = None

    def advance(self, batch: pa.RecordBatch, ragged_rows: list[pa.csv.InvalidRow]) -> RecordBlock:
        ragged_numbers = np.array([row.number for row in ragged_rows], dtype=np.int64)
        candidates = np.arange(self._next_row, self._next_row + batch.num_rows + len(ragged_rows))
        numbers = np.setdiff1d(candidates, ragged_numbers, assume_unique=True)[: batch.num_rows]
        due = [row for row in ragged_rows if row.number < numbers[-1]]
        del ragged_rows[: len(due)]
        return self._block(batch, numbers, due)

    def rest(self, empty: pa.RecordBatch, ragged_rows: list[pa.csv.InvalidRow]) -> RecordBlock:
        return self._block(empty, np.array([], dtype=np.int64), ragged_rows)

    def _block(
        self, batch: pa.RecordBatch, numbers: npt.NDArray[np.int64], due: Sequence[pa.csv.InvalidRow]
    ) -> RecordBlock:
        first = self._next_row
        total = batch.num_rows + len(due)
        heights = np.ones(total, dtype=np.int64)
        heights[numbers - first] += _newlines_inside(batch)
        for row in due:
            heights[row.number - first] += row.text.count("\n")
        starts = self.line + np.concatenate(([0], np.cumsum(heights)[:-1])) if total else heights
        ragged = [RaggedRecord(int(starts[row.number - first]), row.actual_columns, row.text) for row in due]
        lines = starts[numbers - first]
        self._next_row += total
        self.line += int(heights.sum())
        return self._without_blank_lines(RecordBlock(batch, lines, ragged))

    def _without_blank_lines(self, block: RecordBlock) -> RecordBlock:
        """Pyarrow shows a blank line like a line of nothing but commas; only the file can tell."""
        empty = _all_fields_empty(block.columns)
        if not empty.any():
            return block
        if self._blank_lines is None:
            with open_bytes(self._path) as stream:
                self._blank_lines = np.array(
                    [number for number, line in enumerate(stream, 1) if not line.strip(b"\r\n")],
                    dtype=np.int64,
                )
        keep = ~(empty & np.isin(block.lines, self._blank_lines))
        return RecordBlock(block.columns.filter(pa.array(keep)), block.lines[keep], block.ragged)


def _newlines_inside(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    inside = np.zeros(batch.num_rows, dtype=np.int64)
    for column in batch.columns:
        data = column.buffers()[2]
        if data is not None and (np.frombuffer(data, dtype=np.uint8) == ord("\n")).any():
            inside += pc.count_substring(column, "\n").to_numpy(zero_copy_only=False)
    return inside


def _all_fields_empty(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    empty = np.ones(batch.num_rows, dtype=np.bool_)
    for column in batch.columns:
        empty &= pc.equal(column, "").to_numpy(zero_copy_only=False)
        if not empty.any():
            break
    return empty
