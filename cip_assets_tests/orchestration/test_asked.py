"""Which runs and backfills are refused, on the instance that `make ui` and `cip` use."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemotePartitionSetOrigin,
    RemoteRepositoryOrigin,
)

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import DAGSTER_SETTINGS, Settings
from cip_assets.definitions import build_definitions, open_platform
from cip_assets.orchestration.asked import days_of, refuse_partitions
from cip_assets.orchestration.instance import Instance, add_setting, open_instance
from cip_assets.orchestration.jobs.refresh import PART_OF
from cip_assets.orchestration.runs import Platform, Report
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import DAYS, GRAPH, MONTHS
from cip_assets_tests.integration.helpers import land

RFM, RETURNS, CUSTOMERS = (
    dg.AssetKey(name.split("/")) for name in ("features/rfm", "cleaned/returns", "cleaned/customers")
)
PARTITION = "dagster/partition"


def months(first: str, last: str) -> dict[str, str]:
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def refusal(
    asked: dict[dg.AssetKey, dg.PartitionsDefinition | None], tags: dict[str, str], most_days: int = 1
) -> str:
    with pytest.raises(PlatformError) as refused:
        refuse_partitions(asked, tags, most_days)
    return str(refused.value)


def test_a_snapshot_needs_one_day_of_the_calendar() -> None:
    refuse_partitions({RFM: DAYS, CUSTOMERS: None}, {PARTITION: "2024-02-12"})
    refuse_partitions({RFM: DAYS}, months("2024-02-12", "2024-02-12"))
    assert refusal({RFM: DAYS}, {}) == (
        "features/rfm: no day is chosen; choose one, or start the job refresh, which computes the newest snapshot"
    )
    assert (
        "computes one day, not 2024-02-11 to 2024-02-12; materialize these days in the Dagster UI"
        in refusal({RFM: DAYS}, months("2024-02-11", "2024-02-12"))
    )


def test_a_run_of_the_dagster_ui_has_some_days_in_their_order() -> None:
    refuse_partitions({RFM: DAYS, CUSTOMERS: None}, months("2024-02-10", "2024-02-12"), 3)
    assert "this would compute 4 days: start the job refresh" in refusal(
        {RFM: DAYS}, months("2024-02-09", "2024-02-12"), 3
    )
    assert "the first day 2024-02-12 is after the last day 2024-02-09; exchange them" in refusal(
        {RFM: DAYS}, months("2024-02-12", "2024-02-09"), 3
    )
    assert "there is no snapshot of '2924-02-12'" in refusal(
        {RFM: DAYS}, months("2024-02-12", "2924-02-12"), 3
    )


@pytest.mark.parametrize("day", ["2019-02-12", "2924-02-12", "2024-02", "2024-02-31", "yesterday", ""])
def test_an_impossible_day_is_refused_with_the_possible_ones(day: str) -> None:
    assert refusal({RFM: DAYS}, {PARTITION: day}).startswith(
        f"features/rfm: there is no snapshot of {day!r}: choose a day from 2023-01-01"
    )


def test_an_ingest_needs_a_month_or_a_range_of_months() -> None:
    refuse_partitions({RETURNS: MONTHS, CUSTOMERS: None}, {PARTITION: "2024-02-01"})
    refuse_partitions({RETURNS: MONTHS}, months("2024-01-01", "2024-03-01"))
    assert refusal({RETURNS: MONTHS}, {}).startswith(
        "cleaned/returns: no month is chosen; choose one or more"
    )
    assert "the first month 2024-03-01 is after the last month 2024-01-01; exchange them" in refusal(
        {RETURNS: MONTHS}, months("2024-03-01", "2024-01-01")
    )


@pytest.mark.parametrize("month", ["2024-02-17", "2022-12-01", "2924-02-01", "2024-02"])
def test_a_day_in_the_middle_of_a_month_is_not_a_month(month: str) -> None:
    """Dagster would run the following month, and succeed."""
    says = f"{month!r} is not a month: write the first day of a month, from 2023-01-01"
    assert says in refusal({RETURNS: MONTHS}, {PARTITION: month})
    assert says in refusal({RETURNS: MONTHS}, months(month, "2024-03-01"))


def test_months_and_days_in_one_run_are_refused() -> None:
    assert "start the job refresh" in refusal({RFM: DAYS, RETURNS: MONTHS}, {PARTITION: "2024-02-01"})


def test_assets_without_partitions_need_none() -> None:
    refuse_partitions({CUSTOMERS: None}, {})


# --- the instance -----------------------------------------------------------------------------------------


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path / ".dagster") as opened:
        yield opened


def backfill_of(layers: str, partitions: list[str] | None = None) -> PartitionBackfill:
    """A backfill as the Dagster UI requests it: some or all partitions of the assets of some layers."""
    graph = DEFINITIONS.resolve_asset_graph()
    return PartitionBackfill.from_asset_partitions(
        backfill_id="asked",
        asset_graph=graph,
        partition_names=partitions,
        asset_selection=[key for key in graph.executable_asset_keys if key.path[0] in layers.split()],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=dg.DagsterInstance.ephemeral(),
        all_partitions=partitions is None,
        title=None,
        description=None,
        run_config=None,
    )


EVERY_LAYER = "landing raw cleaned quarantine features marts exports"
DEFINITIONS = build_definitions(Settings(Path("/nowhere"), ENGINE), GRAPH)
EVERY_DAY = DAYS.get_partition_keys()


# Dagster calls a function that is deprecated by Dagster itself.
ITS_OWN = pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")


@ITS_OWN
@pytest.mark.parametrize(
    ("layers", "partitions", "days"),
    [
        (EVERY_LAYER, None, len(EVERY_DAY)),
        ("cleaned features", None, len(EVERY_DAY)),
        ("features marts", EVERY_DAY[:32], 32),
    ],
    ids=["materialize all", "two groups", "32 days of two groups"],
)
def test_a_backfill_of_too_many_days_is_refused_before_anything_is_stored(
    instance: dg.DagsterInstance, layers: str, partitions: list[str] | None, days: int
) -> None:
    with pytest.raises(PlatformError) as refused:
        instance.add_backfill(backfill_of(layers, partitions))
    assert str(refused.value) == (
        f"this would compute {days:,} days: start the job refresh, which computes the newest snapshot, or choose "
        "at most 31 days (operations.max_days_at_once of the rules)"
    )
    assert not instance.get_backfills()


@ITS_OWN
@pytest.mark.parametrize(
    ("layers", "partitions"),
    [
        ("raw cleaned quarantine", None),
        ("features marts exports", EVERY_DAY[-31:]),
        ("landing", None),
    ],
    ids=["all months", "31 days", "no partitions"],
)
def test_other_backfills_are_stored_for_the_daemon(
    instance: dg.DagsterInstance, layers: str, partitions: list[str] | None
) -> None:
    instance.add_backfill(backfill_of(layers, partitions))
    assert [found.backfill_id for found in instance.get_backfills()] == ["asked"]


@pytest.mark.parametrize(("job", "days"), [("snapshot", 40), ("ingest", 0)])
def test_a_backfill_of_a_job_counts_its_days(job: str, days: int) -> None:
    repository = RemoteRepositoryOrigin(
        code_location_origin=RegisteredCodeLocationOrigin("somewhere"), repository_name="__repository__"
    )
    asked = PartitionBackfill(
        "asked",
        BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=0.0,
        partition_set_origin=RemotePartitionSetOrigin(
            repository_origin=repository, partition_set_name=f"{job}_partition_set"
        ),
        partition_names=EVERY_DAY[:40],
    )
    assert days_of(asked) == days


@pytest.mark.parametrize(
    ("job", "tags", "says"),
    [
        ("snapshot", {}, "exports/customer_360 and .* more: no day is chosen"),
        ("ingest", {}, "cleaned/returns and 13 more: no month is chosen"),
        ("ingest", {PARTITION: "2024-02-17"}, "'2024-02-17' is not a month"),
        ("snapshot", months("2024-02-11", "2024-02-12"), "computes one day, not"),
        (
            "validate_exports",
            {},
            "exports/customer_360 has not been computed yet, so .*; materialize it first",
        ),
    ],
)
def test_a_run_without_its_partition_is_not_stored(
    data_dir: Path, job: str, tags: dict[str, str], says: str
) -> None:
    platform = open_platform(Settings(data_dir, ENGINE))
    with platform.instance, pytest.raises(PlatformError, match=says):
        platform.definitions.resolve_job_def(job).execute_in_process(instance=platform.instance, tags=tags)
    assert platform.instance.get_runs_count() == 0


def test_if_only_part_of_a_job_is_run_only_that_part_is_checked(instance: dg.DagsterInstance) -> None:
    """`dagster asset materialize --select features/rfm` runs a part of the job with all assets."""
    job = DEFINITIONS.resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(job, asset_selection={RFM}, tags={PARTITION: "2024-02-12"})
    assert run.asset_selection == {RFM}
    instance.create_run_for_job(job, asset_selection={RETURNS}, tags={PARTITION: "2024-02-01"})
    instance.create_run_for_job(job, asset_selection={CUSTOMERS}, tags={})
    with pytest.raises(PlatformError, match="^features/rfm: no day is chosen"):
        instance.create_run_for_job(job, asset_selection={RFM, CUSTOMERS}, tags={})


@pytest.mark.parametrize(
    ("job", "tags"), [("snapshot", {}), ("ingest", {PARTITION: "2024-02-17"}), ("validate_exports", {})]
)
def test_with_another_instance_an_invalid_run_fails_before_its_first_step(
    platform_on: Callable[..., Platform], data_dir: Path, job: str, tags: dict[str, str]
) -> None:
    platform, report = platform_on(data_dir), Report()
    platform.execute(job, report, tags=tags)
    assert [failure.step for failure in report.failures] == [job]
    assert "no day is chosen" in report.failures[0].message or "is not a month" in report.failures[0].message
    assert not report.seconds


def test_checks_that_are_executed_without_a_day_use_the_last_computed_day(healthy: Path) -> None:
    platform, report = open_platform(Settings(healthy, ENGINE)), Report()
    with platform.instance:
        platform.execute("validate_exports", report)
        (run,) = platform.instance.get_runs(limit=1)
    assert run.tags[PARTITION] == "2024-02-12"
    assert {check.passed for check in report.checks} == {True}


def test_a_data_folder_with_older_settings_uses_this_instance_too(tmp_path: Path) -> None:
    settings = tmp_path / "dagster.yaml"
    assert not add_setting(tmp_path)
    shipped = DAGSTER_SETTINGS.read_text("utf-8")
    settings.write_text(shipped.partition("\ninstance_class:")[0], encoding="utf-8")
    with open_instance(tmp_path) as before:
        assert not isinstance(before, Instance)
    assert add_setting(tmp_path)
    assert not add_setting(tmp_path)
    assert settings.read_text("utf-8") == shipped
    with open_instance(tmp_path) as after:
        assert isinstance(after, Instance)


# --- the job refresh --------------------------------------------------------------------------------------


def test_refresh_without_a_configuration_brings_everything_up_to_date(healthy: Path) -> None:
    land(healthy / "landing", "returns/late.csv", "nonsense\n", columns="return_id")
    platform = open_platform(Settings(healthy, ENGINE))
    with platform.instance as instance:
        result = platform.definitions.resolve_job_def("refresh").execute_in_process(
            instance=instance, raise_on_error=False
        )
        made = instance.get_runs(dg.RunsFilter(tags={PART_OF: result.run_id}))
    assert [(run.job_name, run.status.value) for run in made] == [
        ("ingest", "FAILURE"),
        ("scan_landing", "SUCCESS"),
    ]
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    assert "failed: ingest" in str(failed.step_failure_data.error)
