"""Which days a commit changed, on real tables."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from cip_assets.storage import delta
from cip_assets.storage.changes import Compared, changes_rows, first_change

COMPARED = Compared(("id", "day", "amount"), "day")
JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
LATER = date(2024, 12, 31)
Row = tuple[str, date, int, str]


def write(uri: Path, month: date, rows: Sequence[Row]) -> int:
    """Replace a month, as one commit; return its version."""
    names = ("id", "day", "amount", "file")
    columns: dict[str, list[object]] = {
        name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    table = pa.table({**columns, "month": [month] * len(rows)})
    write_deltalake(
        uri,
        table,
        mode="overwrite",
        partition_by=["month"],
        predicate=f"month = '{month}'" if delta.exists(str(uri)) else None,
    )
    return DeltaTable(uri).version()


def rows(month: date, *amounts: int, file: str = "a") -> list[Row]:
    """A row on the first day of a month, one on the second, and so on."""
    return [(f"{month}-{n}", month + timedelta(days=n), amount, file) for n, amount in enumerate(amounts)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two months."""
    uri = tmp_path / "my shop ä" / "facts"
    write(uri, JANUARY, rows(JANUARY, 10, 20, 30))
    write(uri, FEBRUARY, rows(FEBRUARY, 40, 50))
    return uri


def test_a_first_write_changes_the_days_of_its_rows(table: Path) -> None:
    assert first_change(str(table), 1, COMPARED, LATER) == FEBRUARY
    assert not changes_rows(str(table), 1, COMPARED, date(2024, 1, 31))
    assert changes_rows(str(table), 1, COMPARED, FEBRUARY)
    assert changes_rows(str(table), 1, COMPARED, LATER)


def test_a_new_day_leaves_the_days_before_as_they_were(table: Path) -> None:
    version = write(table, FEBRUARY, rows(FEBRUARY, 40, 50, 60))
    assert first_change(str(table), version, COMPARED, LATER) == date(2024, 2, 3)
    assert not changes_rows(str(table), version, COMPARED, date(2024, 2, 2))
    assert changes_rows(str(table), version, COMPARED, date(2024, 2, 3))


def test_the_same_rows_in_another_order_and_of_another_file_change_nothing(table: Path) -> None:
    version = write(table, FEBRUARY, rows(FEBRUARY, 40, 50, file="b")[::-1])
    assert first_change(str(table), version, COMPARED, LATER) is None
    assert not changes_rows(str(table), version, COMPARED, LATER)


@pytest.mark.parametrize(
    ("amounts", "changed"),
    [((41, 50), date(2024, 2, 1)), ((40, 51), date(2024, 2, 2)), ((40,), date(2024, 2, 2))],
    ids=["the first day", "the second day", "a day without rows now"],
)
def test_a_correction_changes_its_own_day_and_those_after(
    table: Path, amounts: tuple[int, ...], changed: date
) -> None:
    version = write(table, FEBRUARY, rows(FEBRUARY, *amounts))
    assert first_change(str(table), version, COMPARED, LATER) == changed
    assert not changes_rows(str(table), version, COMPARED, changed - timedelta(days=1))


def test_amounts_that_change_places_are_a_change(table: Path) -> None:
    """Hashes of whole rows are added up, not those of single values."""
    version = write(table, FEBRUARY, rows(FEBRUARY, 50, 40))
    assert first_change(str(table), version, COMPARED, LATER) == FEBRUARY


def test_two_equal_rows_are_not_none(table: Path) -> None:
    """An exclusive or of the hashes would be 0 for both."""
    twice = rows(FEBRUARY, 40, 50) * 2
    assert changes_rows(str(table), write(table, FEBRUARY, twice), COMPARED, LATER)


def test_a_restore_changes_back_what_it_undoes(table: Path) -> None:
    write(table, FEBRUARY, rows(FEBRUARY, 40, 51))
    version = delta.restore(str(table), 1)
    assert first_change(str(table), version, COMPARED, LATER) == date(2024, 2, 2)


def test_a_month_whose_old_files_were_deleted_counts_as_changed(table: Path) -> None:
    old = list(table.glob("month=2024-02-01/*.parquet"))
    version = write(table, FEBRUARY, rows(FEBRUARY, 40, 50, 60))
    for file in old:
        file.unlink()
    assert first_change(str(table), version, COMPARED, LATER) == FEBRUARY


def test_a_table_without_days_changes_as_a_whole(tmp_path: Path) -> None:
    uri = tmp_path / "customers"
    for version, names in enumerate((["a", "b"], ["b", "a"], ["a", "c"])):
        write_deltalake(uri, pa.table({"id": names}), mode="overwrite")
        is_other = version != 1
        assert changes_rows(str(uri), version, Compared(("id",)), JANUARY) == is_other
    assert first_change(str(uri), 2, Compared(("id",)), JANUARY) == date.min
