"""What docs/sources.md says is so."""

import gzip
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.sources import texts
from cip_assets.sources.adopt import FEW_UNREAD, UNREAD_SHARE, adopt, write
from cip_assets.sources.config import load_sources
from cip_assets.sources.convert import convert, look_at
from cip_assets.sources.sessions import FURTHEST, PAUSE
from cip_assets_tests.documents import ROOT, quoted, sections, table_in

TEXT = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
SECTIONS = sections(TEXT)

HTML = b"<!DOCTYPE html><table><tr><td>order</td></tr></table>"
ORDERS = "order,date,email,price\n1,2024-01-15,a@example.org,2.50\n"


def two_orders(first: str, second: str, amount: str = "5.00") -> bytes:
    return f"order,date,total\n1,{first},{amount}\n2,{second},{amount}\n".encode()


REFUSED: Mapping[str, bytes] = {
    "has dates that can be read in two ways": two_orders("03/04/2024", "04/04/2024"),
    "has dates in two orders": two_orders("04/13/2024", "13/04/2024"),
    "has days that a spreadsheet has read as months": (
        b"order,date,total\n1,13/04/2024,5.00\n2,14/04/2024,5.00\n3,15/04/2024,5.00\n"
        b"4,2024-05-04,5.00\n5,2024-06-04,5.00\n6,2024-07-04,5.00\n"
    ),
    "has ids that a spreadsheet has shortened": (
        b"order,date,total\n1.12435E+17,2024-01-15,5.00\n1.12436E+17,2024-01-16,5.00\n"
    ),
    "begins its order numbers again": b"order,date,total\n1,2024-01-15,5.00\n1,2024-06-15,5.00\n",
    "has a total of the order on each line and no prices": (
        b"order,date,sku,total\n1,2024-01-15,A,9.00\n1,2024-01-15,B,9.00\n2,2024-01-16,A,5.00\n2,2024-01-16,C,5.00\n"
    ),
    "has no amounts that can be read": b"order,date,total\n1,2024-01-15,1 of 2\n2,2024-01-15,2 for 1\n",
    "has no orders": b"Id,Subject\n1,Hello\n",
    "has visits that name no customer": b"visit,time,page\na,2024-01-15 10:00,/\n",
    "is HTML": HTML,
    "is an old Excel file": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "has no header": b"1,2024-01-15,5.00\n2,2024-01-16,6.00\n",
    "is empty": b"",
    "is damaged": gzip.compress(ORDERS.encode() * 100, mtime=0)[:-20],
}
LATER = "comes with a header that no layout has"


def adopt_one(content: bytes, folder: Path) -> None:
    (folder / "a.csv").write_bytes(content)
    write(adopt([folder / "a.csv"], folder), folder)


def read_with_a_later_header(folder: Path) -> None:
    adopt_one(ORDERS.encode(), folder)
    later = ORDERS.replace(",price", ",price,Channel").replace("2.50", "2.50,web")
    (folder / "b.csv").write_text(later, encoding="utf-8")
    file = folder / "sources.yaml"
    file.write_text(file.read_text("utf-8").replace("a.csv", "'*.csv'"), encoding="utf-8")
    sources = load_sources(folder)
    assert sources is not None
    look_at(sources, folder)


@pytest.mark.parametrize(("what", "line"), table_in(SECTIONS["What is refused"], "the export"))
def test_what_is_refused_is_the_documented_line(what: str, line: str, tmp_path: Path) -> None:
    read = read_with_a_later_header if what == LATER else partial(adopt_one, REFUSED.get(what, b""))
    with pytest.raises(PlatformError) as refused:
        read(tmp_path)
    assert line == f"`error {refused.value}`"


def test_sessions_end_and_reach_as_far_as_the_document_says() -> None:
    said = " ".join(SECTIONS["Sessions of the website"].split())
    assert ", ".join(FURTHEST) in said
    assert f"at most {PAUSE} minutes after the one before" in said


def test_all_refused_exports_are_documented() -> None:
    documented = [what for what, _ in table_in(SECTIONS["What is refused"], "the export")]
    assert sorted(documented) == sorted([*REFUSED, LATER])
    assert f"More than {UNREAD_SHARE:.0%} of records that cannot be read, and more than two" in TEXT
    assert FEW_UNREAD == 2


