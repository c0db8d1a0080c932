"""Parse one CSV file into records that know their line, losing nothing.

pyarrow splits records into fields (RFC 4180), in blocks of whole records, so memory stays bounded. A line with too
few or too many fields is kept as text. ``csv_lines`` says which line each record begins on, and so how many there
are: pyarrow must find as many.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
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
    """The column names of a file, trimmed and in lower case, and the line they are on."""

    names: tuple[str, ...]
    line: int


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


def hash_file(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of the file as it lies on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def read_header(path: Path) -> Header:
    """The column names of a file.

    Raises:
        UnreadableFileError: the file is empty, UTF-16 or no gzip, names another separator than the comma, or has no
            header: a name is missing, stands twice, or holds a line break.

    """
    with closing(RecordReader(path)) as reader:
        text, line = reader.header, reader.header_line
    csv_lines.check_text(text, line)
    try:
        (fields,) = csv.reader([text.decode("utf-8")], strict=True) if text else ([],)
    except csv.Error as error:
        if str(error) == "unexpected end of data":
            raise UnreadableFileError(
                f"line {line} opens a quote that it does not close; a column name is one line"
            ) from error
        raise UnreadableFileError(f"line {line} does not name the columns ({error})") from error
    names = tuple(name.strip().lower() for name in fields)
    if not any(names):
        raise UnreadableFileError(f"line {line} is blank; it must name the columns")
    if "" in names:
        place = names.index("") + 1
        raise UnreadableFileError(f"line {line} does not name column {place}; name it or leave it out")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UnreadableFileError(f"line {line} names column {twice[0]!r} twice")
    return Header(names, line)


def read_records(path: Path, header: Sequence[str], columns: Sequence[str]) -> Iterator[RecordBlock]:
    """The file's records, block by block.

    Args:
        path: the CSV file, gzipped where its name ends in ``.gz``.
        header: every column name of the file, in the file's order.
        columns: those wanted, at least one.

    Raises:
        UnreadableFileError: something in the file is no UTF-8, no text, no gzip or no RFC 4180, or pyarrow does not
            find as many records in it as there are.

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
    """Split some whole records into their fields.

    Each block is parsed by itself, from memory. If pyarrow reads the file, it does so in a thread of its own that
    needs Python's lock, and hangs now and then when a read fails.

    Args:
        block: whole records.
        lines: the line of each.
        header: every column name of the file, in the file's order.
        columns: those wanted, at least one.

    Raises:
        UnreadableFileError: pyarrow finds more records or fewer.

    """
    invalid: list[pa.csv.InvalidRow] = []

    def keep(row: pa.csv.InvalidRow) -> str:
        invalid.append(row)
        return "skip"

    # pyarrow takes a byte order mark away, and there may be one at the beginning of any line.
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
            f"lines {lines[0]} to {lines[-1]} hold {len(lines)} records, and {table.num_rows + len(invalid)} were "
            "read; write the file again, with its fields in quotes"
        )
    ragged = [RaggedRecord(int(lines[row.number - 1]), row.actual_columns, row.text) for row in invalid]
    is_whole = np.ones(len(lines), np.bool_)
    is_whole[[row.number - 1 for row in invalid]] = False
    (batch,) = table.combine_chunks().to_batches() or [batch_of(columns)]
    return RecordBlock(batch, lines[is_whole], ragged)


def batch_of(columns: Sequence[str]) -> pa.RecordBatch:
    """No rows of these text columns."""
    return pa.RecordBatch.from_arrays([pa.array([], pa.string()) for _ in columns], names=list(columns))
