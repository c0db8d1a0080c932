"""Snapshot assets are computed if they are missing, older than their inputs, unchecked or altered."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.due.up_to_date import state_of
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import files_of, land

DAY = date(2024, 2, 12)
MONTHLY = {"marts/kpi_monthly_revenue", "exports/kpi_monthly_revenue"}
RFM = {"features/purchases", "features/rfm_cut_points", "features/rfm"}
ALL = MONTHLY | RFM | {"features/split_orders"}
Due = Callable[[], set[str]]


@pytest.fixture
def platform(healthy: Path) -> Iterator[Platform]:
    """The assets of two short paths, on a folder after a complete run."""
    made = open_platform(Settings(healthy, ENGINE), select=["exports/kpi_monthly_revenue", "features/rfm"])
    with made.instance:
        yield made


@pytest.fixture
def due(platform: Platform) -> Due:
    """The assets that would be computed."""

    def ask(day: date = DAY) -> set[str]:
        assets = platform.snapshot_assets
        found = state_of(platform.settings, platform.graph, platform.instance, assets, day)
        return {key.to_user_string() for key in found.reasons}

    return ask


def write_again(platform: Platform, name: str, **audit: object) -> None:
    """Write a table's rows again, with different audit entries in the log."""
    table = DeltaTable(platform.settings.table_uri(*name.split("/")))
    written = next(delta.history(table, 1)).audit
    message = CommitProperties(custom_metadata={"userMetadata": json.dumps({**written, **audit})})
    write_deltalake(table, table.to_pyarrow_table(), mode="overwrite", commit_properties=message)


def test_after_a_run_everything_is_up_to_date_with_its_rows_and_checks(platform: Platform, due: Due) -> None:
    assert due() == set()
    report, before = Report(), files_of(platform.settings)
    platform.snapshot(report)
    assert set(report.up_to_date) == ALL
    assert report.rows["exports/kpi_monthly_revenue"] == 2
    assert report.rows["features/purchases"] == 2
    assert {(c.asset, c.name) for c in report.checks} >= {("exports/kpi_monthly_revenue", "file")}
    assert all(check.passed for check in report.checks)
    assert (report.seconds, files_of(platform.settings)) == ({}, before)


def test_another_day_is_not_up_to_date(due: Due) -> None:
    assert due(date(2024, 2, 11)) == ALL


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_a_missing_or_altered_file_is_written_again(platform: Platform, due: Due, fault: str) -> None:
    file = platform.settings.final / "kpi_monthly_revenue.csv"
    content = file.read_text("utf-8")
    file.unlink()
    if fault == "altered":
        file.write_text(content.replace("12.50", "12.51"), "utf-8")
    assert due() == {"exports/kpi_monthly_revenue"}
    platform.snapshot(Report())
    assert file.read_text("utf-8") == content
    assert due() == set()


def test_an_altered_table_and_everything_downstream_are_out_of_date(platform: Platform, due: Due) -> None:
    uri = platform.settings.table_uri("marts", "kpi_monthly_revenue")
    DeltaTable(uri).update({"orders": "orders + 1"})
    assert due() == MONTHLY


def test_a_restored_table_is_out_of_date(platform: Platform, due: Due) -> None:
    delta.restore(platform.settings.table_uri("features", "purchases"), 0)
    assert due() == RFM


def test_everything_downstream_of_a_newly_written_table_is_out_of_date(platform: Platform, due: Due) -> None:
    write_again(platform, "cleaned/transactions")
    assert due() == ALL


def test_after_maintenance_everything_is_still_up_to_date(platform: Platform, due: Due) -> None:
    delta.maintain(platform.settings.table_uri("cleaned", "transactions"), keep=timedelta())
    assert due() == set()


def test_a_table_written_by_other_code_is_out_of_date(platform: Platform, due: Due) -> None:
    write_again(platform, "features/purchases", code_version="older")
    assert due() == RFM


def test_a_table_that_was_not_checked_since_its_write_is_out_of_date(platform: Platform, due: Due) -> None:
    """A run can be killed between the two. Then the next asset would use rows that were never checked."""
    write_again(platform, "features/purchases")
    assert due() == RFM
    platform.snapshot(Report())
    assert due() == set()


def test_a_table_with_a_failed_check_is_out_of_date(platform: Platform, due: Due) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(["features", "purchases"]), "contract")
    failed = dg.AssetCheckEvaluation(
        key.asset_key, key.name, passed=False, metadata={}, severity=dg.AssetCheckSeverity.ERROR
    )
    platform.instance.report_runless_asset_event(failed)
    assert due() == RFM


def test_after_a_clock_that_went_back_and_a_delivery_a_second_run_computes_nothing(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two clocks that Dagster's events and the commits are dated by, one goes back: nothing may compare them."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 7200)
    land(
        platform.settings.landing,
        "transactions/dt=2024-02-14/t.csv",
        "T4,C2,P1,1,2.50,2.50,Cash,2024-02-14\n",
    )
    first = platform.run()
    assert first.succeeded
    assert "features/rfm" in first.reasons
    before = files_of(platform.settings)
    second = platform.run()
    assert second.succeeded
    assert (second.reasons, second.ingested, set(second.up_to_date)) == ({}, [], ALL)
    assert files_of(platform.settings) == before


def test_a_table_from_a_backup_that_was_written_since_is_not_the_one_that_was_checked(
    platform: Platform, due: Due
) -> None:
    """It counts its versions on from the backup, and so has the number of the one that was checked."""
    uri = platform.settings.table_uri("features", "purchases")
    backup = Path(shutil.copytree(uri, f"{uri}.backup"))
    write_again(platform, "features/purchases")
    platform.snapshot(Report())
    assert due() == set()
    checked = delta.current_version(uri)
    shutil.rmtree(uri)
    backup.rename(uri)
    while delta.current_version(uri) < checked:
        write_again(platform, "features/purchases")
    assert due() == RFM


def test_an_asset_that_is_not_part_of_a_snapshot_is_named(healthy: Path) -> None:
    with pytest.raises(
        PlatformError, match="'marts/sales' matches no asset of a snapshot. Choose one of: exports/"
    ):
        open_platform(Settings(healthy, ENGINE), select=["marts/sales"])
