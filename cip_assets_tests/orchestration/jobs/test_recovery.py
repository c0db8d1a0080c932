"""Recovery: restore a version, maintain tables without losing recent versions, clean quarantined lines again."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import MAINTENANCE, REPLAY, RESTORE
from cip_assets.orchestration.jobs.recovery import computed_from_later
from cip_assets.orchestration.runs import Platform
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import computes_only
from cip_assets_tests.integration.helpers import rows_of

MakePlatform = Callable[..., Platform]
TOTALS = "marts/kpi_totals"
RFM = "features/rfm"
SEGMENTS = "features/segments"


def altered(data_dir: Path, name: str, change: dict[str, str]) -> DeltaTable:
    table = DeltaTable(str(data_dir / "lake" / name))
    table.update(change)
    return table


def test_a_table_is_restored_if_nothing_was_computed_from_a_later_version(
    healthy: Path, platform_on: MakePlatform
) -> None:
    platform = platform_on(healthy)
    before = rows_of(platform.settings, TOTALS)
    version = altered(healthy, TOTALS, {"buyers": "buyers + 1"}).version() - 1
    # The files were exported before the change, so they agree with the version.
    assert platform.recover(RESTORE, {"table": TOTALS, "version": version}) == []
    assert rows_of(platform.settings, TOTALS) == before


def test_a_table_is_restored_to_a_time(healthy: Path, platform_on: MakePlatform) -> None:
    platform = platform_on(healthy)
    before = rows_of(platform.settings, TOTALS)
    moment = datetime.now(UTC).isoformat()
    altered(healthy, TOTALS, {"buyers": "buyers + 1"})
    platform.recover(RESTORE, {"table": TOTALS, "to": moment})
    assert rows_of(platform.settings, TOTALS) == before


def test_a_restore_is_refused_if_downstream_tables_would_no_longer_match(healthy: Path) -> None:
    version = DeltaTable(str(healthy / "lake" / RFM)).version()
    platform = open_platform(Settings(healthy, ENGINE))
    with platform.instance, pytest.raises(PlatformError) as refused:
        platform.recover(RESTORE, {"table": RFM, "version": version - 1})
    assert (
        "version 0 is older than the one that these tables were computed from: exports/customer_360"
        in str(refused.value)
    )
    assert "; restore those tables first, or set force and rerun them" in str(refused.value)
    assert "marts/customer_360" in str(refused.value)
    assert DeltaTable(str(healthy / "lake" / RFM)).version() == version


def test_a_forced_restore_returns_the_tables_that_need_a_rerun(healthy: Path) -> None:
    platform = open_platform(Settings(healthy, ENGINE))
    with platform.instance:
        run_again = platform.recover(RESTORE, {"table": RFM, "version": 0, "force": True})
    assert {"features/segments", "marts/customer_360", "exports/customer_360"} <= set(run_again)
    assert "features/purchases" not in run_again
    assert rows_of(platform.settings, RFM) == []


def test_a_restore_is_not_refused_once_the_downstream_tables_were_restored(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computes_only(monkeypatch, RFM, SEGMENTS)
    altered(healthy, RFM, {"frequency": "frequency + 1"})
    platform = open_platform(Settings(healthy, ENGINE))
    with platform.instance:
        platform.run()
        asked = platform.graph, platform.settings, platform.instance, RFM, 1
        assert computed_from_later(*asked) == [SEGMENTS]
        platform.recover(RESTORE, {"table": SEGMENTS, "version": 1})
        assert computed_from_later(*asked) == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            {"table": "marts/nothing", "version": 1},
            "Unknown table 'marts/nothing'. Choose one of: landing/manifest",
        ),
        ({"table": TOTALS}, "set exactly one of version and to"),
        ({"table": TOTALS, "version": 1, "to": "2026-01-01"}, "set exactly one of version and to"),
        ({"table": TOTALS, "to": "yesterday"}, "'yesterday' is not a time; write it like 2026-05-01T12:00"),
        ({"table": TOTALS, "to": "2001-01-01"}, "there was no version yet at 2001-01-01; choose a later"),
        ({"table": TOTALS, "version": 99}, "unknown version 99. Choose one from 0 to"),
    ],
)
def test_an_impossible_restore_says_what_is_wrong(
    healthy: Path, platform_on: MakePlatform, config: dict[str, object], says: str
) -> None:
    with pytest.raises(PlatformError, match=says):
        platform_on(healthy).recover(RESTORE, config)


def test_maintenance_joins_files_and_keeps_the_versions_of_the_last_days(
    healthy: Path, platform_on: MakePlatform
) -> None:
    platform = platform_on(healthy)
    before = rows_of(platform.settings, "cleaned/transactions")
    altered(healthy, "cleaned/transactions", {"payment_method": "'Cash'"})
    platform.recover(MAINTENANCE, {"tables": ["cleaned/transactions"], "keep_days": 30})
    table = DeltaTable(str(healthy / "lake" / "cleaned/transactions"))
    table.load_as_version(1)
    assert sorted(table.to_pyarrow_table().to_pylist(), key=str) == sorted(before, key=str)


def test_maintenance_deletes_files_of_older_versions(healthy: Path, platform_on: MakePlatform) -> None:
    platform = platform_on(healthy)
    altered(healthy, "cleaned/transactions", {"payment_method": "'Cash'"})
    content = rows_of(platform.settings, "cleaned/transactions")
    done = platform.recover(MAINTENANCE, {"tables": ["cleaned/transactions"], "keep_days": 0})
    assert done["cleaned/transactions"]["files_deleted"] > 0
    assert rows_of(platform.settings, "cleaned/transactions") == content
    assert next(delta.history(DeltaTable(str(healthy / "lake" / TOTALS)))).operation != "VACUUM END"


def test_after_maintenance_every_table_is_up_to_date(healthy: Path) -> None:
    platform = open_platform(Settings(healthy, ENGINE))
    with platform.instance:
        platform.recover(MAINTENANCE, {"keep_days": 0})
        report = platform.run()
    assert (report.ingested, set(report.seconds)) == ([], {"landing__manifest"})


def test_a_replay_cleans_lines_whose_rule_has_changed(
    healthy: Path, platform_on: MakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    computes_only(monkeypatch, "features/returns")
    platform = platform_on(healthy)
    cleaned = DeltaTable(str(healthy / "lake" / "cleaned/returns"))
    (line,) = DeltaTable(str(healthy / "lake" / "raw/returns")).to_pyarrow_table().to_pylist()
    quarantine = DeltaTable(str(healthy / "lake" / "quarantine/returns"))
    row = {name: line.get(name) for name in quarantine.to_pyarrow_table().column_names}
    _quarantine_as_by_an_older_rule(cleaned, quarantine, row)
    assert platform.recover(REPLAY, {"tables": ["returns"]}) == {"returns": {"before": 1, "after": 0}}
    assert [row["return_id"] for row in rows_of(platform.settings, "cleaned/returns")] == ["R1"]
    assert rows_of(platform.settings, "quarantine/returns") == []


def _quarantine_as_by_an_older_rule(
    cleaned: DeltaTable, quarantine: DeltaTable, row: dict[str, object]
) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    cleaned.delete()
    schema = quarantine.to_pyarrow_table().schema
    rows = [{**row, "outcome": "quarantined", "reasons": "return_reason:unknown"}]
    write_deltalake(quarantine, pa.Table.from_pylist(rows, schema), mode="append")


def test_a_replay_of_an_unknown_table_lists_the_tables(healthy: Path, platform_on: MakePlatform) -> None:
    with pytest.raises(
        PlatformError, match="Unknown source table 'refunds'. Choose one of: customers, products"
    ):
        platform_on(healthy).recover(REPLAY, {"tables": ["refunds"]})
