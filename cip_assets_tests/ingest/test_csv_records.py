"""Parsing one CSV file: every record comes once, unchanged, with the line on which it begins."""

import csv
import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cip_assets.ingest import csv_lines, csv_records
from cip_assets.ingest.csv_lines import UnreadableFileError
from cip_assets.ingest.csv_records import Header, RaggedRecord
from cip_assets.storage.files import hash_file

Record = tuple[int, tuple[str, ...]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


def parsed(path: Path, columns: Sequence[str] | None = None) -> tuple[list[Record], list[RaggedRecord]]:
    """The records of a file with their lines, and the ragged lines."""
    header = csv_records.read_header(path).names
    records: list[Record] = []
    ragged: list[RaggedRecord] = []
    for block in csv_records.read_records(path, header, columns or header):
        fields = zip(*(column.to_pylist() for column in block.columns.columns), strict=True)
        records += zip(block.lines.tolist(), fields, strict=True)
        ragged += block.ragged
    return records, ragged


# --- lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "records"),
    [
        pytest.param("a,b\n1,2\n3,4\n", [(2, ("1", "2")), (3, ("3", "4"))], id="plain"),
        pytest.param("a,b\n1,2\n3,4", [(2, ("1", "2")), (3, ("3", "4"))], id="no newline at the end"),
        pytest.param("a,b\r\n1,2\r\n3,4\r\n", [(2, ("1", "2")), (3, ("3", "4"))], id="CRLF"),
        pytest.param(
            'a,b\n1,"x\ny\n\nz"\n3,4\n', [(2, ("1", "x\ny\n\nz")), (6, ("3", "4"))], id="newlines in quotes"
        ),
        pytest.param(
            'a,b\r\n1,"x\r\ny"\r\n3,4\r\n', [(2, ("1", "x\r\ny")), (4, ("3", "4"))], id="CRLF in quotes"
        ),
        pytest.param("a,b\n\n1,2\n\n\n3,4\n\n", [(3, ("1", "2")), (6, ("3", "4"))], id="blank lines"),
        pytest.param("a,b\r\n\r\n1,2\r\n\r\n", [(3, ("1", "2"))], id="blank CRLF lines"),
        pytest.param("a,b\r\n1,2\r\n\n\n", [(2, ("1", "2"))], id="CRLF, then blank LF lines"),
        pytest.param(
            "a,b\n\r\n1,2\r\r\n\n\r3,4\r\r", [(3, ("1", "2")), (7, ("3", "4"))], id="any mix of ends"
        ),
        pytest.param("a,b\r1,2\r\r3,4\r", [(2, ("1", "2")), (4, ("3", "4"))], id="CR"),
        pytest.param("a,b\r1,2\r3,4", [(2, ("1", "2")), (3, ("3", "4"))], id="CR, none at the end"),
        pytest.param(
            'a,b\n1,"x\ry\r\n"\n3,4\n', [(2, ("1", "x\ry\r\n")), (5, ("3", "4"))], id="CR in quotes"
        ),
        pytest.param(
            "a,b\n1\u2028,2\x85\n3\x0b,\x0c4\n",
            [(2, ("1\u2028", "2\x85")), (3, ("3\x0b", "\x0c4"))],
            id="other line separators are text",
        ),
        pytest.param(
            "a,b\n,\n\n1,2\n", [(2, ("", "")), (4, ("1", "2"))], id="a line of empty fields is not blank"
        ),
        pytest.param('a\n1\n\n""\n2\n', [(2, ("1",)), (4, ("",)), (5, ("2",))], id="one column"),
        pytest.param("\ufeffa,b\n1,2\n", [(2, ("1", "2"))], id="BOM"),
        pytest.param("\ufeff\ufeff\ufeffa,b\n1,2\n", [(2, ("1", "2"))], id="several BOMs"),
        pytest.param("a,b\n\ufeff1,2\n", [(2, ("\ufeff1", "2"))], id="a later BOM is text"),
        pytest.param("sep=,\na,b\n1,2\n", [(3, ("1", "2"))], id="Excel's first line"),
        pytest.param(
            '\ufeffSEP=,\r\n\ufeff"a",b\r\n\r\n1,2\r\n', [(4, ("1", "2"))], id="the same, with BOMs"
        ),
        pytest.param('"sep=,",\na,b\n1,2\n', [(3, ("1", "2"))], id="the same, as Excel may write it"),
        pytest.param("sep=,\ra,b\r1,2\r", [(3, ("1", "2"))], id="the same, with CR"),
        pytest.param("a,b\nsep=,\n", [(2, ("sep=", ""))], id="a later sep= is text"),
        pytest.param('\ufeff"a","b"\n"1","2"\n', [(2, ("1", "2"))], id="BOM before a quoted header"),
        pytest.param(
            'a,b\n"say ""hi""","1,2"\n', [(2, ('say "hi"', "1,2"))], id="quotes and commas in quotes"
        ),
        pytest.param('a,b\n17" screen,2\n', [(2, ('17" screen', "2"))], id="a quote inside a field is text"),
        pytest.param(
            'a,b\n17",2\n"x\ny",19"\n', [(2, ('17"', "2")), (3, ("x\ny", '19"'))], id="and at its end"
        ),
        pytest.param('a,b\n"1" ,"2"\t\n', [(2, ("1 ", "2\t"))], id="blanks after a closing quote"),
        pytest.param(
            'a,b\n"C:\\dir\\",2\n"C:\\","x\n"\n',
            [(2, ("C:\\dir\\", "2")), (3, ("C:\\", "x\n"))],
            id="a backslash before a closing quote",
        ),
        pytest.param(
            'a,b\n"27\\"", 2",\n',
            [(2, ('27\\", 2', ""))],
            id="a backslash before a doubled quote, on one line",
        ),
        pytest.param(
            'a,b\n27\\"",2\n"x\ny",4\n',
            [(2, ('27\\""', "2")), (3, ("x\ny", "4"))],
            id="the same outside of quotes",
        ),
        pytest.param(
            'a,b\n"{""x"": ""C:\\\\"",\n""y"": ""\\""z\\"" ""}",2\n',
            [(2, ('{"x": "C:\\\\",\n"y": "\\"z\\" "}', "2"))],
            id="JSON over several lines",
        ),
        pytest.param("a,b\n NA ,null\n", [(2, (" NA ", "null"))], id="text stays as it came"),
        pytest.param("a,b\n", [], id="header only"),
        pytest.param("a,b", [], id="header only, no newline"),
        pytest.param("a,b\r\n\r\n\r\n", [], id="header and blank lines only"),
    ],
)
def test_each_record_has_its_fields_and_its_line(path: Path, content: str, records: list[Record]) -> None:
    path.write_bytes(content.encode())
    assert parsed(path) == (records, [])