MACROS: Mapping[str, tuple[str, object]] = {
    "present(x)": (r"[present(' a '), present('NULL'), present('\N')]", ["a", None, None]),
    "number(x, '.')": ("[number('€1,234.50', '.'), number('(5)', '.'), number('5-', '.')]", [1234.5, -5, -5]),
    "ymd(x)": ("ymd('2024-05-02 10:00')::TEXT", "2024-05-02"),
    "currency(x)": (
        "[currency('12.50 €'), currency('usd 5'), currency('$5'), currency('EUR')]",
        ["EUR", None, "$", "EUR"],
    ),
    "id(x)": ("[id('17.0'), id(chr(39) || '007')]", ["17", "007"]),
    "beside_goods(x)": (
        "[beside_goods('Gift card - 50'), beside_goods('Tip'), beside_goods('Gift card holder')]",
        ["gift_card", "fee", None],
    ),
    "person(x)": ("[person('Ada@Example.org'), person('A1')]", ["ada@example.org", "A1"]),
}


@pytest.mark.parametrize(
    "macro", [quoted(cell)[0] for cell, _ in table_in(SECTIONS["SQL that makes records"], "macro")]
)
def test_a_documented_macro_does_what_it_should(macro: str) -> None:
    sql, expected = MACROS[macro]
    with duckdb.connect() as connection:
        connection.execute(texts.MACROS)
        ((found,),) = connection.execute(f"SELECT {sql}").fetchall()
    assert ([float(each) for each in found] if macro.startswith("number") else found) == expected


def block(language: str, section: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def described(tmp_path: Path) -> Callable[[str], Path]:
    """A data folder with the sources.yaml of the document and a file."""

    def make(sources: str) -> Path:
        (tmp_path / "sources.yaml").write_text(sources, encoding="utf-8")
        (tmp_path / "sales.csv").write_text(
            "A;B;C;D\n1;15.01.2024;2,50;Ada\n2;16.01.2024;0,00;Ada\n", encoding="utf-8"
        )
        return tmp_path

    return make


def test_an_export_can_be_described_by_hand(described: Callable[[str], Path]) -> None:
    folder = described(block("yaml", "sources.yaml"))
    sources = load_sources(folder)
    assert sources is not None
    found = look_at(sources, folder)
    assert {kind.kind: kind.records for kind in found.kinds} == {"sale": 1, "cancelled": 1}
    assert (str(found.sold), found.buyers, found.currency) == ("2.50", 1, "EUR")


def test_an_amount_is_converted_with_the_latest_rate_up_to_its_day(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text(block("csv", "How orders are worked out"), encoding="utf-8")
    (tmp_path / "a.csv").write_text(
        "order,date,price,currency\n1,2024-01-20,10.00,USD\n2,2024-02-01,10.00,USD\n3,2024-02-01,5.00,EUR\n",
        encoding="utf-8",
    )
    sources = adopt([tmp_path / "a.csv"], tmp_path).sources
    found = look_at(sources.model_copy(update={"currency": "EUR", "rates": "rates.csv"}), tmp_path)
    assert found.sold == Decimal("9.20") + Decimal("9.30") + Decimal("5.00")
    assert "10 USD of 20 January are 9.20 EUR" in TEXT


def test_sql_that_is_wrong_is_named_with_its_line(described: Callable[[str], Path]) -> None:
    folder = described(
        block("yaml", "sources.yaml").replace("    fields:", "    records: sources/records.sql\n    fields:")
    )
    (folder / "sources").mkdir()
    (folder / "sources" / "records.sql").write_text(
        "SELECT _file, _line, A, B, C, D,\n  1 AS one,\n  E\nFROM records\n"
    )
    sources = load_sources(folder)
    assert sources is not None
    with pytest.raises(
        PlatformError, match=r"^sources/records[.]sql, line 3: Binder Error: .*; correct the SQL$"
    ):
        look_at(sources, folder)


def test_what_lands_is_where_the_document_says(described: Callable[[str], Path]) -> None:
    folder = described(block("yaml", "sources.yaml"))
    sources = load_sources(folder)
    assert sources is not None
    convert(sources, folder, folder / "landing")
    made = {str(path.relative_to(folder / "landing")) for path in (folder / "landing").rglob("*.csv")}
    documented = [quoted(cell)[0] for cell, _ in table_in(SECTIONS["What lands"], "landing file")]
    assert made == {"transactions/from_exports/2024-01.csv", "_left_out.csv"}
    assert made <= {name.replace("YYYY-MM", "2024-01") for name in documented}
