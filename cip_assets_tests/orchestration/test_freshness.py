"""Freshness: every table has a policy, and what will soon be stale is refreshed. The tests set the clock."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import build_definitions
from cip_assets.layers import FACTS_OF, SOURCE_TABLES
from cip_assets.orchestration.freshness import about_to_go_stale, fail_window
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.jobs.all_jobs import all_jobs
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.schedules import all_schedules
from cip_assets_tests.graph import GRAPH, SNAPSHOT_ASSETS

SCHEDULES = all_schedules(GRAPH, all_jobs(GRAPH))
MANIFEST = dg.AssetKey(["landing", "manifest"])
HOUR = timedelta(hours=1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path / "dagster") as made:
        yield made


def materialized(instance: dg.DagsterInstance, key: dg.AssetKey) -> datetime:
    """Report a materialization; return its time."""
    instance.report_runless_asset_event(dg.AssetMaterialization(key))
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    return datetime.fromtimestamp(event.timestamp, UTC)


def requests(name: str, instance: dg.DagsterInstance, data_dir: Path, now: datetime) -> list[dg.RunRequest]:
    """The requests of a schedule at a given time."""
    schedule = next(schedule for schedule in SCHEDULES if schedule.name == name)
    with dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=now,
        repository_def=build_definitions(Settings(data_dir, "sail"), GRAPH).get_repository_def(),
        resources={"lake": LakeResource(data_dir=str(data_dir))},
    ) as context:
        return list(schedule.evaluate_tick(context).run_requests or [])


def test_every_table_has_the_policy_of_its_layer() -> None:
    definitions = build_definitions(Settings(Path("/nowhere"), "sail"), GRAPH)
    specs = definitions.resolve_all_asset_specs()
    assert len(specs) > 50
    for spec in specs:
        window = fail_window(spec.key.path[0], GRAPH.rules)
        assert spec.freshness_policy == dg.FreshnessPolicy.time_window(
            fail_window=window, warn_window=window * 0.75
        )


def test_an_asset_that_was_refreshed_recently_will_not_soon_be_stale(instance: dg.DagsterInstance) -> None:
    done = materialized(instance, MANIFEST)
    window = fail_window("landing", GRAPH.rules)
    assert about_to_go_stale(instance, [MANIFEST], done + window * 0.74, GRAPH.rules) == {}
    assert set(about_to_go_stale(instance, [MANIFEST], done + window * 0.76, GRAPH.rules)) == {MANIFEST}


def test_an_asset_that_was_never_computed_is_due_at_once(instance: dg.DagsterInstance) -> None:
    assert about_to_go_stale(instance, [MANIFEST], datetime.now(UTC), GRAPH.rules) == {MANIFEST: 0}


def test_a_refresh_is_requested_once_until_it_is_done(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    schedule = "scan_landing_before_stale"
    done = materialized(instance, MANIFEST)
    window = fail_window("landing", GRAPH.rules)
    assert requests(schedule, instance, tmp_path, done + HOUR) == []
    (asked,) = requests(schedule, instance, tmp_path, done + window * 0.8)
    (again,) = requests(schedule, instance, tmp_path, done + window * 0.9)
    assert asked.run_key == again.run_key  # Dagster starts one run per key
    materialized(instance, MANIFEST)
    assert requests(schedule, instance, tmp_path, done + HOUR) == []
    (later,) = requests(schedule, instance, tmp_path, done + 2 * window)
    assert later.run_key != asked.run_key


def test_only_assets_that_will_soon_be_stale_are_refreshed(
    instance: dg.DagsterInstance, healthy: Path
) -> None:
    rfm = dg.AssetKey(["features", "rfm"])
    for key in sorted(SNAPSHOT_ASSETS - {rfm}):
        done = materialized(instance, key)
    (request,) = requests("snapshot_before_stale", instance, healthy, done + HOUR)
    assert (request.partition_key, request.asset_selection) == ("2024-02-12", [rfm])
    (everything,) = requests(
        "snapshot_before_stale", instance, healthy, done + fail_window("marts", GRAPH.rules)
    )
    assert set(everything.asset_selection or []) == SNAPSHOT_ASSETS


def test_the_newest_month_of_a_table_is_ingested_before_it_goes_stale(
    instance: dg.DagsterInstance, healthy: Path
) -> None:
    found = requests("ingest_before_stale", instance, healthy, datetime.now(UTC))
    months = {request.tags.get("dagster/asset_partition_range_start") for request in found}
    assert months == {None, "2024-02-01"}  # two tables have no months
    covered = {key.path[-1] for request in found for key in request.asset_selection or []}
    histories = {source.history.table for source in SOURCE_TABLES.values() if source.history}
    assert covered == {*SOURCE_TABLES, *histories, *(facts.contract.table for facts in FACTS_OF.values())}


def test_maintenance_is_on_sundays() -> None:
    weekly = next(schedule for schedule in SCHEDULES if schedule.name == "maintenance_weekly")
    assert weekly.cron_schedule == "0 3 * * 0"
    assert weekly.default_status == dg.DefaultScheduleStatus.RUNNING