@pytest.mark.parametrize(
    ("content", "records", "ragged"),
    [
        pytest.param("a,b\n1\n3,4\n", [(3, ("3", "4"))], [(2, 1, "1")], id="before"),
        pytest.param("a,b\n1,2\n3,4,5\n", [(2, ("1", "2"))], [(3, 3, "3,4,5")], id="after"),
        pytest.param("a,b\n1,2\n3\n5,6\n", [(2, ("1", "2")), (4, ("5", "6"))], [(3, 1, "3")], id="between"),
        pytest.param("a,b\n1\n2\n3,4,5", [], [(2, 1, "1"), (3, 1, "2"), (4, 3, "3,4,5")], id="nothing else"),
        pytest.param(
            "a,b\r\n1\r\n3,4\r\n", [(3, ("3", "4"))], [(2, 1, "1")], id="CRLF is not part of the text"
        ),
        pytest.param("a,b\n1\n\n\n3,4\n", [(5, ("3", "4"))], [(2, 1, "1")], id="with blank lines"),
        pytest.param("a,b\n  \n3,4\n", [(3, ("3", "4"))], [(2, 1, "  ")], id="blanks are one field"),
        pytest.param("a,b\n3,4\n\x1a", [(2, ("3", "4"))], [(3, 1, "\x1a")], id="an end mark of DOS"),
        pytest.param("a,b\r1\r3,4\r", [(3, ("3", "4"))], [(2, 1, "1")], id="CR"),
        pytest.param(
            'a,b\n"x\ny"\n3,"p\nq"\n5\n7,8\n',
            [(4, ("3", "p\nq")), (7, ("7", "8"))],
            [(2, 1, '"x\ny"'), (6, 1, "5")],
            id="newlines in quotes",
        ),
    ],
)
def test_a_line_with_too_few_or_too_many_fields_is_kept_as_text(
    path: Path, content: str, records: list[Record], ragged: list[tuple[int, int, str]]
) -> None:
    path.write_bytes(content.encode())
    assert parsed(path) == (records, [RaggedRecord(*expected) for expected in ragged])


