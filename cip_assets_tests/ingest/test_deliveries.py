"""A full delivery with far fewer or far more rows is refused and named; an accepted one is not refused again."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.ingest.deliveries import counted, refuse_unlikely
from cip_assets.ingest.manifest import ManifestEntry
from cip_assets.layers import SOURCE_TABLES

CUSTOMERS = SOURCE_TABLES["customers"]
MARCH_1, MARCH_6, MARCH_7 = date(2024, 3, 1), date(2024, 3, 6), date(2024, 3, 7)


def file(rows: int, day: date | None = None, name: str = "a.csv") -> ManifestEntry:
    path = f"customers/dt={day}/{name}" if day else f"customers/{name}"
    return ManifestEntry(path, 0, f"{rows:016d}" * 4, day, {}, rows, CUSTOMERS.columns, None)


def hold(settings: Settings, entries: Sequence[ManifestEntry]) -> None:
    """Write the rows of these files to raw."""
    files = [(entry.path, entry.version) for entry in entries for _ in range(entry.row_count)]
    columns = {
        "source_file": pa.array([path for path, _ in files], pa.string()),
        "source_version": pa.array([version for _, version in files], pa.string()),
    }
    write_deltalake(settings.table_uri("raw", "customers"), pa.table(columns), mode="overwrite")


def refusal(
    folder: Path, rules: Rules, landed: Sequence[ManifestEntry], held: Sequence[ManifestEntry] | None = None
) -> str | None:
    settings = Settings(folder, "sail")
    if held is not None:
        hold(settings, held)
    try:
        refuse_unlikely(settings, CUSTOMERS, landed, rules.quality)
    except PlatformError as error:
        return str(error)
    return None


# The landed files, the files in raw (None before the first run), and the beginning of the message.
CASES = {
    "the first one, and empty": ([file(0)], None, None),
    "empty after one with rows, both before the first run": (
        [file(2, MARCH_1), file(0, MARCH_6)],
        None,
        (
            "customers: the delivery of 2024-03-06 has 0 rows, but the one of 2024-03-01 had 2 "
            "(quality.max_delivery_drop is 50%)"
        ),
    ),
    "empty twice, all before the first run": (
        [file(2, MARCH_1), file(0, MARCH_6), file(0, MARCH_7)],
        None,
        "customers: the delivery of 2024-03-07 has 0 rows, but the one of 2024-03-01 had 2",
    ),
    "empty again, after an empty one was refused": (
        [file(2, MARCH_1), file(0, MARCH_6), file(0, MARCH_7)],
        [file(2, MARCH_1)],
        "customers: the delivery of 2024-03-07 has 0 rows, but raw/customers has 2",
    ),
    "replaced by only its header": (
        [file(0)],
        [file(9)],
        "customers: the delivery without a dt= has 0 rows, but raw/customers has 9",
    ),
    "half of the rows": ([file(10, MARCH_1), file(5, MARCH_6)], [file(10, MARCH_1)], None),
    "less than half": (
        [file(10, MARCH_1), file(4, MARCH_6)],
        [file(10, MARCH_1)],
        "customers: the delivery of 2024-03-06 has 4 rows, but raw/customers has 10 (quality.max_delivery_drop",
    ),
    "in two files": (
        [file(10, MARCH_1), file(4, MARCH_6), file(5, MARCH_6, "b.csv")],
        [file(10, MARCH_1)],
        None,
    ),
    "ten times the rows": ([file(10, MARCH_1), file(100, MARCH_6)], [file(10, MARCH_1)], None),
    "more than ten times": (
        [file(10, MARCH_1), file(101, MARCH_6)],
        [file(10, MARCH_1)],
        (
            "customers: the delivery of 2024-03-06 has 101 rows, but raw/customers has 10 "
            "(quality.max_delivery_growth is 10 times)"
        ),
    ),
    "rows after an empty one": ([file(0, MARCH_1), file(900, MARCH_6)], [file(0, MARCH_1)], None),
    "accepted before": ([file(9, MARCH_1), file(1, MARCH_6)], [file(1, MARCH_6)], None),
    "accepted before, and empty": ([file(9, MARCH_1), file(0, MARCH_6)], [], None),
    "an older one again, after the newest was removed": (
        [file(9, MARCH_1)],
        [file(100, MARCH_6)],
        "customers: the delivery of 2024-03-01 has 9 rows, but raw/customers has 100",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_delivery_is_refused_or_not(case: str, tmp_path: Path, rules: Rules) -> None:
    landed, held, expected = CASES[case]
    found = refusal(tmp_path, rules, landed, held)
    assert (found is None) == (expected is None)
    assert (found or "").startswith(expected or "")


def test_the_message_says_how_to_accept_the_delivery(tmp_path: Path, rules: Rules) -> None:
    found = refusal(tmp_path, rules, [file(0)], [file(9)])
    assert found is not None
    assert found.endswith(
        "; deliver it again, or accept it: cip run --accept customers (in the Dagster UI, materialize raw/customers "
        "with the config accept: true)"
    )


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([100, 101, 99], [100, 101, 99]),
        # A failed export, after which the table is as large as before.
        ([100, 0, 100], [100, 100]),
        ([100, 5000, 100], [100, 100]),
        # The table really shrank, and really grew.
        ([100, 10, 11], [100, 10, 11]),
        ([10, 500, 510], [10, 500, 510]),
        # The newest one counts: if it was not accepted, it is not in the table.
        ([100, 0], [100, 0]),
        ([0, 100], [0, 100]),
        ([], []),
    ],
)
def test_a_failed_export_is_not_a_delivery_of_the_history(
    rules: Rules, rows: list[int], kept: list[int]
) -> None:
    entries = [file(count, date(2024, 5, n)) for n, count in enumerate(rows, 1)]
    found = counted(entries, rules.quality)
    assert [entry.row_count for (entry,) in found] == kept
