"""Operated from Dagster's page: backfills, sensors, alerts and recovery, against a real `dagster dev`."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from cip_assets.runner import Platform
from cip_assets.settings import Settings
from cip_assets_tests.automation.test_alerts import webhook
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.dagster_page import Page, dagster_dev, wait_for
from cip_assets_tests.integration.helpers import (
    LANDED,
    data_files,
    every_table,
    exported,
    files_of,
    land,
)

JANUARY, FEBRUARY = "2024-01-01", "2024-02-01"
Alerts = list[dict[str, str]]


@pytest.fixture(scope="module")
def alerts_and_page(
    _small_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Alerts, Page]]:
    data_dir = Path(shutil.copytree(_small_run, tmp_path_factory.mktemp("page") / "data"))
    with webhook() as (url, received), dagster_dev(data_dir, CIP_ALERT_WEBHOOK=url) as page:
        yield received, page


@pytest.fixture
def page(alerts_and_page: tuple[Alerts, Page]) -> Page:
    return alerts_and_page[1]


@pytest.fixture
def alerts(alerts_and_page: tuple[Alerts, Page]) -> Alerts:
    return alerts_and_page[0]


def settings(page: Page) -> Settings:
    return Settings(page.data_dir, ENGINE)


def tags_of(run: dict) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


def test_the_whole_graph_is_there_with_its_automation_on(page: Page) -> None:
    found = page.ask(
        """{ assetNodes { assetKey { path } groupName description isPartitioned
               dependencyKeys { path } dependedByKeys { path } }
             sensorsOrError(repositorySelector: {repositoryName: "__repository__",
                            repositoryLocationName: "cip_assets.definitions"}) {
               ... on Sensors { results { name sensorState { status } } } }
             schedulesOrError(repositorySelector: {repositoryName: "__repository__",
                              repositoryLocationName: "cip_assets.definitions"}) {
               ... on Schedules { results { name scheduleState { status } } } } }"""
    )
    nodes = found["assetNodes"]
    assert {node["groupName"] for node in nodes} == {
        "landing", "raw", "cleaned", "quarantine", "features", "marts", "exports",
    }  # fmt: skip
    assert all(node["description"] for node in nodes)
    assert all(node["dependencyKeys"] or node["dependedByKeys"] for node in nodes)
    states = [
        s["sensorState"]
        for s in found["sensorsOrError"]["results"]
        if s["name"] != "default_automation_condition_sensor"
    ]
    states += [s["scheduleState"] for s in found["schedulesOrError"]["results"]]
    assert {state["status"] for state in states} == {"RUNNING"}
    assert len(states) == 8


def test_months_of_a_table_are_backfilled_in_one_run_and_the_others_stay(page: Page) -> None:
    before = data_files(settings(page), "cleaned/transactions")
    (run,) = page.backfill(["raw/transactions", "cleaned/transactions", "quarantine/transactions"], [JANUARY])
    after = data_files(settings(page), "cleaned/transactions")
    assert after[FEBRUARY] == before[FEBRUARY]
    assert after[JANUARY] != before[JANUARY]
    (run,) = page.backfill(
        ["raw/transactions", "cleaned/transactions", "quarantine/transactions"], [JANUARY, FEBRUARY]
    )
    tags = tags_of(run)
    assert tags["dagster/asset_partition_range_start"] == JANUARY
    assert tags["dagster/asset_partition_range_end"] == FEBRUARY


def test_days_are_backfilled_in_a_run_each_and_an_old_day_again_gives_the_same_bytes(page: Page) -> None:
    assets = ["features/purchases", "marts/kpi_monthly_revenue", "exports/kpi_monthly_revenue"]
    days = ["2024-01-15", "2024-02-11"]
    runs = page.backfill(assets, days)
    assert sorted(tags_of(run)["dagster/partition"] for run in runs) == days
    page.backfill(assets, [days[0]])
    once = files_of(settings(page))["kpi_monthly_revenue.csv"]
    page.backfill(assets, [days[0]])
    assert files_of(settings(page))["kpi_monthly_revenue.csv"] == once
    uri = settings(page).table_uri("marts", "kpi_monthly_revenue")
    assert {str(day) for day in DeltaTable(uri).to_pyarrow_table()["as_of_date"].to_pylist()} >= {
        *days,
        "2024-02-12",
    }


def test_a_dropped_file_is_in_customer_360_soon_after(page: Page) -> None:
    row = "T9,C2,P1,2,12.50,25.00,Cash,2024-02-12\n"
    land(settings(page).landing, "transactions/2024-02-12.csv", row)

    def refreshed() -> bool | None:
        spent = {
            row["customer_id"]: row["monetary_value"] for row in exported(settings(page), "customer_360")
        }
        return spent.get("C2") == "37.50" or None

    wait_for(refreshed, "the row in customer_360.csv")


def test_a_bad_file_raises_an_alert_and_the_next_good_one_gets_in(page: Page, alerts: Alerts) -> None:
    bad = settings(page).landing / "returns" / "bad.csv"
    bad.parent.mkdir()
    bad.write_text("nonsense", encoding="utf-8")
    alert = wait_for(lambda: next((a for a in alerts if "returns/bad.csv" in a["why"]), None), "the alert")
    assert (alert["kind"], alert["what"]) == ("run failed", "ingest")
    assert alert["why"].startswith("raw/returns: returns: returns/bad.csv: line 1 lacks column")
    run_id = alert["link"].rpartition("/")[2]
    assert [run["status"] for run in page.runs(runIds=[run_id])] == ["FAILURE"]
    land(settings(page).landing, "web_activity/more.csv", "W2,C2,Page View,P1,2024-02-11 10:00:00\n")

    def came_in() -> bool | None:
        uri = settings(page).table_uri("cleaned", "web_activity")
        return "W2" in DeltaTable(uri).to_pyarrow_table()["session_id"].to_pylist() or None

    wait_for(came_in, "the next good file")
    bad.unlink()


def test_a_restore_from_the_launchpad_is_refused_with_a_reason(page: Page, alerts: Alerts) -> None:
    config = {"ops": {"restore": {"config": {"table": "cleaned/transactions", "version": 1}}}}
    assert page.end_of(page.launch("restore_table", config)) == "FAILURE"
    alert = wait_for(lambda: next((a for a in alerts if a["what"] == "restore_table"), None), "the alert")
    assert "is older than what" in alert["why"]


def test_a_run_whose_process_is_killed_is_started_again_and_gives_the_same_tables(
    page: Page, tmp_path: Path
) -> None:
    wait_for(lambda: None if page.runs(statuses=["QUEUED", "STARTING", "STARTED"]) else True, "quiet")
    run_id = page.launch("scan_landing", {})
    assert page.end_of(run_id) == "SUCCESS"
    day = {"dagster/partition": "2024-02-12"}
    started = page.ask(
        """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
             ... on LaunchRunSuccess { run { runId } } } }""",
        params={
            "selector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "cip_assets.definitions",
                "jobName": "snapshot",
            },
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in day.items()]},
        },
    )["launchRun"]["run"]["runId"]
    os.kill(wait_for(lambda: _process_in(page, started, "features__rfm"), "the step"), signal.SIGKILL)
    assert page.end_of(started) == "FAILURE"
    again = wait_for(
        lambda: next(
            (run for run in page.runs() if tags_of(run).get("dagster/parent_run_id") == started), None
        ),
        "the second attempt",
    )
    assert page.end_of(again["runId"]) == "SUCCESS"
    left = every_table(settings(page))
    land_again = Path(shutil.copytree(settings(page).landing, tmp_path / "fresh" / "landing"))
    fresh = Platform(Settings(land_again.parent, ENGINE))
    with fresh.instance:
        assert fresh.run().succeeded
    expected = every_table(fresh.settings)
    day_of = {name for name in expected if name.startswith(("features/", "marts/"))}
    for name in day_of:
        mine = left[name].filter(
            [d.isoformat() == "2024-02-12" for d in left[name]["as_of_date"].to_pylist()]
        )
        assert mine.equals(expected[name]), name


def _process_in(page: Page, run_id: str, step: str) -> int | None:
    """The process of a run when it has begun a step."""
    found = page.ask(
        """query($id: ID!) { runOrError(runId: $id) { ... on Run {
             stepStats { stepKey } eventConnection(afterCursor: null) { events { ... on EngineEvent {
               metadataEntries { label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } } } }""",
        id=run_id,
    )["runOrError"]
    if step not in {stat["stepKey"] for stat in found["stepStats"]}:
        return None
    for event in found["eventConnection"]["events"]:
        for entry in event.get("metadataEntries", []):
            if entry["label"] == "pid":
                return int(entry.get("intValue") or entry.get("text"))
    return None


def test_the_small_landing_folder_is_what_was_served(page: Page) -> None:
    assert {path.stem for path in settings(page).landing.glob("*.csv")} == set(LANDED)