def test_columns_that_are_not_read_still_count_for_line_numbers(path: Path) -> None:
    """Line 3 is blank but inside quotes, so the next record begins on line 5 and is not a blank line."""
    path.write_text('a,b\n1,"x\n\ny"\n,2\n,3\n')
    records, _ = parsed(path, ["a"])
    assert records == [(2, ("1",)), (5, ("",)), (6, ("",))]


def test_columns_are_in_the_requested_order(path: Path) -> None:
    path.write_text("a,b,c\n1,2,3\n")
    assert parsed(path, ["c", "a"])[0] == [(2, ("3", "1"))]


@pytest.mark.parametrize("block_bytes", range(12, 30))
def test_a_block_can_end_anywhere_in_a_record(
    path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    """It can also end between CR and LF, or between the two quotes of a doubled quote."""
    path.write_bytes(b'a,b\r\n"x\r\n""y",2\r\n3,4\r\n"\r\n",6\r\n')
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
    assert parsed(path) == ([(2, ('x\r\n"y', "2")), (4, ("3", "4")), (5, ("\r\n", "6"))], [])


def test_ragged_lines_are_not_lost_in_a_block_without_records(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pyarrow reports the ragged lines of a block without records before it returns the next block."""
    path.write_text("a,b\n" + "1\n" * 100 + "3,4\n")
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 16)
    records, ragged = parsed(path)
    assert records == [(102, ("3", "4"))]
    assert [record.line for record in ragged] == list(range(2, 102))


# --- any table --------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", "\n\n", " ", ";", "ü", "\ufeff", "\u2028", "\U0001f642", "null"]
)
FIELD = st.lists(
    PIECES | st.characters(exclude_categories=["Cs"], exclude_characters="\r\\\0"), max_size=6
).map("".join)
TABLE = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[FIELD] * width), min_size=1, max_size=12)
)


def written_by_python(
    table: Sequence[Sequence[str]], quoting: int, newline: str
) -> tuple[str, list[Record], int]:
    """A table as Python's csv module writes it, the line of each record, and the bytes of the longest record."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=newline)
    writer.writerow([f"c{i}" for i in range(len(table[0]))])
    records, longest = [], text.tell()
    for fields in table:
        before = text.getvalue()
        records.append((before.count("\n") + 1, tuple(fields)))
        writer.writerow(fields)
        longest = max(longest, len(text.getvalue()[len(before) :].encode()))
    return text.getvalue(), records, longest


@given(
    table=TABLE,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    spare=st.integers(0, 40),
)
@example(table=[("x\n\ny", ""), ("", ""), ("", "1")], quoting=csv.QUOTE_MINIMAL, newline="\n", spare=0)
@settings(deadline=None, max_examples=200)
def test_what_python_writes_is_read_back_exactly_in_large_and_small_blocks(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[tuple[str, ...]],
    quoting: int,
    newline: str,
    spare: int,
) -> None:
    text, records, longest = written_by_python(table, quoting, newline)
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode())
    assert parsed(path) == (records, [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_lines, "BLOCK_BYTES", longest + spare)
        assert parsed(path) == (records, [])


TOKEN = st.text("ab ü'", max_size=3)
QUOTED_TOKEN = st.text("ab, \n", max_size=4).map(lambda text: f'"{text}"')
LINES = st.lists(st.lists(TOKEN | QUOTED_TOKEN, max_size=5), max_size=15)


@given(
    width=st.integers(1, 4), lines=LINES, newline=st.sampled_from(["\n", "\r\n"]), spare=st.integers(0, 40)
)
@example(width=2, lines=[["a"], ["", ""], [], ['"\n\n"'], ["a", "b"], []], newline="\n", spare=0)
@settings(deadline=None, max_examples=200)
def test_every_line_that_is_not_blank_is_once_a_record_or_a_ragged_line(
    tmp_path_factory: pytest.TempPathFactory, width: int, lines: list[list[str]], newline: str, spare: int
) -> None:
    header = [f"c{i}" for i in range(width)]
    texts = [",".join(fields) for fields in [header, *lines]]
    path = tmp_path_factory.getbasetemp() / "lines.csv"
    path.write_bytes("".join(text + newline for text in texts).encode())

    records, ragged, line = [], [], 2
    for fields, text in zip(lines, texts[1:], strict=True):
        if text and len(fields) == width:
            records.append((line, tuple(field.strip('"') for field in fields)))
        elif text:
            ragged.append(RaggedRecord(line, len(fields), text))
        line += 1 + text.count("\n")

    assert parsed(path) == (records, ragged)
    with pytest.MonkeyPatch.context() as patch:
        longest = max(len((text + newline).encode()) for text in texts)
        patch.setattr(csv_lines, "BLOCK_BYTES", longest + spare)
        assert parsed(path) == (records, ragged)


# --- the header -------------------------------------------------------------------------------------------


def test_column_names_are_trimmed_and_in_lower_case(path: Path) -> None:
    path.write_bytes('\ufeff"Customer_ID", EMAIL ,region\r\n'.encode())
    assert csv_records.read_header(path) == Header(("customer_id", "email", "region"), 1)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("\n", "line 1 is blank"),
        (" , \n", "line 1 is blank"),
        ("a,,b\n", "line 1 does not name column 2"),
        ("a,b,\n", "line 1 does not name column 3"),
        ("a,b,A \n", "line 1 names column 'a' twice; rename or remove one of them"),
        ('a,"b\nc"\n', "line 1 opens a quote but does not close it"),
        ('a,"b\n1,2\n3,4\n', "line 1 opens a quote but does not close it"),
        ("a" * 200_000, "line 1 does not name the columns"),
        ('a,"b"c\n', "line 1 does not name the columns"),
        ("\ufeff", "line 1 is blank"),
        ("sep=,", "line 2 is blank"),
        ("sep=,\r", "line 2 is blank"),
        ("sep=,\na,,b\n", "line 2 does not name column 2"),
        ("sep=;\na;b\n", "its fields are separated by ';'; separate them with commas"),
        ("sep=\t\na\tb\n", "its fields are separated by '\\t'; separate them with commas"),
    ],
)
def test_an_invalid_header_is_refused(path: Path, header: str, problem: str) -> None:
    path.write_text(header, newline="")
    with pytest.raises(UnreadableFileError, match=f"^{re.escape(problem)}"):
        csv_records.read_header(path)


