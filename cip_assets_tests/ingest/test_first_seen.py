"""Files without a ``dt=`` were delivered when a scan first saw them, and the data folder remembers when that was."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.first_seen import Seen, first_seen
from cip_assets.ingest.manifest import ManifestEntry, manifest_entry, scan_landing, with_arrivals
from cip_assets.ingest.read import read_landing
from cip_assets.layers import SOURCE_TABLES
from cip_assets_tests.integration.helpers import LANDED, land

CALENDAR = Calendar(date(2023, 1, 1), date(2026, 12, 1))
MORNING = datetime(2026, 5, 2, 9, tzinfo=UTC)
EVENING = datetime(2026, 5, 2, 20, tzinfo=UTC)
HEADER = "table,sha256,first_seen,path\n"
FIX = "T1,C1,P1,1,10.00,10.00,PayPal,2024-01-10\nT9,C1,P1,1,10.00,10.00,PayPal,soon\n"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "first_seen.csv"


def sales(*contents: str) -> list[Seen]:
    return [Seen("transactions", content, f"transactions/{content}.csv") for content in contents]


def seen(record: Path, files: Sequence[Seen], now: datetime) -> dict[str, datetime | None]:
    return {content: moment for (_, content), moment in first_seen(record, files, now).items()}


def test_the_first_files_have_no_moment_and_those_of_a_later_scan_have_its(record: Path) -> None:
    assert seen(record, sales("A", "B"), MORNING) == {"A": None, "B": None}
    assert seen(record, sales("A", "C"), EVENING)["C"] == EVENING
    # The content counts, wherever it lies, and also if it was away.
    later = EVENING + timedelta(days=1)
    renamed = [Seen("transactions", "A", "transactions/z.csv"), *sales("B", "C", "D")]
    assert seen(record, renamed, later) == {"A": None, "B": None, "C": EVENING, "D": later}


def test_a_later_scan_is_later_also_if_the_clock_went_back(record: Path) -> None:
    seen(record, sales("A"), MORNING)
    seen(record, sales("A", "B"), EVENING)
    found = seen(record, sales("A", "B", "C"), MORNING)
    assert found["B"] == EVENING
    assert found["C"] is not None
    assert found["C"] > EVENING


def test_a_table_has_first_files_of_its_own(record: Path) -> None:
    first_seen(record, sales("A"), MORNING)
    returned = Seen("returns", "A", "returns.csv")
    assert first_seen(record, [*sales("A", "B"), returned], EVENING) == {
        ("transactions", "A"): None,
        ("transactions", "B"): EVENING,
        ("returns", "A"): None,
    }


def test_the_record_is_written_only_if_something_is_new(record: Path) -> None:
    assert first_seen(record, [], MORNING) == {}
    assert not record.exists()
    first_seen(record, [Seen("returns", "A", "returns/a, b.csv")], MORNING)
    two_hours_ahead = timezone(timedelta(hours=2))
    first_seen(record, [Seen("returns", "C", "returns/c.csv")], EVENING.astimezone(two_hours_ahead))
    assert record.read_text("utf-8") == (
        'table,sha256,first_seen,path\nreturns,A,,"returns/a, b.csv"\n'
        "returns,C,2026-05-02T20:00:00+00:00,returns/c.csv\n"
    )
    time = record.stat().st_mtime_ns
    first_seen(record, [Seen("returns", "A", "returns/a.csv")], EVENING)
    assert record.stat().st_mtime_ns == time


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not enough values"),
        ("sha256,path\n", "its header is not table,sha256,first_seen,path"),
        (f"{HEADER}returns,A,2026-05-02\n", "not enough values"),
        (f"{HEADER}returns,A,yesterday,a.csv\n", "Invalid isoformat string: 'yesterday'"),
        (f"{HEADER}returns,A,2026-05-02T20:00:00,a.csv\n", "a moment has no time zone"),
    ],
)
def test_a_damaged_record_is_one_line(record: Path, text: str, why: str) -> None:
    record.write_text(text, encoding="utf-8")
    with pytest.raises(PlatformError) as refused:
        first_seen(record, [], MORNING)
    assert why in str(refused.value)
    assert "put it back as it was, or delete it" in str(refused.value)
    assert record.read_text("utf-8") == text


@pytest.mark.engine
def test_the_manifest_says_when_a_file_was_seen(spark: SparkSession, tmp_path: Path, record: Path) -> None:
    landing = tmp_path / "landing"
    land(landing, "transactions.csv", LANDED["transactions"])
    land(landing, "customers.csv", LANDED["customers"])

    def scan(now: datetime) -> dict[str, ManifestEntry]:
        rows = with_arrivals(scan_landing(spark, landing, CALENDAR), record, now).collect()
        return {row["path"]: manifest_entry(row.asDict()) for row in rows}

    first = scan(MORNING)["transactions.csv"]
    assert (first.first_seen, first.delivery_date, first.seen) == (None, date(2024, 2, 12), None)
    land(landing, "transactions/fix.csv", FIX)
    land(landing, "transactions/dt=2024-03-01/late.csv", FIX.replace("10.00", "11.00"))
    land(landing, "transactions/from_exports/2024-01.csv", FIX.replace("10.00", "12.00"))
    land(landing, "transactions/broken.csv", FIX, columns="a,b")
    land(landing, "customers/more.csv", LANDED["customers"].replace("C1", "C3"))
    found = scan(EVENING)
    assert {path: entry.delivery_date for path, entry in found.items()} == {
        "transactions.csv": date(2024, 2, 12),
        "transactions/fix.csv": date(2026, 5, 2),
        "transactions/dt=2024-03-01/late.csv": date(2024, 3, 1),
        "transactions/from_exports/2024-01.csv": date(2024, 1, 10),  # it is made anew at each change
        "transactions/broken.csv": None,
        "customers.csv": None,
        "customers/more.csv": None,
    }
    assert {path for path, entry in found.items() if entry.first_seen} == {"transactions/fix.csv"}
    fix = found["transactions/fix.csv"]
    assert fix.seen == "2026-05-02T20:00:00.000000Z 2024-01-10"
    # A line without a day belongs to the month of the others, and not to that of the scan.
    assert fix.month_rows == {"2024-01-01": 2}
    rows = read_landing(spark, landing, SOURCE_TABLES["transactions"], [fix, first], CALENDAR).collect()
    assert {(row["source_file"], row["source_seen"], row["delivery_date"]) for row in rows} == {
        ("transactions.csv", None, date(2024, 2, 12)),
        ("transactions/fix.csv", fix.seen, date(2026, 5, 2)),
    }
    assert {row["month"] for row in rows if row["source_seen"]} == {date(2024, 1, 1)}
    assert scan(EVENING + timedelta(days=9)) == found
