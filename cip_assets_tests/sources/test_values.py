"""Numbers and days are read alike to recognize an export, in Python, and to convert it, in SQL."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.contracts.text_formats import BLANKS
from cip_assets.sources import texts
from cip_assets.sources.values import day, number


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(texts.MACROS)
        yield connection


def by_sql(connection: duckdb.DuckDBPyConnection, expression: str, values: Sequence[str]) -> list[object]:
    found = connection.execute(f"SELECT {expression} FROM (SELECT unnest($1) AS x)", [list(values)])
    return [value for (value,) in found.fetchall()]


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1,234.56", ".", "1234.56"),
        ("1.234,56", ".", "1234.56"),  # the last of two signs is the decimal sign
        ("1,234", ".", "1234"),
        ("1,234", ",", "1.234"),
        ("1.234", ",", "1234"),
        ("0.125", ",", "0.125"),
        ("12,5", ".", "12.5"),
        ("1.234.567", ",", "1234567"),
        ("12,34,567.50", ".", "1234567.5"),
        ("\u0661\u0660.00", ".", None),  # digits of another script
        ("1½", ".", None),
        ("12.50.", ".", None),  # not 1250
        ("12,50.00", ".", None),
        ("10.01.2024", ".", None),
        ("€ 1.200,00", ".", "1200"),
        ("¥15,000", ".", "15000"),
        ("-$50.00", ".", "-50"),
        ("(€5.00)", ".", "-5"),
        ("617,28- €", ",", "-617.28"),
        ("Rs. 1,100.00", ".", "1100"),
        ("kr 100", ".", "100"),
        ("\u221212,50", ",", "-12.5"),  # a minus, as JavaScript writes it in Sweden
        ("€ \u201312.50", ".", "-12.5"),  # a dash, as a word processor writes it
        ("5,00\uff0d", ",", "-5"),
        ("10.\u2013", ".", "10"),
        ("1\u2009000.00", ".", "1000"),
        ("1,100.00 Cr", ".", "-1100"),
        ("n/a", ".", None),
        ("1.5E+3", ".", None),
        ("1.5k", ".", None),  # not 1.50
        ("€1.2 M", ".", None),
        ("3,5 Mio. €", ",", None),
        ("100 Kč", ",", "100"),
        ("100 kn", ",", "100"),
    ],
)
def test_numbers(connection: duckdb.DuckDBPyConnection, text: str, decimal: str, value: str | None) -> None:
    wanted = Decimal(value) if value else None
    assert number(text, decimal) == wanted
    assert by_sql(connection, f"number(x, '{decimal}')", [text]) == [wanted]


@pytest.mark.parametrize(
    ("text", "order", "value"),
    [
        ("2024-02-01", "ymd", date(2024, 2, 1)),
        ("2024/2/1 10:00", "ymd", date(2024, 2, 1)),
        ("20240201", "ymd", date(2024, 2, 1)),
        ("20240201T101010", "ymd", date(2024, 2, 1)),
        ("Mon, 23 Sep 2024 14:21:24 +0000", "ymd", date(2024, 9, 23)),
        ("Jun 8, 2025 10:23:05 PM PDT", "ymd", date(2025, 6, 8)),
        ("Mar-02-25", "ymd", date(2025, 3, 2)),
        ("3. März 2024", "ymd", date(2024, 3, 3)),
        ("2/1/24", "mdy", date(2024, 2, 1)),
        ("Thu Feb 01 23:30:00 CET 2024", "ymd", date(2024, 2, 1)),
        ("Thu Feb 01 09:30:00 +0000 2024", "dmy", date(2024, 2, 1)),
        ("Feb 1 23:30", "ymd", None),  # 23 is an hour, and no year
        ("1 Feb 23:30:00 2024", "ymd", None),
        ("2/1/2024 12:05 AM", "dmy", date(2024, 1, 2)),
        ("01.02.2024", "dmy", date(2024, 2, 1)),
        ("30.02.2024", "dmy", None),
        ("2024-13-01", "ymd", None),
        ("12345678901", "ymd", None),
        ("infinity", "ymd", None),
        ("1971-01-01", "ymd", date(1971, 1, 1)),
        ("01.01.1970", "dmy", None),  # what systems write if they have no date
        ("0024-02-01", "ymd", None),
        ("2024-02-01", "dmy", date(2024, 2, 1)),
        ("3. März 2024", "mdy", date(2024, 3, 3)),
        ("2024-02-01", "excel", None),
        ("3 août 2024", "ymd", date(2024, 8, 3)),
        ("4 juillet 2024", "ymd", date(2024, 7, 4)),
        ("15 févr. 2024", "ymd", date(2024, 2, 15)),
        ("3 septiembre 2024", "ymd", date(2024, 9, 3)),
        ("1705189800", "unix", date(2024, 1, 13)),
        ("1705191000000", "unix", date(2024, 1, 14)),
        ("1705189800.5", "unix", date(2024, 1, 13)),
        ("170518980", "unix", None),
        ("45304", "excel", date(2024, 1, 13)),
        ("45304.99", "excel", date(2024, 1, 13)),
        ("453040", "excel", None),
    ],
)
def test_days(connection: duckdb.DuckDBPyConnection, text: str, order: str, value: date | None) -> None:
    assert day(text, order) == value
    assert by_sql(connection, f"{order}(x)", [text]) == [value]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-31 23:30:00", "2024-02-01"),
        ("2024-01-31T23:30:00.123Z", "2024-02-01"),
        ("2024-01-31 23:30:00+00", "2024-02-01"),
        ("2024-01-31 23:30 UTC", "2024-02-01"),
        ("20240131T233000Z", "2024-02-01"),
        ("Jan 31, 2024 11:30 p.m. GMT", "2024-02-01"),
        ("Wed Jan 31 2024 23:30:00 GMT+0000 (UTC)", "2024-02-01"),
        ("31 Jan 2024 23.30", "2024-02-01"),
        ("2024-01-31 23:30:00+01", "2024-01-31"),
        ("2024-01-31 23:30:00.123456 -0500", "2024-01-31"),
        ("20240131T233000+0100", "2024-01-31"),
        ("Wed Jan 31 2024 23:30:00 GMT+0100 (CET)", "2024-01-31"),
        ("Wed Jan 31 23:30:00 CET 2024", "2024-01-31"),
        ("Jan 31, 2024 11:30:00 PM PST", "2024-01-31"),
        ("2024-01-31 11:30:00 PST", "2024-01-31"),  # no PM
        ("2024-01-31", "2024-01-31"),
    ],
)
def test_a_time_is_utc_unless_it_says_another_zone(
    connection: duckdb.DuckDBPyConnection, text: str, day: str
) -> None:
    time = "time_in_zone(x, ymd(x) + to_seconds(seconds_of_day(x)), 'Europe/Berlin')"
    assert by_sql(connection, f"{time}::DATE::TEXT", [text]) == [day]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("21.03.2024 12:00:05", "21.03.2024 12:00:30"),
        ("21.03.2024 08:30 PST", "21.03.2024 12:00 PST"),
        ("21.03.2024 11:59 AM", "21.03.2024 12:01 PM"),
        ("20240321T120005Z", "20240321T120030Z"),
    ],
)
def test_moments_are_in_order(connection: duckdb.DuckDBPyConnection, earlier: str, later: str) -> None:
    moment = "moment(x, dmy(x) + to_seconds(seconds_of_day(x)))"
    first, second = by_sql(connection, f"epoch_us({moment})", [earlier, later])
    assert first < second  # type: ignore[operator]


NUMBERS = st.text(alphabet="0123456789.,-+()€$ '\u00a0\u202f\u2009\u2212krEURCc", max_size=14)
DAYS = st.text(alphabet="0123456789-/. :TJanFebMarchZ,", max_size=22)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=30), st.sampled_from(".,"))
def test_any_text_is_the_same_number_in_both(
    connection: duckdb.DuckDBPyConnection, values: list[str], decimal: str
) -> None:
    found = by_sql(connection, f"number(x, '{decimal}')", values)
    assert found == [
        round(value, 6) if (value := number(text, decimal)) is not None and abs(value) < 10**18 else None
        for text in values
    ]


@settings(deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=30), st.sampled_from(["ymd", "mdy", "dmy", "unix", "excel"]))
def test_any_text_is_the_same_day_in_both(
    connection: duckdb.DuckDBPyConnection, values: list[str], order: str
) -> None:
    found = by_sql(connection, f"{order}(x)", values)
    assert found == [day(text, order) for text in values]


@settings(deadline=None)
@given(st.lists(st.text(alphabet=f"{BLANKS}aNUL\\0€\n", max_size=6), min_size=1, max_size=30))
def test_a_text_is_without_the_blanks_around_it(
    connection: duckdb.DuckDBPyConnection, values: list[str]
) -> None:
    stripped = [text.strip(BLANKS) for text in values]
    wanted = [None if text in {"", "NULL", "\\N"} else text for text in stripped]
    assert by_sql(connection, "present(x)", values) == wanted


@pytest.mark.parametrize("text", [*"aZäßÉπЖאعहไก한日本字々ｱ"])
def test_a_letter_of_any_script_is_one(text: str) -> None:
    assert re.fullmatch(f"[{texts.LETTERS}]", text)


@pytest.mark.parametrize("text", [*"0 -.,_€$£¥₹฿৳½²„“…—😀、\u00d7\u00f7\uff08"])
def test_digits_and_signs_are_no_letters(text: str) -> None:
    assert not re.fullmatch(f"[{texts.LETTERS}]", text)


def test_the_codes_of_currencies_stand_beside_any_sign(connection: duckdb.DuckDBPyConnection) -> None:
    texts_ = ["100฿THB", "৳BDT 5", "5 CHF", "CHF5", "ZUCHF 5", "5 ÄKR", "12 kr.", "Kr 12", "kraft 12"]
    assert by_sql(connection, "currency(x)", texts_) == [
        "THB",
        "BDT",
        "CHF",
        "CHF",
        None,
        None,
        "kr",
        "kr",
        None,
    ]
