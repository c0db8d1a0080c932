"""How a member is written, found out from its content."""

from pathlib import Path

import pytest

from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets_tests.sources.reading.readings import dialect_of
from cip_assets_tests.sources.reading.workbooks import EMPTY, number, text, workbook


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


@pytest.mark.parametrize(
    ("content", "delimiter", "columns"),
    [
        pytest.param("a,b\n1,2\n", ",", ("a", "b"), id="comma"),
        pytest.param(
            "Nr;Betrag;Text\n1;1.234,50;a, b, c\n2;2,00;\n", ";", ("Nr", "Betrag", "Text"), id="semicolon"
        ),
        pytest.param("a\tb, c\n1\t2,3\n", "\t", ("a", "b, c"), id="tab"),
        pytest.param("a|b\n1|2\n", "|", ("a", "b"), id="pipe"),
        pytest.param("a;b;c\n", ";", ("a", "b", "c"), id="a header only"),
        pytest.param("sep=;\na,x;b,x\n1;2\n", ";", ("a,x", "b,x"), id="named by Excel"),
        pytest.param('"sep=^",\r\na^b\r\n1^2\r\n', "^", ("a", "b"), id="named by Excel, any other"),
        pytest.param("note\nGlass, blue\nRed\nOld\n", "\t", ("note",), id="one column"),
        pytest.param("name;price\n" + "Tea;1;50\n" * 9, ";", ("name", "price"), id="most records are longer"),
        pytest.param(
            "order,item,amount\n1,Tea,1.00,X\n2,Pot,2.00,Y\n3,Tea,1.00\n",
            ",",
            ("order", "item", "amount"),
            id="ragged",
        ),
    ],
)
def test_the_delimiter_is_the_one_that_the_records_agree_on(
    path: Path, content: str, delimiter: str, columns: tuple[str, ...]
) -> None:
    dialect = dialect_of(path, content)
    assert (dialect.delimiter, dialect.columns) == (delimiter, columns)


@pytest.mark.parametrize(
    ("content", "quote"),
    [
        pytest.param('a\tb\n1\tpan 12"\n2\t"lone\n3\tc\n', None, id="a lone quote"),
        pytest.param(
            'a\tb\tc\n1\t"lone\t2\n2\tc\t3\n3\tpan 12"\t4\n', None, id="a lone quote and an inch sign"
        ),
        pytest.param('a,b\n1,"x, y"\n2,z\n', '"', id="a delimiter in quotes"),
        pytest.param('a,b\n1,"x\ny"\n2,z\n', '"', id="a line end in quotes"),
        pytest.param('"a","b"\n"1","x"\n"2","27" pan"\n', '"', id="a quote that is not doubled"),
        pytest.param('a,b\n"1","27\\""\n"2","x"\n', '"', id="a quote after a backslash"),
        pytest.param("a,b\n1,2\n", '"', id="no quotes"),
    ],
)
def test_quotes_are_text_if_the_records_agree_better_without(
    path: Path, content: str, quote: str | None
) -> None:
    assert dialect_of(path, content).quote == quote


