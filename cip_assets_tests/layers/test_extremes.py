"""No value of a cell can stop a table: with any value, the line is cleaned or quarantined, for the correct reason.

Each column of each table has each text below once, with good values in the other columns. The expected result is
computed here again, in plain Python.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, time
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pyspark.sql.types as T
import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.contracts.source import SourceTable
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned.judge import cleaned_rows, judge, quarantine_rows
from cip_assets.orchestration.checks.counts import broken_rules, conservation
from cip_assets.storage import delta
from cip_assets_tests.layers.cleaned.test_judge import FAR_DAYS, MARCH, line_of
from cip_assets_tests.layers.frames import Row, frame_of

LONG = 100_000

DATES = (
    *FAR_DAYS,
    *(f"{day}T23:59:59.999999999+14:00" for day in FAR_DAYS),
    "0000-01-01",
    "0000-00-00",
    "1582-10-10",
    "1899-12-31",
    "2100-01-01",
    "2024-02-30",
    "2024-03-05T10:00:00+99:99",
    "2024-03-05T23:59:60",
    "2024-03-05T24:00:00",
    "2024-03-05T99:99",
    "2024-03-05T10:00:00.1234567890",
    "-2024-03-05",
    "12024-03-05",
    "2024-W10-2",
    "1709596800",
    "\u0662\u0660\u0662\u0664-\u0660\u0663-\u0660\u0665",
)
NUMBERS = (
    "9" * 40,
    "-" + "9" * 40,
    "9" * LONG,
    "0" * LONG + "2",
    "7." + "3" * LONG,
    "999999999.99",
    "999999999.995",
    "1000000000",
    "2147483648",
    "-2147483649",
    "9999999999999999.995",
    "-0",
    "-0.00",
    "-0.004",
    "0.004",
    "+.005",
    "-.0",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e-400",
    "0x1F",
    "1_000",
    "\u0663",
    "\uff11\uff12",
    "\u00bd",
    "+",
    "-",
    ".",
    "1.2.3",
)
TEXTS = (
    "",
    "   ",
    "\t\r\n\x0b\x0c",
    "\u00a0\u3000\u2028\x85",
    "\x01\x1f\x7f",
    "\x1c",
    "\u200b",
    "\ufeff",
    "\u202eabc\u202c",
    "e\u0301",
    "\U0001f600" * 10,
    "\U0010ffff",
    "\u0130\u00df\ufb01\u03a3",
    "x" * LONG,
    "a" + " " * LONG + "b",
    "a@" + "a." * (LONG // 2),
    '"',
    '""',
    "'",
    "\\",
    "\\N",
    "\\'",
    "a,b\nc\r\nd",
    "=1+1",
    "@SUM(A1)",
    "-1+1",
    "+1+1",
    "null",
    "None",
    "$1",
    "%s",
    "{}",
)
EXTREMES = (*DATES, *NUMBERS, *TEXTS)


def lines_of(source: SourceTable) -> dict[int, tuple[str, str]]:
    """For each line, the column with an extreme value, and its text."""
    pairs = [(column, text) for column in source.columns for text in EXTREMES]
    return dict(enumerate(pairs, 2))


def reason_of(source: SourceTable, column: str, text: str, rules: Rules) -> str:
    """The expected reason of a line with good values in the other columns; blank if it is cleaned."""
    declared = source.cleaned.columns[column]
    data_type, text = declared.dtype.type, text.strip(" \t\r\n\x0b\x0c\u00a0\u3000\u2028\x85\u200b\ufeff")
    if not text:
        is_missing = not declared.nullable or f"{column}:missing" in source.cleaned.row_rules
        is_missing &= f"{source.name}.{column}" not in rules.fill
        return f"{column}:missing" if is_missing else ""
    problem = ""
    if isinstance(data_type, T.IntegerType | T.DecimalType):
        problem = of_number(column, data_type, text)
    elif isinstance(data_type, T.DateType | T.TimestampType):
        problem = of_day(source, column, text, timed=isinstance(data_type, T.TimestampType))
    return f"{column}:{problem}" if problem else ""


def of_number(column: str, data_type: T.DataType, text: str) -> str:
    pattern = r"[+-]?\d+([.]0*)?" if isinstance(data_type, T.IntegerType) else r"[+-]?(\d+([.]\d*)?|[.]\d+)"
    if not re.fullmatch(pattern, text, re.ASCII):
        return "not_a_number"
    exact = Decimal(text)
    if exact < (1 if column == "quantity" else 0):
        return "below_minimum"
    largest = Decimal("999999999.99") if isinstance(data_type, T.DecimalType) else Decimal(999_999_999)
    rounded = exact.quantize(Decimal("0.01"), ROUND_HALF_UP) if exact < largest + 1 else exact
    return "above_maximum" if rounded > largest else ""


def of_day(source: SourceTable, column: str, text: str, *, timed: bool) -> str:
    day = day_of(text, timed=timed)
    if day is None:
        return "" if column == "date_of_birth" else "not_a_date"
    if column == source.event_date:
        return "" if day.replace(day=1) == MARCH else "outside_calendar"
    if column == "date_of_birth" or str(day) in {"0001-01-01", "9999-12-31"}:
        return ""
    if column == "resolved_date" and day < date(2024, 3, 5):
        return "before_opened_date"
    return "below_minimum" if day < date(1900, 1, 1) else "above_maximum" if day > date(2099, 12, 31) else ""


def day_of(text: str, *, timed: bool) -> date | None:
    """The day in an ISO 8601 text; None if the day does not exist, or the time does not exist and matters."""
    pattern = r"(\d{4}-\d\d-\d\d)([T ](\d\d:\d\d(:\d\d)?)(\.\d{1,9})?( ?(Z|[+-]\d\d:?\d\d))?)?"
    found = re.fullmatch(pattern, text, re.ASCII)
    if not found:
        return None
    try:
        if timed and found[3]:
            time.fromisoformat(found[3])
        return date.fromisoformat(found[1])
    except ValueError:
        return None


ALL_TYPES = ("customers", "transactions", "web_activity")
"""Tables that together have every type and rule. The others run only on the first engine."""


@pytest.mark.parametrize(
    "table",
    [pytest.param(name, marks=pytest.mark.engine) if name in ALL_TYPES else name for name in SOURCE_TABLES],
)
def test_extremes_in_any_column_are_cleaned_or_quarantined(
    spark: SparkSession, rules: Rules, table: str, tmp_path: Path
) -> None:
    source = SOURCE_TABLES[table]
    texts = lines_of(source)
    lines: Sequence[Row] = [
        line_of(table, line, {column: text} | good_ticket(table, column))
        for line, (column, text) in texts.items()
    ]
    raw = frame_of(spark, source.raw.spark_schema, lines)
    judged = judge(raw, source, rules)
    for contract, rows in ((source.cleaned, cleaned_rows), (source.quarantine, quarantine_rows)):
        delta.write(
            rows(judged, source),
            str(tmp_path / contract.layer),
            schema=contract.spark_schema,
            partition_column=contract.partition_column,
        )

    cleaned, kept_out = (delta.read(spark, str(tmp_path / layer)) for layer in ("cleaned", "quarantine"))
    found = dict.fromkeys((row["source_line"] for row in cleaned.select("source_line").collect()), "")
    found |= {
        row["source_line"]: row["reasons"] for row in kept_out.select("source_line", "reasons").collect()
    }
    wrong = {
        (column, text[:40]): (found.get(line), expected)
        for line, (column, text) in texts.items()
        if found.get(line) != (expected := reason_of(source, column, text, rules))
    }
    assert wrong == {}
    counted = conservation(len(lines), raw, cleaned, kept_out, source)
    assert counted.holds
    assert broken_rules(cleaned, source.cleaned) == {}
    assert Counter(found.values())[""] == counted.cleaned


def good_ticket(table: str, column: str) -> Row:
    """A change that keeps an extreme opening day from breaking a second rule: no resolution day."""
    return {"resolved_date": ""} if table == "support_tickets" and column == "opened_date" else {}
