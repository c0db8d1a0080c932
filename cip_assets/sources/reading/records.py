"""Reads a member into records of text."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import pyarrow as pa

from cip_assets.sources.reading import json_rows, parquet_rows, text
from cip_assets.sources.reading.dialect import Dialect
from cip_assets.sources.reading.members import Member
from cip_assets.sources.reading.rows import LINE_ENDS, Row, line_count, rows

MARK_AND_QUOTE = '\ufeff"'
BLOCK_ROWS = 16_384
BLOCK_CHARACTERS = 16 * 1024 * 1024


def schema(dialect: Dialect) -> pa.Schema:
    """The columns of the records of a member."""
    return pa.schema(
        [
            ("line", pa.int64()),
            *((name, pa.string()) for name in dialect.columns),
            ("extra", pa.string()),
            ("field_count", pa.int64()),
            ("record_text", pa.string()),
            ("problem", pa.string()),
        ]
    )


def read(member: Member, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """The records of a member after its header, in order, in blocks.

    One row per record. Its key is ``line``: the first line of the record (in a sheet its row; in Parquet the number of
    the record). Then comes a text column for each name of the header, as in ``dialect.columns``: null if the record
    has no such field.

    - ``extra``: the fields after the last name, joined by the delimiter; null if there are none.
    - ``field_count``: the number of fields.
    - ``record_text``: the record as it is written, without its line end. Of a sheet it is the row as CSV, of Parquet as
      a JSON object.
    - ``problem``: null, or ``too_few_fields``; ``too_many_fields`` (and those that the header does not name are not all
      empty); ``broken_quote`` (the record ends with its line, and its fields are those between the delimiters);
      ``repeated_header``; ``not_json`` (it is no JSON object, or is cut off).

    Raises:
        UnreadableExport: the bytes are damaged, or a record is too long.

    """
    found = _rows(member, dialect)
    while block := list(_block(found)):
        yield _batch(block, dialect)


def _rows(member: Member, dialect: Dialect) -> Iterator[Row]:
    if dialect.form == "parquet":
        for number, fields in enumerate(parquet_rows.rows(member), 1):
            named = dict(zip(dialect.columns, fields, strict=True))
            yield Row(number, json.dumps(named, ensure_ascii=False), fields)
        return
    with text.decode(member, dialect.encoding) as stream:
        if dialect.form == "delimited":
            yield from _delimited(text.lines(stream, member.name), dialect, is_sheet=member.kind == "sheet")
            return
        if dialect.form == "numbers":
            yield from _numbers(text.lines(stream, member.name), dialect)
            return
        for line, record, found in json_rows.records(stream, member.name, dialect.form):
            if found is None:
                yield Row(line, record, (), "not_json")
            else:
                yield Row(line, record, [found.get(name) for name in dialect.columns], None, len(found))


def _delimited(lines: Iterator[str], dialect: Dialect, *, is_sheet: bool) -> Iterator[Row]:
    width = len(dialect.columns)
    delimiter, quote = dialect.delimiter, dialect.quote
    (header,) = rows([dialect.header_text], 1, delimiter, quote)
    if is_sheet:
        found = rows(lines, 1, delimiter, quote, by_row=True)
        found = (row for row in found if row.line > dialect.header_line)
    else:
        above = dialect.header_line - 1 + line_count(dialect.header_text)
        found = rows(islice(lines, above, None), above + 1, delimiter, quote, width)
    for row in found:
        problem = row.problem or _problem(row.fields, header.fields)
        yield row._replace(problem=problem) if problem else row


def _numbers(lines: Iterable[str], dialect: Dialect) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if fields := line.split():
            yield Row(number, line.rstrip(LINE_ENDS), fields, _problem(fields, dialect.columns))


def _problem(fields: Sequence[str | None], header: Sequence[str | None]) -> str | None:
    if len(fields) < len(header):
        return "too_few_fields"
    if len(fields) == len(header):
        return "repeated_header" if _is_same(fields, header) else None
    return "too_many_fields" if any(fields[len(header) :]) else None


def _is_same(fields: Sequence[str | None], header: Sequence[str | None]) -> bool:
    """Whether fields are those of the header, perhaps after the byte order mark of another file."""
    return fields[1:] == header[1:] and (fields[0] or "").strip(MARK_AND_QUOTE) == (header[0] or "").strip(
        MARK_AND_QUOTE
    )


def _block(found: Iterable[Row]) -> Iterator[Row]:
    size = 0
    for count, row in enumerate(found, 1):
        yield row
        size += len(row.text)
        if count == BLOCK_ROWS or size > BLOCK_CHARACTERS:
            return


def _batch(block: Sequence[Row], dialect: Dialect) -> pa.RecordBatch:
    width = len(dialect.columns)
    named = [
        row.fields if len(row.fields) == width else [*row.fields[:width], *[None] * (width - len(row.fields))]
        for row in block
    ]
    extra = [
        dialect.delimiter.join(field or "" for field in row.fields[width:])
        if len(row.fields) > width
        else None
        for row in block
    ]
    counts = [len(row.fields) if row.field_count is None else row.field_count for row in block]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([row.line for row in block], pa.int64()),
            *(pa.array(column, pa.string()) for column in zip(*named, strict=True)),
            pa.array(extra, pa.string()),
            pa.array(counts, pa.int64()),
            pa.array([row.text for row in block], pa.string()),
            pa.array([row.problem for row in block], pa.string()),
        ],
        schema=schema(dialect),
    )
