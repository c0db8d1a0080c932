"""Records of delimited text and of sheets: each comes once, with its line, and a broken one alone."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cip_assets.sources.reading import records, text
from cip_assets.sources.reading.dialect import detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import members
from cip_assets.sources.reading.records import read
from cip_assets_tests.sources.reading.readings import member_of, records_of, values_of
from cip_assets_tests.sources.reading.workbooks import day, moment, number, truth, workbook
from cip_assets_tests.sources.reading.workbooks import text as cell


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


def test_a_table_of_numbers_has_a_record_on_each_line(path: Path) -> None:
    assert values_of(path, " 00004 19970101  2   29.33\n\n00005 19970118 12    0.00") == [
        (1, "00004", "19970101", "2", "29.33", None),
        (3, "00005", "19970118", "12", "0.00", None),
    ]


def test_a_line_of_another_length_far_below_is_a_problem(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cip_assets.sources.reading.dialect.SAMPLE_CHARACTERS", 1)
    assert values_of(path, "1 2 3\n1 2\n1 2 3 4\n") == [
        (1, "1", "2", "3", None),
        (2, "1", "2", None, "too_few_fields"),
        (3, "1", "2", "3", "too_many_fields"),
    ]


@pytest.mark.parametrize(
    ("content", "values"),
    [
        pytest.param("a,b\n1,2\n3,4", [(2, "1", "2", None), (3, "3", "4", None)], id="plain"),
        pytest.param("a,b\r\n1,2\r\n", [(2, "1", "2", None)], id="CRLF"),
        pytest.param("a,b\r1,2\r\r3,4\r", [(2, "1", "2", None), (4, "3", "4", None)], id="CR"),
        pytest.param(
            "a,b\n1\u2028,2\x85\x0b\n", [(2, "1\u2028", "2\x85\x0b", None)], id="other separators are text"
        ),
        pytest.param("a,b\n\n1,2\n  \n\n", [(3, "1", "2", None)], id="blank lines"),
        pytest.param("a,b\n,\n", [(2, "", "", None)], id="empty fields"),
        pytest.param("a,b\n 1 ,'0042\n", [(2, " 1 ", "'0042", None)], id="text stays as it is"),
        pytest.param(
            'a,b\n1,"x\r\n\r\ny"\n2,"say ""hi"", ok"\n',
            [(2, "1", "x\r\n\r\ny", None), (5, "2", 'say "hi", ok', None)],
            id="line ends, quotes and delimiters in quotes",
        ),
        pytest.param('a, b\n1, "x, y"\n', [(2, "1", "x, y", None)], id="blanks before quotes"),
        pytest.param('a,b\n27" pan,5"\n', [(2, '27" pan', '5"', None)], id="inch signs"),
        pytest.param("Title\n\na,b\n1,2\n", [(4, "1", "2", None)], id="a preamble counts"),
        pytest.param('a,"b\nc"\n1,2\n', [(3, "1", "2", None)], id="a header on two lines"),
        pytest.param(
            "a,b\n1,2\na,b\n3,4\n",
            [(2, "1", "2", None), (3, "a", "b", "repeated_header"), (4, "3", "4", None)],
            id="files that were joined",
        ),
        pytest.param(
            '"a","b"\n1,2\n\ufeff"a","b"\n',
            [(2, "1", "2", None), (3, '\ufeff"a"', "b", "repeated_header")],
            id="files with byte order marks that were joined",
        ),
        pytest.param(
            "a,b,c\n1,2\n3\n",
            [(2, "1", "2", None, "too_few_fields"), (3, "3", None, None, "too_few_fields")],
            id="short",
        ),
        pytest.param("a,b\n1,2,\n", [(2, "1", "2", None)], id="an empty field too many"),
        pytest.param("a,b\n1,2,x\n3,4\n", [(2, "1", "2", "too_many_fields"), (3, "3", "4", None)], id="long"),
    ],
)
def test_each_record_has_its_line_and_its_fields(
    path: Path, content: str, values: list[tuple[object, ...]]
) -> None:
    assert values_of(path, content) == values


def test_fields_without_a_name_are_kept(path: Path) -> None:
    found = records_of(path, "a;b\n1;2;x;y\n3;4;\n5;6\n7\n")
    assert [(record["extra"], record["field_count"]) for record in found] == [
        ("x;y", 4),
        ("", 3),
        (None, 2),
        (None, 1),
    ]


@pytest.mark.parametrize(
    ("lines", "broken"),
    [
        pytest.param(['1,"Tea, a",2', '2,"open,3', "3,b,4", "4,c,5"], [3], id="never closed"),
        pytest.param(['1,"Tea, a",2', '2,"open,3', "3,b,4", '4,"Pot, c",5'], [3], id="before a quoted field"),
        pytest.param(['1,"Tea, a",2', '2,"open,3', "3,b,4", '4,pan 12",5'], [3], id="before an inch sign"),
        pytest.param(['1,"27" pan",2', '2,"Tea, a",3'], [2], id="a quote that is not doubled"),
        pytest.param(
            ['1,"27\\"",2', '2,"Pot",3', '3,"24\\"",4', '4,"Lid",5'], [2, 4], id="quotes after backslashes"
        ),
        pytest.param(['1,"Tea, a",2', '2,"b",3 "'], [], id="a quote in a field"),
    ],
)
def test_a_broken_quote_costs_its_own_line_only(path: Path, lines: Sequence[str], broken: list[int]) -> None:
    found = records_of(path, "\n".join(["id,name,qty", *lines]))
    assert [record["record_text"] for record in found] == lines
    assert [record["line"] for record in found if record["problem"] == "broken_quote"] == broken


def test_quotes_that_are_text_stay(path: Path) -> None:
    content = 'id\tname\tqty\n1\tpan 12"\t1\n2\t"lone\t2\n3\tpot\t3\n'
    assert values_of(path, content) == [
        (2, "1", 'pan 12"', "1", None),
        (3, "2", '"lone', "2", None),
        (4, "3", "pot", "3", None),
    ]


def test_a_long_cell_that_is_closed_is_one_field_even_in_a_long_record(path: Path) -> None:
    content = 'id,day,note\n1,2024-01-02,"Dear shop,\n\nwhere, please, is it?\nYours",late\n2,2024-01-03,\n'
    assert [(record["line"], record["problem"], record["extra"]) for record in records_of(path, content)] == [
        (2, "too_many_fields", "late"),
        (6, None, None),
    ]


def test_a_record_with_thousands_of_quoted_cells_is_whole(path: Path) -> None:
    cells = [f"x, {place}" for place in range(2_500)]
    names, quoted = (",".join(f'"{each}{cell}"' for cell in cells) for each in ("name ", ""))
    assert values_of(path, f"{names}\n{quoted}\n") == [(2, *cells, None)]


def test_in_a_table_of_two_columns_a_quoted_cell_may_look_like_records(path: Path) -> None:
    """Each of its lines has two fields, as many notes have."""
    assert values_of(path, 'id,note\n1,"Dear shop\nhello, you"\n') == [
        (2, "1", "Dear shop\nhello, you", None)
    ]


def test_a_quote_that_is_closed_too_far_away_is_broken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = member_of(path, 'id,note\n1,"open\n' + "2,b\n" * 30 + '3,c"\n')
    dialect = detect(member)
    monkeypatch.setattr(text, "RECORD_LIMIT", 50)
    (batch,) = read(member, dialect)
    assert batch["problem"].to_pylist() == ["broken_quote", *[None] * 31]


def test_blocks_hold_all_records(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "BLOCK_ROWS", 3)
    member = member_of(path, "a,b\n" + "".join(f"{i},x\n" for i in range(10)))
    batches = list(read(member, detect(member)))
    assert [batch.num_rows for batch in batches] == [3, 3, 3, 1]
    assert [line for batch in batches for line in batch["line"].to_pylist()] == list(range(2, 12))


def test_a_record_that_is_too_long_is_refused_with_its_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = member_of(path, "a,b\n1,2\n3," + "x" * 100 + "\n")
    dialect = detect(member)
    monkeypatch.setattr(text, "RECORD_LIMIT", 50)
    with pytest.raises(UnreadableExport, match=r"^a\.csv, line 3: it begins a record of more than"):
        list(read(member, dialect))


def test_a_sheet_has_numbers_without_noise_and_iso_dates(path: Path) -> None:
    rows = [
        [cell("Title\nof two lines")],
        [cell("id"), cell("day"), cell("at"), cell("rate"), cell("note"), cell("ok")],
        [number("13085"), day("45292"), moment("45292.5"), number("0.1"), cell("one\ntwo"), truth("1")],
        [],
        [
            number("9E+15"),
            day("45293"),
            moment("45293"),
            number("0.30000000000000004"),
            cell(" =1 "),
            truth("0"),
        ],
    ]
    assert values_of(path, workbook({"May": rows})) == [
        (3, "13085", "2024-01-01", "2024-01-01T12:00:00", "0.1", "one\ntwo", "true", None),
        (5, "9000000000000000", "2024-01-02", "2024-01-02", "0.3", " =1 ", "false", None),
    ]


# --- any table, any bytes -----------------------------------------------------------------------------------

FIELD = st.text(
    st.sampled_from("\",;\t|' \n") | st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8
).map(lambda field: field if "\n" not in field else re.sub("[,;\t|]", " ", field))
TABLE = st.integers(3, 5).flatmap(lambda width: st.lists(st.tuples(*[FIELD] * width), min_size=1, max_size=8))


@given(
    table=TABLE,
    delimiter=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_any_table_that_python_writes_is_read_back(
    table: list[tuple[str, ...]], delimiter: str, newline: str, quoting: int
) -> None:
    """The line for Excel names the delimiter: some tables are as regular when they are read with another one."""
    names = ["alpha", "beta", "gamma", "delta", "epsilon"][: len(table[0])]
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator=newline, quoting=quoting)
    writer.writerow(names)
    lines = []
    for row in table:
        lines.append(written.getvalue().count("\n") + 2)
        writer.writerow(row)
    with TemporaryDirectory() as folder:
        content = f"sep={delimiter}{newline}{written.getvalue()}"
        found = values_of(Path(folder) / "a.csv", content)
    assert found == [(line, *row, None) for line, row in zip(lines, table, strict=True)]


PIECES = st.sampled_from(
    [
        b"a,b\n",
        b"a;b;c\r\n",
        b'"',
        b'"x,y"',
        b",",
        b";",
        b"\n",
        b"\r",
        b"\r\n",
        b"1",
        b"name",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfc",
        b'{"a":',
        b"[",
        b"}",
        b"sep=;\n",
        "ü".encode(),
    ]
)
BYTES = st.binary(max_size=60) | st.lists(PIECES | st.binary(max_size=4), max_size=40).map(b"".join)


@given(BYTES)
@example(b'a,b\n1,"2\n3,4\n')
@example(b'\n\nTitle\n\na,b,c\n"1\n2",3,4\n\n \n5\n"6')
@example(b"sep=;\r\n\r\na;b\r1;2")
def test_any_bytes_are_refused_in_one_line_or_each_line_is_accounted_for(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(content)
        refusal = account_for_each_line(path)
    assert refusal is None or re.fullmatch(r"a\.csv.*: .+", refusal)


def account_for_each_line(path: Path) -> str | None:
    """Compare what is read of a file with its text; the message if it is refused."""
    try:
        found = members(path)
        dialects = [detect(member) for member in found]
        batches = [list(read(member, dialect)) for member, dialect in zip(found, dialects, strict=True)]
    except UnreadableExport as refusal:
        return str(refusal)
    for member, dialect, blocks in zip(found, dialects, batches, strict=True):
        if dialect.form in {"json_array", "parquet"} or member.kind == "sheet":
            continue  # their records are no lines
        with text.decode(member) as stream:
            unread = dict(enumerate(split(stream.read()), 1))
        header = [(dialect.header_line, dialect.header_text)] if dialect.header_line else []
        records = [(r["line"], r["record_text"]) for block in blocks for r in block.to_pylist()]
        for line, record in [*enumerate(dialect.preamble, 1), *header, *records]:
            for place, part in enumerate(split(record), line):
                assert unread.pop(place) == part
        assert not "".join(unread.values()).strip()
    return None


def split(content: str) -> list[str]:
    return re.split("\r\n|\n|\r", content)
