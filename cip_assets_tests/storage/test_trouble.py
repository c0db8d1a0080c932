"""Faults of the disk, and tables with missing or damaged files: one line each, which says what to do."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from cip_assets.config.settings import Settings
from cip_assets.storage.trouble import damage_of, trouble
from cip_assets_tests.conftest import Cip

DAY = date(2024, 3, 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A lake with one table, of two days in four commits."""
    found = Settings(tmp_path, "sail")
    for number, day in enumerate(["2024-03-01", "2024-03-02"] * 2):
        rows = pa.table({"customer_id": [str(number)], "as_of_date": [day]})
        write_deltalake(
            found.table_uri("marts", "customer_360"), rows, mode="append", partition_by=["as_of_date"]
        )
    return found


def _table(settings: Settings) -> Path:
    return Path(settings.table_uri("marts", "customer_360"))


def _commit(settings: Settings, version: int) -> Path:
    return _table(settings) / "_delta_log" / f"{version:020}.json"


def _data_file(settings: Settings) -> Path:
    return min((_table(settings) / "as_of_date=2024-03-02").glob("*.parquet"))


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda s: _commit(s, 0).unlink(), "00000000000000000000.json is missing"),
        (lambda s: _commit(s, 2).unlink(), "00000000000000000002.json is missing"),
        (lambda s: _commit(s, 0).write_bytes(_commit(s, 1).read_bytes()), "_delta_log cannot be read"),
        (lambda s: _cut_off(_commit(s, 3)), "_delta_log cannot be read"),
        (lambda s: _commit(s, 1).write_bytes(b"\xff\xfe"), "is cut off"),
        (lambda s: _data_file(s).unlink(), ".parquet is missing"),
        (lambda s: _cut_off(_data_file(s)), "does not have the size that it was written with"),
    ],
)
def test_a_damaged_table_is_named_with_the_file_and_the_remedy(
    settings: Settings, harm: Callable[[Settings], None], says: str
) -> None:
    assert trouble("an engine's error", settings) is None
    harm(settings)
    found = trouble("an engine's error", settings)
    assert found is not None
    assert found.startswith("marts/customer_360 is damaged: ")
    assert says in found
    assert found.endswith(f"move {_table(settings)} away and run 'cip run', which computes the table again")


def test_a_damaged_file_of_another_day_does_not_make_a_day_out_of_date(settings: Settings) -> None:
    _data_file(settings).unlink()
    assert damage_of(str(_table(settings)), DAY) is None
    assert "is missing" in str(damage_of(str(_table(settings)), date(2024, 3, 2)))


def test_commits_before_a_checkpoint_are_not_missed(settings: Settings) -> None:
    table = DeltaTable(_table(settings))
    table.create_checkpoint()
    _commit(settings, 0).unlink()
    assert damage_of(str(_table(settings))) is None


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_errors_of_a_full_disk_are_one_line(tmp_path: Path) -> None:
    """What the libraries raise: SQLite at its own limit; Python and delta-rs at a limit of the process."""
    settings = Settings(tmp_path, "sail")
    with sqlite3.connect(tmp_path / "full.db") as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.Error) as full:
            connection.execute("CREATE TABLE t (x)")
    assert f"the disk with {tmp_path} is full" in str(trouble(str(full.value), settings))
    with _largest_file(100):
        with pytest.raises(OSError, match="File too large") as too_large:
            (tmp_path / "big").write_bytes(bytes(200))
        with pytest.raises(DeltaError, match="os error 27") as in_delta:
            write_deltalake(tmp_path / "table", pa.table({"x": range(1000)}))
    for error in (too_large, in_delta):
        assert f"the disk with {tmp_path} is full or failing" in str(trouble(str(error.value), settings))


def test_the_command_line_prints_no_traceback(healthy: Path, cip_on: Callable[[Path], Cip]) -> None:
    cip = cip_on(healthy)
    cleaned = healthy / "lake" / "cleaned" / "transactions"
    _cut_off(max((cleaned / "_delta_log").glob("*.json")))
    code, _, error = cip("status")
    assert code == 1
    assert error.count("\n") == 1
    assert error.startswith("error cleaned/transactions is damaged: ")
    with (healthy / ".dagster" / "history" / "runs.db").open("r+b") as history:
        history.truncate(5000)
    code, _, error = cip("run")
    assert code == 1
    assert f"Dagster's history in {healthy}/.dagster is damaged" in error


def test_a_missing_file_of_the_snapshot_is_a_reason_to_compute_it(
    healthy: Path, cip_on: Callable[[Path], Cip]
) -> None:
    next((healthy / "lake" / "features" / "rfm").rglob("*.parquet")).unlink()
    _, shown, _ = cip_on(healthy)("status", "--plan")
    assert "a file of the table is missing or cut off" in shown