def test_a_file_without_lines_is_refused_before_it_fills_the_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(csv_lines, "HEADER_LIMIT_BYTES", 10_000)
    path.write_text("a" * 20_000)
    with pytest.raises(UnreadableFileError, match="^line 1 is too long for a header; it must name"):
        csv_records.read_header(path)


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_refused_by_its_byte_order_mark(path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    path.write_bytes((mark + "a,b\n1,2\n").encode(encoding))
    with pytest.raises(UnreadableFileError, match="it is UTF-16; save it as UTF-8"):
        parsed(path)


@pytest.mark.parametrize("block_bytes", [3, 4, 5, 8 * 1024 * 1024])
@pytest.mark.parametrize(
    ("content", "line"),
    [(b"a,b\n1,\0\n", 2), ("a,ü\n".encode() + b"\n1\0,2", 3), ("a,b\n".encode("utf-16-le"), 1)],
)
def test_a_nul_byte_is_refused_with_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: int, block_bytes: int
) -> None:
    """pyarrow would miss quotes and commas near a NUL byte. UTF-16 without a byte order mark has many NUL bytes."""
    path.write_bytes(content)
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
    with pytest.raises(UnreadableFileError, match=f"^line {line} contains a NUL byte"):
        parsed(path)


def test_an_empty_file_is_refused(path: Path) -> None:
    path.touch()
    with pytest.raises(UnreadableFileError, match="it is empty"):
        parsed(path)


MULTIBYTE = "a,b\nü,€\n\U0001f642,2\n".encode()


@pytest.mark.parametrize("block_bytes", range(3, len(MULTIBYTE) + 2))
def test_a_block_can_end_inside_a_character(
    path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    path.write_bytes(MULTIBYTE)
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
    assert parsed(path) == ([(2, ("ü", "€")), (3, ("\U0001f642", "2"))], [])


@pytest.mark.parametrize("block_bytes", [*range(3, 24), 8 * 1024 * 1024])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param("a,b\nü,€\n".encode() + b"\xff,2\n3,4\n", 3, id="an invalid byte"),
        pytest.param("a,b\nü,€\nM".encode("cp1252") + b"\n", 2, id="Windows-1252"),
        pytest.param("a,b\nü,€\n".encode() + b"1,\xfc\0\n", 3, id="Latin-1 and NUL"),
        pytest.param(MULTIBYTE + "€".encode()[:2] + b",2\n", 4, id="a character cut off by a comma"),
        pytest.param(MULTIBYTE + "€".encode()[:2], 4, id="a character cut off at the end"),
    ],
)
def test_text_that_is_not_utf_8_is_refused_with_its_line_wherever_blocks_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: int, block_bytes: int
) -> None:
    path.write_bytes(content)
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
    with pytest.raises(UnreadableFileError, match=f"^line {line} is not UTF-8"):
        parsed(path)


