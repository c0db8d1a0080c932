"""Numbers and days are read alike to recognize an export, in Python, and to convert it, in SQL."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        ("€ 1.200,00", ".", "1200"),
        ("¥15,000", ".", "15000"),
        ("-$50.00", ".", "-50"),
        ("(€5.00)", ".", "-5"),
        ("617,28- €", ",", "-617.28"),
        ("Rs. 1,100.00", ".", "1100"),
        ("kr 100", ".", "100"),
        ("n/a", ".", None),
        ("1.5E+3", ".", None),
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
        ("2/1/2024 12:05 AM", "dmy", date(2024, 1, 2)),
        ("01.02.2024", "dmy", date(2024, 2, 1)),
        ("30.02.2024", "dmy", None),
        ("2024-13-01", "ymd", None),
        ("12345678901", "ymd", None),
        ("infinity", "ymd", None),
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


NUMBERS = st.text(alphabet="0123456789.,-+()€$ '\u00a0\u202fkrEUR", max_size=14)
DAYS = st.text(alphabet="0123456789-/. :TJanFebMarchZ,", max_size=18)


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
