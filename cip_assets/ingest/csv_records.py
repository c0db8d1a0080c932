"""Parse one CSV file into records with their line numbers, without losing anything.

pyarrow splits records into fields (RFC 4180), in blocks of complete records, so memory use is limited. A line with too
few or too many fields is kept as text. ``csv_lines`` finds the line on which each record begins, and so the number of
records. pyarrow must find the same number.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from cip_assets.ingest import csv_lines
from cip_assets.ingest.csv_lines import UTF8_BOM, RecordReader, UnreadableFileError


@dataclass(frozen=True)
class Header:
    """The column names of a file, trimmed and in lower case, and the number of their line."""

    names: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class RaggedRecord:
    """A line with more or fewer fields than the header."""

    line: int
    field_count: int
    text: str


@dataclass(frozen=True)
class RecordBlock:
    """Some records of a file, in order: one text column per header name, and the line of each record."""

    columns: pa.RecordBatch
    lines: npt.NDArray[np.int64]
    ragged: Sequence[RaggedRecord]


def read_header(path: Path, wanted: Collection[str] = ()) -> Header:
    """The column names of a file.

    A line that names none of the wanted columns is most likely a line of data. Whoever asks refuses it, so its names
    are not judged, and no message shows them.

    Raises:
        UnreadableFileError: the file is empty, UTF-16 or not gzip data, names a separator other than the comma, or has
            a wrong header: a name is missing, occurs twice, or contains a line break.

    """
    with closing(RecordReader(path)) as reader:
        text, line = reader.header, reader.header_line
    csv_lines.check_text(text, line)
    try:
        (fields,) = csv.reader([text.decode("utf-8")], strict=True) if text else ([],)
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            raise UnreadableFileError(
                f"line {line} opens a quote but does not close it; a column name must be on one line"
            ) from error
        raise UnreadableFileError(f"line {line} does not name the columns ({error})") from error
    names = tuple(name.strip().lower() for name in fields)
    if not any(names):
        raise UnreadableFileError(f"line {line} is blank; it must name the columns")
    if wanted and not set(wanted) & set(names):
        return Header(names, line)
    if "" in names:
        place = names.index("") + 1
        raise UnreadableFileError(f"line {line} does not name column {place}; name it or remove it")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(
            f"line {line} names column {twice[0]!r} twice; rename or remove one of them"
        )
    return Header(names, line)


def read_records(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator[RecordBlock]:
    """The file's records, block by block.

    Args:
        path: the CSV file, which is gzipped if its name ends in ``.gz``.
        header: every column name of the file, in the file's order.
        columns: the columns to read, at least one.

    Raises:
        UnreadableFileError: a part of the file is not UTF-8, text, gzip data or RFC 4180, or pyarrow finds more or
            fewer records than there are.

    """
    with closing(RecordReader(path)) as reader:
        while True:
            block, lines = reader.next_block()
            if not block:
                return
            if len(lines):
                yield parse(block, lines, header, columns)


def parse(
    block: memoryview, lines: npt.NDArray[np.int64], header: Sequence[str], columns: Sequence[str]
) -> RecordBlock:
    """Split some complete records into their fields.

    Each block is parsed separately, from memory. When pyarrow reads a file itself, it uses a thread that needs Python's
    lock, and that sometimes hangs if a read fails.

    Args:
        block: complete records.
        lines: the line of each record.
        header: every column name of the file, in the file's order.
        columns: the columns to read, at least one.

    Raises:
        UnreadableFileError: pyarrow finds more or fewer records than there are.

    """
    invalid: list[pa.csv.InvalidRow] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        invalid.append(row)
        return "skip"

    # pyarrow removes a byte order mark, but at the beginning of a later line it is text. So a block gets one more.
    buffer = pa.py_buffer(UTF8_BOM + bytes(block) if block[:3] == UTF8_BOM else block)
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(buffer),
            read_options=pa.csv.ReadOptions(
                use_threads=False, block_size=buffer.size + 1, column_names=list(header)
            ),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(columns),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise UnreadableFileError(f"after line {lines[0] - 1}: {str(error).splitlines()[0]}") from error
    if table.num_rows + len(invalid) != len(lines):
        raise UnreadableFileError(
            f"lines {lines[0]} to {lines[-1]} hold {len(lines)} records, but {table.num_rows + len(invalid)} were "
            "read; write the file again with its fields in quotes"
        )
    ragged = [RaggedRecord(int(lines[row.number - 1]), row.actual_columns, row.text) for row in invalid]
    is_whole = np.ones(len(lines), np.bool_)
    is_whole[[row.number - 1 for row in invalid]] = False
    (batch,) = table.combine_chunks().to_batches() or [batch_of(columns)]
    return RecordBlock(batch, lines[is_whole], ragged)


def batch_of(columns: Sequence[str]) -> pa.RecordBatch:
    """A batch of these text columns without rows."""
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in columns], names=list(columns))
