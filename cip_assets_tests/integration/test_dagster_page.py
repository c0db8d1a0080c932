"""Operation in the Dagster UI: backfills, sensors, alerts and recovery, with a real `dagster dev`."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow.compute as pc
import pytest
import requests
from deltalake import DeltaTable

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE, ODD_NAME
from cip_assets_tests.graph import GRAPH
from cip_assets_tests.integration.dagster_page import SELECTOR, Page, dagster_dev, wait_for
from cip_assets_tests.integration.helpers import (
    data_files,
    every_table,
    exported,
    files_of,
    land,
)
from cip_assets_tests.orchestration.test_alerts import webhook

pytestmark = pytest.mark.page

JANUARY, FEBRUARY, MARCH = "2024-01-01", "2024-02-01", "2024-03-01"
OLD_DAY = "2024-01-15"
DAYS = ["2024-02-09", "2024-02-10", "2024-02-11"]
MONTHLY_REVENUE = [
    "features/split_orders",
    "features/purchases",
    "marts/kpi_monthly_revenue",
    "exports/kpi_monthly_revenue",
]
Alerts = list[dict[str, str]]


@pytest.fixture(scope="module")
def alerts_and_page(
    _small_run: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Alerts, Page]]:
    data_dir = Path(shutil.copytree(_small_run, tmp_path_factory.mktemp("page") / ODD_NAME))
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


def range_of(run: dict) -> tuple[str, str]:
    """The first and last partition of a run."""
    tags = tags_of(run)
    return tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]


def test_the_ui_has_the_whole_graph_and_its_automation_is_on(page: Page) -> None:
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
        "landing", "raw", "cleaned", "quarantine", "facts", "features", "marts", "exports",
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
    assert len(states) == 10


def test_the_pages_of_customers_are_beside_the_ui(page: Page) -> None:
    pages = f"http://127.0.0.1:{int(page.url.rpartition(':')[2]) + 1}"

    def answered() -> str | None:
        try:
            return requests.get(f"{pages}/customer?id=C1", timeout=30).text
        except requests.ConnectionError:
            return None

    assert f"{page.url}/assets/marts/customer_360" in wait_for(answered, "the page of a customer")
    told = page.ask(
        """{ assetNodes { assetKey { path } metadataEntries { label ... on UrlMetadataEntry { url } } } }"""
    )["assetNodes"]
    (node,) = [each for each in told if each["assetKey"]["path"] == ["marts", "customer_360"]]
    assert {"label": "cip app", "url": pages} in node["metadataEntries"]


def test_months_are_backfilled_in_one_run(page: Page) -> None:
    before = data_files(settings(page), "cleaned/transactions")
    ingested = [f"{layer}/transactions" for layer in ("raw", "cleaned", "quarantine")]
    months = page.start_backfill([*ingested, "facts/order_days"], [FEBRUARY, MARCH])
    (run,) = page.end_of_backfill(months)
    assert range_of(run) == (FEBRUARY, MARCH)
    after = data_files(settings(page), "cleaned/transactions")
    assert after[JANUARY] == before[JANUARY]
    assert after[FEBRUARY] != before[FEBRUARY]


def test_days_are_backfilled_in_one_run_that_carries_and_is_as_if_each_had_a_run(
    page: Page, tmp_path: Path, platform_on: Callable[..., Platform]
) -> None:
    dagsters = shutil.ignore_patterns(".dagster")
    alone = Path(shutil.copytree(page.data_dir, tmp_path / "alone", ignore=dagsters))
    backfill = page.start_backfill(MONTHLY_REVENUE, DAYS)
    platform, report = platform_on(alone, *MONTHLY_REVENUE), Report()
    for day in DAYS:
        platform.snapshot(report, date.fromisoformat(day))
    assert report.succeeded
    (run,) = page.end_of_backfill(backfill)
    assert range_of(run) == (DAYS[0], DAYS[-1])
    assert files_of(settings(page)) == files_of(platform.settings)
    found, expected = every_table(settings(page)), every_table(platform.settings)
    for name in MONTHLY_REVENUE[:-1]:
        assert found[name].equals(expected[name]), name
        last, second, first = delta.commits(settings(page).table_uri(*name.split("/")), len(DAYS))
        assert [commit.audit["partition"] for commit in (first, second, last)] == DAYS
        assert [commit.audit["carried_from"] for commit in (second, last)] == DAYS[:2]
    # Each day has its own verdict, and a step its own begin and end.
    contract = dg.AssetCheckKey(dg.AssetKey(["features", "purchases"]), "contract")
    with open_instance(settings(page).dagster_home) as instance:
        for day in map(date.fromisoformat, DAYS):
            assert gate.records_of_day(instance, contract, day)[0].status.value == "SUCCEEDED"
        ended = instance.all_logs(run["runId"], of_type=dg.DagsterEventType.STEP_SUCCESS)
    assert len({event.step_key for event in ended}) == len(ended)


def test_all_days_and_no_day_are_refused_and_a_check_uses_the_last_computed_day(
    page: Page,
) -> None:
    nodes = page.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
    before = len(page.runs())
    refused = page.ask_for_backfill(
        ["/".join(node["assetKey"]["path"]) for node in nodes], allPartitions=True
    )
    assert refused["__typename"] == "PythonError"
    assert "which computes the newest snapshot, or choose at most 31 days" in refused["message"]
    refused = page.ask_for_run({**SELECTOR, "jobName": "snapshot"})
    assert "no day is chosen; choose one, or start the job refresh" in refused["message"]
    assert len(page.runs()) == before
    run_id = page.execute_checks("features/rfm", "contract")
    assert page.end_of(run_id) == "SUCCESS"
    assert tags_of(page.runs(runIds=[run_id])[0])["dagster/partition"] == "2024-02-12"


def test_an_old_day_computed_again_gives_the_same_bytes(page: Page) -> None:
    hashes = set()
    for _ in range(2):
        run_id = page.launch("snapshot", assets=MONTHLY_REVENUE, tags={"dagster/partition": OLD_DAY})
        assert page.end_of(run_id) == "SUCCESS"
        hashes.add(files_of(settings(page))["kpi_monthly_revenue.csv"])
    assert len(hashes) == 1
    (january,) = exported(settings(page), "kpi_monthly_revenue")
    assert january["monthly_revenue"] == "12.50"


def test_a_bad_file_sends_an_alert_and_the_next_good_one_is_ingested_and_soon_in_customer_360(
    page: Page, alerts: Alerts
) -> None:
    bad = settings(page).landing / "returns" / "bad.csv"
    bad.parent.mkdir()
    bad.write_text("nonsense", encoding="utf-8")
    alert = wait_for(lambda: next((a for a in alerts if "returns/bad.csv" in a["why"]), None), "the alert")
    assert (alert["kind"], alert["what"]) == ("run failed", "ingest")
    assert alert["why"].startswith("raw/returns: returns: returns/bad.csv: line 1 lacks column")
    run_id = alert["link"].rpartition("/")[2]
    assert [run["status"] for run in page.runs(runIds=[run_id])] == ["FAILURE"]
    row = "T9,C2,P1,2,12.50,25.00,Cash,2024-02-12\n"
    land(settings(page).landing, "transactions/2024-02-12.csv", row)

    def came_in() -> bool | None:
        uri = settings(page).table_uri("cleaned", "transactions")
        return "T9" in DeltaTable(uri).to_pyarrow_table()["transaction_id"].to_pylist() or None

    wait_for(came_in, "the next good file")
    bad.unlink()

    def refreshed() -> bool | None:
        spent = {
            row["customer_id"]: row["monetary_value"] for row in exported(settings(page), "customer_360")
        }
        return spent.get("C2") == "37.50" or None

    wait_for(refreshed, "the row in customer_360.csv")


def test_a_restore_from_the_launchpad_is_refused_with_a_reason(page: Page, alerts: Alerts) -> None:
    config = {"ops": {"restore": {"config": {"table": "cleaned/transactions", "version": 1}}}}
    assert page.end_of(page.launch("restore_table", config)) == "FAILURE"
    alert = wait_for(lambda: next((a for a in alerts if a["what"] == "restore_table"), None), "the alert")
    assert "is older than the one that these tables were computed from" in alert["why"]


def test_a_run_whose_process_is_killed_is_restarted_and_gives_the_same_tables(
    page: Page, tmp_path: Path
) -> None:
    assets = [key.to_user_string() for key in GRAPH.selected(["features/segments"])]
    started = page.launch("snapshot", assets=assets, tags={"dagster/partition": "2024-02-12"})
    process = wait_for(lambda: _process_of(page, started), "the first step")
    assert "multiprocessing.forkserver" in _command(_parent(process))
    os.kill(process, signal.SIGKILL)
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
    fresh = open_platform(Settings(land_again.parent, ENGINE), select=["features/segments"])
    with fresh.instance:
        assert fresh.run().succeeded
    of_the_day = pc.field("as_of_date") == date(2024, 2, 12)
    for name, expected in every_table(fresh.settings).items():
        if name in assets:
            assert left[name].filter(of_the_day).equals(expected), name


def test_a_run_that_is_terminated_ends_and_so_do_the_runs_that_it_made(page: Page) -> None:
    """Its thread waited for a step that waited for Sail, which had ended at the same signal."""
    started = page.launch("refresh")
    inner = wait_for(
        lambda: next((run for run in page.runs(statuses=["STARTED"]) if run["jobName"] != "refresh"), None),
        "a run that it makes",
    )
    assert page.terminate(started) == "TerminateRunSuccess"
    assert page.end_of(started) == "CANCELED"
    page.end_of(inner["runId"])
    wait_for(lambda: None if page.runs(statuses=["STARTED", "CANCELING"]) else True, "the end of all runs")
    with open_instance(settings(page).dagster_home) as instance:
        assert instance.event_log_storage.get_concurrency_run_ids() == set()


def _parent(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    return int(status.partition("PPid:")[2].split()[0])


def _command(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text("utf-8")


def _process_of(page: Page, run_id: str) -> int | None:
    """The process of a run after it has started its first step."""
    found = page.ask(
        """query($id: ID!) { runOrError(runId: $id) { ... on Run {
             stepStats { stepKey } eventConnection(afterCursor: null) { events { ... on EngineEvent {
               metadataEntries { label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } } } }""",
        id=run_id,
    )["runOrError"]
    if not found["stepStats"]:
        return None
    for event in found["eventConnection"]["events"]:
        for entry in event.get("metadataEntries", []):
            if entry["label"] == "pid":
                return int(entry.get("intValue") or entry.get("text"))
    return None