# --- gzip -------------------------------------------------------------------------------------------------

PLAIN = b'a,b\n1,"x\ny"\n\n3\n5,6\n'


@pytest.mark.parametrize("suffix", [".csv.gz", ".CSV.GZ"])
@pytest.mark.parametrize(
    "compressed",
    [
        pytest.param(gzip.compress(PLAIN), id="one member"),
        pytest.param(gzip.compress(PLAIN[:12]) + gzip.compress(PLAIN[12:]), id="two members"),
        pytest.param(gzip.compress(PLAIN) + bytes(512), id="zero padding"),
    ],
)
def test_a_gzipped_file_is_read_like_the_plain_file(
    path: Path, tmp_path: Path, compressed: bytes, suffix: str
) -> None:
    path.write_bytes(PLAIN)
    zipped = tmp_path / f"file{suffix}"
    zipped.write_bytes(compressed)
    assert (
        parsed(zipped)
        == parsed(path)
        == (
            [(2, ("1", "x\ny")), (6, ("5", "6"))],
            [RaggedRecord(5, 1, "3")],
        )
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-9], id="cut off"),
        pytest.param(gzip.compress(PLAIN)[:12] + b"\xff\xff\xff", id="damaged"),
        pytest.param(PLAIN, id="not compressed"),
        pytest.param(gzip.compress(PLAIN) + b"more", id="other bytes after it"),
    ],
)
def test_a_damaged_gzip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="its gzip data is damaged or cut off"):
        parsed(path)


# --- quotes -----------------------------------------------------------------------------------------------

NOT_CLOSED = "a quote is opened and never closed; double the quotes inside a field"
BACKSLASH = 'a quote in a quoted field is escaped with a backslash; write "" instead'


@pytest.mark.parametrize("block_bytes", [1, 7, 16, 8 * 1024 * 1024])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(
            '1,2\n3,"x\n5,6\n', f"line 3: {NOT_CLOSED}", id="the rest of the file inside the quotes"
        ),
        pytest.param('17",2\n3,"x\n5,6\n', f"line 3: {NOT_CLOSED}", id="an even number of quotes"),
        pytest.param('3,"x""', f"line 2: {NOT_CLOSED}", id="ends with a doubled quote"),
        pytest.param('3,"x""\n"y\n', "line 2: a quote is opened", id="two open quotes"),
        pytest.param(
            '1,2\n"27" wide",4\n',
            'line 3: a quote in a quoted field is not doubled; write "" instead',
            id="a quote inside",
        ),
        pytest.param(
            '1,"2\n3,4\n"5","6"\n',
            "line 2: a quote is opened, and the quote that seems to close it in line 4 does not end a field",
            id="open until the next quote",
        ),
        pytest.param(
            '1,"2\n3," 4"\n',
            "line 2: a quote is opened, and the quote that seems to close it in line 3 does not end a field",
            id="open until the next quote, with blanks after it",
        ),
        pytest.param('1,"27\\""\n2,"Desk"\n', f"line 2: {BACKSLASH}", id="a backslash, then another text"),
        pytest.param('1,"a \\"b\\" c"\n', f"line 2: {BACKSLASH}", id="backslashes inside"),
        pytest.param(
            '1,"\\""\n2,3\n', "line 2: a quote is opened and never closed", id="to the end of the file"
        ),
        pytest.param('1,"27\\""\n2,17"\n', f"line 2: {BACKSLASH}", id="until an inch sign"),
        pytest.param(
            '1,2\n"27\\"",1\n2,17"\n3,4\n', f"line 3: {BACKSLASH}", id="the same in the first column"
        ),
        pytest.param('1,"27\\\\\\""\r\n2,17"\r\n', f"line 2: {BACKSLASH}", id="three backslashes, CRLF"),
        pytest.param('"27\\"",""\n2,17"\n', f"line 2: {BACKSLASH}", id="an empty field after it"),
        pytest.param('"27\\"",","\n2,",3\n', f"line 2: {BACKSLASH}", id="closed by the next field"),
        pytest.param('"\\","\n2,",3\n', f"line 2: {BACKSLASH}", id="a comma after it"),
    ],
)
def test_quotes_that_could_hide_lines_are_refused_with_their_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, content: str, problem: str, block_bytes: int
) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
    path.write_bytes(f"a,b\n{content}".encode())
    with pytest.raises(UnreadableFileError, match=f"^{re.escape(problem)}"):
        parsed(path)


