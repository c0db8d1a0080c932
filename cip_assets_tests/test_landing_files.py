"""The steps of docs/landing-files.md give the documented results, and its tables match the code."""

import csv
import gzip
import io
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyspark.sql.types as T
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.discover import find_files
from cip_assets.ingest.in_step import require_files
from cip_assets.layers import SOURCE_TABLES
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.documents import ROOT, quoted, sections, table_in
from cip_assets_tests.integration.helpers import exported, rows_of
from cip_assets_tests.layers.frames import collected
from cip_assets_tests.layers.lines import entry_of, lines_of, lines_of_scans

MAY = date(2024, 5, 1)


GUIDE = (ROOT / "docs" / "landing-files.md").read_text(encoding="utf-8")
SECTIONS = sections(GUIDE)


def rows_in(section: str, heading: str) -> list[list[str]]:
    return table_in(SECTIONS[section], heading)


# --- the example ----------------------------------------------------------------------------------------------

STEP = re.compile(
    r"`(?P<path>(?:landing|final)/[^`]+[.]csv)`[^`]*\n\n```csv\n(?P<rows>.*?)^```"
    r"|[.]venv/bin/cip (?P<command>[\w ]+)(?P<fails>` exits with 1)?"
    r"|^```text\n(?P<printed>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
"""A file to land or to compare with, a command to run, or its output."""


def test_the_example_gives_the_documented_results(cip: Cip, data_dir: Path) -> None:
    settings = Settings(data_dir, ENGINE)
    printed: list[str] = []
    steps = list(STEP.finditer(SECTIONS["An example"]))
    for step in steps:
        path, rows = step["path"], step["rows"]
        if step["command"]:
            code, out, errors = cip(*step["command"].split())
            assert code == (1 if step["fails"] else 0), errors
            printed = [*out.splitlines(), *errors.splitlines()]
        elif step["printed"]:
            for line in step["printed"].splitlines():
                assert any(shown.startswith(line) for shown in printed), f"not printed: {line}"
        elif path.startswith("landing/"):
            (data_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (data_dir / path).write_text(rows, encoding="utf-8")
        else:
            expected = list(csv.DictReader(io.StringIO(rows)))
            actual = exported(settings, Path(path).stem)
            assert [{name: row[name] for name in expected[0]} for row in actual] == expected
    assert [len([s for s in steps if s[kind]]) for kind in ("path", "command", "printed")] == [12, 3, 3]

    (totals,) = exported(settings, "kpi_totals")
    assert totals["total_revenue"] == "355.00"  # as it was before the file that cannot be read
    outcomes = [row["outcome"] for row in rows_of(settings, "quarantine/transactions")]
    assert sorted(outcomes) == ["quarantined", "superseded"]
    assert {row["channel"] for row in rows_of(settings, "raw/transactions")} == {"web", "shop", None}
    assert {row["answer"].partition(":")[0] for row in exported(settings, "insights")} == {
        "Cannot tell yet whether repeat purchases changed",
        "Cannot tell yet whether returns changed",
        "Cannot tell yet whether complaints changed",
        "Cannot tell yet whether engagement predicts churn",
    }
    assert {row["forecast_model"] for row in exported(settings, "customer_360")} == {"pooled_rate", ""}


# --- files and columns ----------------------------------------------------------------------------------------


def test_files_are_read_or_not_as_documented(tmp_path: Path) -> None:
    taken = [path for cell, _ in rows_in("Files and folders", "path") for path in quoted(cell)]
    (strange,) = re.findall(r"\n- (`Customers.*?)belong to no table", GUIDE, re.DOTALL)
    (refused,) = re.findall(r"`dt=YYYY-MM-DD`[.] (`customers.*?)stop their table", GUIDE, re.DOTALL)
    not_read = [
        *quoted(strange),
        "_notes.csv",
        "customers/.part.csv",
        "customers/list.xlsx",
        "customers.parquet",
    ]
    for path in [*taken, *not_read, *quoted(refused)]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found, left_aside = find_files(tmp_path)
    assert sorted(file.path for file in found if not file.problem) == sorted(taken)
    assert sorted(file.path for file in found if file.problem) == sorted(quoted(refused))
    assert {file.table for file in found} == {"customers"}
    beside_a_day = [path for path in taken if "dt=" not in path]
    assert sorted(left.path for left in left_aside) == sorted([*not_read, *beside_a_day])
    assert (len(quoted(strange)), len(quoted(refused))) == (4, 3)


@pytest.mark.parametrize("source", SOURCE_TABLES.values(), ids=lambda source: source.name)
def test_the_columns_match_the_contracts(source: SourceTable, rules: Rules) -> None:
    (cells,) = (row[1:] for row in rows_in("Columns", "table") if row[0] == source.name)
    fill = {name: rules.fill.get(f"{source.name}.{name}") for name in source.columns}
    rules_of_rows = source.cleaned.row_rules
    required = [
        name
        for name in source.columns
        if not source.cleaned.columns[name].nullable or f"{name}:missing" in rules_of_rows
    ]
    assert cells == [
        ", ".join(name for name in required if not fill[name]),
        ", ".join(name for name in source.columns if name not in required and not fill[name]),
        ", ".join(f"{name}: {word}" for name, word in fill.items() if word),
    ]


def test_no_source_column_is_a_boolean() -> None:
    types = {
        type(source.cleaned.columns[name].dtype.type)
        for source in SOURCE_TABLES.values()
        for name in source.columns
    }
    assert types == {T.StringType, T.DateType, T.TimestampType, T.IntegerType, T.DecimalType}


HEADER = ",".join(SOURCE_TABLES["transactions"].columns)
GOOD = f"{HEADER}\nT1,C1,P1,1,1.00,1.00,Cash,2024-05-01\n"
COLUMN_OF = {"dates": "transaction_date", "quantity": "quantity", "amounts and prices": "amount"}


def test_values_are_read_or_quarantined_as_documented(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    cases = {
        f"{COLUMN_OF[values]} {text}": (COLUMN_OF[values], text, fate)
        for values, read, quarantined in rows_in("Columns", "values")
        for fate, texts in (("read", read), ("quarantined", quarantined))
        for text in quoted(texts)
    }
    assert len(cases) > 20
    file = io.StringIO()
    (good,) = csv.DictReader(io.StringIO(GOOD))
    writer = csv.DictWriter(file, good)
    writer.writeheader()
    writer.writerows(
        {**good, "transaction_id": case, column: text} for case, (column, text, _) in cases.items()
    )
    lines = lines_of(spark, rules, tmp_path, {"transactions/dt=2024-05-31/a.csv": file.getvalue()}, MAY)
    fates = {row["transaction_id"]: "read" for row in collected(lines.cleaned)}
    fates |= {row["transaction_id"]: row["outcome"] for row in collected(lines.kept_out)}
    assert fates == {case: fate for case, (_, _, fate) in cases.items()}


# --- duplicates -----------------------------------------------------------------------------------------------

BEFORE = f"{GOOD}T2,C1,P1,1,1.00,1.00,Cash,2024-05-20\n"
CORRECTION = f"{HEADER}\nT1,C1,P1,1,2.00,2.00,Cash,2024-05-01\n"


@pytest.mark.parametrize(
    ("path", "found_later", "wins"),
    [
        ("transactions/dt=2024-05-21/fix.csv", False, "2.00"),
        ("transactions/dt=2024-04-21/older.csv", True, "1.00"),
        ("transactions/fix.csv", False, "1.00"),
        ("transactions/fix.csv", True, "2.00"),
    ],
)
def test_a_correction_wins_by_its_folder_date_or_by_a_later_scan(
    spark: SparkSession, rules: Rules, tmp_path: Path, path: str, *, found_later: bool, wins: str
) -> None:
    landing, scans = tmp_path / "landing", [{"transactions.csv": BEFORE, path: CORRECTION}]
    if found_later:
        scans.insert(0, {"transactions.csv": BEFORE})
    lines = lines_of_scans(spark, rules, landing, scans, MAY)
    amounts = {row["transaction_id"]: str(row["amount"]) for row in collected(lines.cleaned)}
    assert amounts == {"T1": wins, "T2": "1.00"}


# --- bad files ------------------------------------------------------------------------------------------------

RETURNS = ",".join(SOURCE_TABLES["returns"].columns)
ROW = "R1,T1,C1,P1,1.00,Other,2024-05-01"
LATIN = ROW.replace("Other", "Caf\u00e9")
QUOTE = ROW.replace("Other", '"Other')
NOT_DOUBLED = ROW.replace("Other", '"Screen 27" broken"')
BACKSLASH = ROW.replace("Other", '"Screen 27\\""')
BAD_FILES: Mapping[str, bytes | None] = {
    "has no content": b"",
    "lacks columns": RETURNS.replace(",return_reason", "").encode(),
    "has semicolons or tabs": RETURNS.replace(",", ";").encode(),
    "names a column twice": f"{RETURNS},amount".encode(),
    "has a column with a reserved name": f"{RETURNS},month".encode(),
    "begins with a blank line": f"\n{RETURNS}\n".encode(),
    "is Latin-1 or Windows-1252": f"{RETURNS}\n{LATIN}\n".encode("latin-1"),
    "is UTF-16": RETURNS.encode("utf-16"),
    "is gzip data without `.gz` in its name": gzip.compress(RETURNS.encode()),
    "is a workbook": b"PK\x03\x04\x14\0\x06\0",
    "has a quote that is not closed": f"{RETURNS}\n{QUOTE}\n{ROW}\n".encode(),
    "has a quote that is not doubled": f"{RETURNS}\n{NOT_DOUBLED}\n{ROW}\n".encode(),
    "has quotes escaped with backslashes": f"{RETURNS}\n{BACKSLASH}\n{BACKSLASH}\n{ROW}\n".encode(),
    "has an invisible character in the header": f"\u200b{RETURNS}\n{ROW}\n".encode(),
    "is in a folder with an invalid day": RETURNS.encode(),
    "has a delivery date in the future": RETURNS.encode(),
    "is not gzip data, or is cut off": RETURNS.encode(),
    "is missing, although the table has rows": None,
}


@pytest.mark.parametrize(("what", "line"), rows_in("Bad files", "the file"))
def test_a_bad_file_gives_the_documented_line(what: str, line: str, tmp_path: Path, rules: Rules) -> None:
    content = BAD_FILES[what]
    path = quoted(line)[0].split(": ")[1] if content is not None else ""
    entries = []
    if content is not None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
        entries = [
            entry_of(
                tmp_path, path, Calendar(rules.calendar.first_month, MAY, last_delivery=date(2024, 6, 1))
            )
        ]
    settings = Settings(tmp_path, ENGINE)
    row = {"month": "2024-05-01", "source_file": "returns.csv", "source_version": "0", "source_line": 2}
    write_deltalake(settings.table_uri("raw", "returns"), pa.Table.from_pylist([row]))
    with pytest.raises(PlatformError) as refused:
        require_files(settings, SOURCE_TABLES["returns"], entries)
    assert f"`error {refused.value}`" == line


# --- limits ------------------------------------------------------------------------------------------


def test_the_limits_match_the_rules(rules: Rules) -> None:
    text, quality = " ".join(GUIDE.split()), rules.quality
    assert f"`calendar.first_month` of the rules ({rules.calendar.first_month:%Y-%m})" in text
    assert f"more than {quality.max_orphan_share:.0%} of a table's rows are orphans, the check" in text
    assert (
        f"more than {quality.max_quarantined_share:.0%} of a table's lines are quarantined, the check" in text
    )
    assert f"fails if this affects more than {quality.max_conflicting_ids_share:.0%} of a month's ids" in text
    assert (quality.max_delivery_drop, quality.max_delivery_growth) == (0.5, 10)
    assert "less than half of the rows of the one before, or more than ten times as many" in text