@pytest.mark.parametrize(
    ("content", "line", "preamble"),
    [
        pytest.param(
            "# From: 1 May\n# To: 2 May\n# Shop: X\n# --\n\nDay,Event,Sum\n",
            6,
            ("# From: 1 May", "# To: 2 May", "# Shop: X", "# --", ""),
            id="comments, and no records",
        ),
        pytest.param("a,b\n1,2\n", 1, (), id="first"),
        pytest.param("\n\na,b\n1,2\n", 3, ("", ""), id="after blank lines"),
        pytest.param(
            "# Start date: 20260501\n# ---\n\na,b\n1,2\n",
            4,
            ("# Start date: 20260501", "# ---", ""),
            id="comments",
        ),
        pytest.param(
            "Umsatz;;;\nVon;01.01.2024;;\n\nNr;Tag;Kunde;Betrag\n1;02.01.2024;;1\n",
            4,
            ("Umsatz;;;", "Von;01.01.2024;;", ""),
            id="a padded title",
        ),
        pytest.param(
            '"All amounts in USD, unless specified"\n"id","day","total"\n"1","2024-01-02","1.00"\n',
            2,
            ('"All amounts in USD, unless specified"',),
            id="a title in quotes",
        ),
        pytest.param("sep=,\na,b\n1,2\n", 2, ("sep=,",), id="after the line for Excel"),
        pytest.param("name,city,\nAnn,Bern,x\nBo,Graz,y\n", 1, (), id="above records without numbers"),
        pytest.param(
            "Report;Orders\nNr;Day;Sum\n1;2;3\n2;3;4\n", 2, ("Report;Orders",), id="a title of two fields"
        ),
        pytest.param("name,price\nTea,1,50\nPot,2,50\n", 1, (), id="narrower than the records"),
    ],
)
def test_the_header_is_found_below_other_lines(
    path: Path, content: str, line: int, preamble: tuple[str, ...]
) -> None:
    dialect = dialect_of(path, content)
    assert (dialect.header_line, dialect.preamble) == (line, preamble)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        pytest.param("Menge,Preis,Menge,Menge", ("Menge", "Preis", "Menge_2", "Menge_3"), id="twice"),
        pytest.param(
            "Menge,Menge_2,Menge", ("Menge", "Menge_2", "Menge_3"), id="twice, and the new name is taken"
        ),
        pytest.param('sep=,\n\ufeff"id","name"', ("id", "name"), id="a mark after the line for Excel"),
        pytest.param("#,name,%", ("#", "name", "%"), id="signs"),
        pytest.param("id,,name", ("id", "column_2", "name"), id="empty"),
        pytest.param(
            "\ufeff\ufeff id ,'name,\tqty", ("id", "name", "qty"), id="marks, blanks and apostrophes"
        ),
        pytest.param('id,"total\n(EUR)",name', ("id", "total (EUR)", "name"), id="a line end"),
        pytest.param(
            "line,problem,name", ("line_2", "problem_2", "name"), id="names of the reader's own columns"
        ),
    ],
)
def test_names_are_clean_and_distinct(path: Path, header: str, columns: tuple[str, ...]) -> None:
    values = ",".join("1" for _ in columns)
    assert dialect_of(path, f"{header}\n{values}\n").columns == columns


def test_a_sheet_has_rows_instead_of_lines(path: Path) -> None:
    title = text("Orders\nof May")
    content = workbook({"May": [[title], [], [text("id"), text("a;b;c")], [number("1"), EMPTY]]})
    dialect = dialect_of(path, content)
    assert (dialect.header_line, dialect.columns) == (3, ("id", "a;b;c"))


def test_numbers_in_columns_of_blanks_need_no_header(path: Path) -> None:
    dialect = dialect_of(path, " 00004 19970101  2   29.33\r\n\r\n 00005 19970118 12    0.00\r\n")
    assert (dialect.form, dialect.header_line) == ("numbers", 0)
    assert dialect.columns == ("column_1", "column_2", "column_3", "column_4")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("1 2 3\n1 2\n", id="another number of columns"),
        pytest.param("1 2 3\n1 2 x\n", id="a text"),
        pytest.param("1 2\n3 4\n", id="two columns"),
        pytest.param("1\t2\t3\n1\t2\t3\n", id="tabs"),
    ],
)
def test_other_numbers_without_a_header_are_refused(path: Path, content: str) -> None:
    with pytest.raises(UnreadableExport, match="no line names the columns"):
        dialect_of(path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "it is empty", id="empty"),
        pytest.param("\ufeff\n \r\n", "it is empty", id="blank"),
        pytest.param("1,2024-01-02\n2,2024-01-03\n", "no line names the columns; put a line", id="no header"),
        pytest.param(
            "1,Tea,2024-01-02\n2,Pot,2024-01-03\nTea,Pot,Lid\n",
            "no line names the columns",
            id="names below records",
        ),
        pytest.param(
            "Ann,ann@x.test\nBo,bo@x.test\n", "no line names the columns", id="no header but mail addresses"
        ),
        pytest.param("<html><table>", "it is HTML or XML; export it as CSV or .xlsx", id="HTML"),
    ],
)
def test_what_has_no_header_is_refused(path: Path, content: str, message: str) -> None:
    with pytest.raises(UnreadableExport) as caught:
        dialect_of(path, content)
    assert str(caught.value).startswith(f"a.csv: {message}")