def test_lines_that_only_backslashes_reveal_are_not_hidden(path: Path) -> None:
    """In RFC 4180 the line of T2 is inside a field. If backslashes escape quotes, all fields are complete, too."""
    path.write_text('a,b,c,d\nT1,"\\"","\n",""\nT2,"",",\n\\"",""\n')
    with pytest.raises(UnreadableFileError, match=f"^line 2: {BACKSLASH}"):
        parsed(path)


ANY_TEXT = st.lists(
    st.sampled_from(["x", '"', '""', ",", "\n", "\r\n", "\r", '"\n"', '","']), max_size=30
).map("".join)


@given(text=ANY_TEXT, block_bytes=st.integers(1, 40))
@example(text='"\r"\n,27"\r\n"""\n"', block_bytes=1)
@settings(deadline=None, max_examples=400)
def test_any_text_is_read_or_refused_like_in_pythons_strict_reader(
    tmp_path_factory: pytest.TempPathFactory, text: str, block_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "text.csv"
    path.write_bytes(f"a,b\n{text}".encode())
    reader = csv.reader(io.StringIO(f"a,b\n{text}", newline=""), strict=True)
    expected: list[tuple[int, Sequence[str]]] | None = []
    try:
        line = 1
        for fields in reader:
            if fields:
                expected.append((line, fields))
            line = reader.line_num + 1
    except csv.Error:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
        try:
            records, ragged = parsed(path)
        except UnreadableFileError:
            assert expected is None
            return
    assert expected is not None
    assert records == [(line, tuple(fields)) for line, fields in expected[1:] if len(fields) == 2]
    assert [(row.line, row.field_count) for row in ragged] == [
        (line, len(fields)) for line, fields in expected[1:] if len(fields) != 2
    ]


@pytest.mark.parametrize("field", ["x" * 200_000, '"' + "y\n" * 150_000 + '"', '"' + 'z""' * 150_000 + '"'])
def test_a_field_can_be_longer_than_a_block(path: Path, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 1000)
    path.write_text(f"a,b\n1,{field}\n3,4\n")
    text = field[1:-1].replace('""', '"') if field.startswith('"') else field
    records, _ = parsed(path)
    assert records == [(2, ("1", text)), (3 + field.count("\n"), ("3", "4"))]


def test_a_record_that_is_too_long_is_refused_before_it_fills_the_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(csv_lines, "RECORD_LIMIT_BYTES", 1_048_576)
    path.write_text("a,b\n1,2\n" + '3,"' + "x\n" * 2_000_000)
    with pytest.raises(UnreadableFileError, match="^line 3 begins a record of more than 1 MB: a quote in it"):
        parsed(path)


@pytest.mark.parametrize(
    "pattern", [csv_lines.QUOTED_FIELD, csv_lines.BACKSLASH_FIELD], ids=["quoted", "with backslashes"]
)
@given(text=st.text('",\\a\n'))
def test_a_field_ends_where_it_would_with_greedy_quantifiers(pattern: re.Pattern[bytes], text: str) -> None:
    """Python before 3.11.5 matches some possessive quantifiers wrongly."""
    greedy, field = re.compile(pattern.pattern.replace(b"*+", b"*"), pattern.flags), f'"{text}'.encode()
    found, expected = pattern.match(field), greedy.match(field)
    assert found
    assert expected
    assert (found.span(), found["closing"]) == (expected.span(), expected["closing"])


def test_a_wrong_number_of_records_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="^lines 2 to 5 hold 3 records, but 2 were read"):
        csv_records.parse(memoryview(b"1,2\n3\n"), np.array([2, 3, 5]), ["a", "b"], ["a"])


# --- the file on disk -------------------------------------------------------------------------------------


def test_size_and_hash_are_those_of_the_bytes_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(b"abc")
    assert hash_file(path) == (
        3,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
