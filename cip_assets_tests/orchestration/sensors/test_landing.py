"""The sensor of the landing folder: the runs that it requests, how often, and the files that it ignores."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any

import dagster as dg
import pytest

from cip_assets.config.settings import Settings
from cip_assets.ingest import discover as landing_folder
from cip_assets.ingest.discover import LandedFile
from cip_assets.ingest.manifest import scan_file
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.due.plan import source_of
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.jobs.names import INGEST, REFRESH, REFRESH_OP, SCAN, SNAPSHOT
from cip_assets.orchestration.jobs.refresh import PART_OF
from cip_assets.orchestration.runs import Report
from cip_assets.orchestration.sensors.landing import LANDING, SETTLED_AFTER, Asked, Look, Stages, look
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import GRAPH, computes_only, platform_of
from cip_assets_tests.integration.helpers import exported, files_of, land, land_all, rows_of

JANUARY, FEBRUARY = "2024-01-01", "2024-02-01"
LATE = "T9,C2,P1,1,12.50,12.50,Cash,2024-01-31\n"


SNAPSHOT_OF_TESTS = (
    "features/split_orders",
    "features/purchases",
    "features/support",
    "marts/kpi_monthly_revenue",
    "exports/kpi_monthly_revenue",
)
"""The snapshot assets that these tests compute. test_dagster_page.py runs a complete snapshot."""


def revenue(settings: Settings) -> list[str]:
    """The exported revenue of each month."""
    return [row["monthly_revenue"] for row in exported(settings, "kpi_monthly_revenue")]


class Sensor:
    """The sensor on a data folder, with its own clock. Requested runs are executed in this process."""

    def __init__(self, data_dir: Path, instance: dg.DagsterInstance) -> None:
        self.platform = platform_of(Settings(data_dir, ENGINE), instance)
        self.settled: str | None = None
        self.report = Report()

    def asks(self, writing: Sequence[str] = ()) -> Sequence[dg.RunRequest] | str:
        """Evaluate the sensor once, while some files may still be being written."""
        settings = self.platform.settings
        everything = look(settings.landing, {}, time.time() + SETTLED_AFTER).files
        seen = Look({path: file for path, file in everything.items() if path not in writing}, writing)
        graph = self.platform.graph
        stages = Stages(graph, settings, Asked(self.platform.instance), seen, self.settled)
        outcome = stages.next()
        self.settled = stages.settled
        return outcome

    def runs(self) -> list[dg.RunRequest]:
        """Evaluate the sensor and execute the requested runs until there are none; return all requests."""
        asked: list[dg.RunRequest] = []
        while not isinstance(outcome := self.asks(), str):
            for request in outcome:
                self.run(request)
                asked.append(request)
        return asked

    def run(self, request: dg.RunRequest) -> None:
        """Execute a request, with the tags that Dagster's daemon adds."""
        by_daemon = {"dagster/run_key": str(request.run_key), "dagster/sensor_name": LANDING}
        self.platform.execute(
            str(request.job_name),
            self.report,
            assets=set(request.asset_selection) if request.asset_selection else None,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags={**request.tags, **by_daemon},
        )


@pytest.fixture
def _small_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    computes_only(monkeypatch, *SNAPSHOT_OF_TESTS)


@pytest.fixture
def sensor(healthy: Path, _small_snapshot: None) -> Iterator[Sensor]:
    """A sensor on the small landing folder, which is already ingested and exported."""
    with open_instance(healthy / ".dagster") as instance:
        yield Sensor(healthy, instance)


def covered(request: dg.RunRequest) -> tuple[str | None, str | None, set[str]]:
    """The first and last month of a request, and its tables."""
    if request.job_name == REFRESH:
        what = request.run_config["ops"][REFRESH_OP]["config"]
        return what["first"] or None, what["last"] or None, set(what["tables"])
    tables = {source_of(key) for key in request.asset_selection or []} - {"manifest"}
    tags = request.tags
    start, end = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return start, end, tables


def test_a_new_file_runs_the_months_it_touches_then_the_snapshot(sensor: Sensor) -> None:
    settings = sensor.platform.settings
    land(settings.landing, "transactions/late.csv", LATE)
    (refresh,) = sensor.runs()
    assert refresh.job_name == REFRESH
    assert covered(refresh) == (JANUARY, JANUARY, {"transactions"})
    assert sensor.report.succeeded
    snapshot, ingest, whole = sensor.platform.instance.get_runs(limit=3)
    assert [run.job_name for run in (ingest, snapshot)] == [INGEST, SNAPSHOT]
    assert {run.tags[PART_OF] for run in (ingest, snapshot)} == {whole.run_id}
    assert snapshot.tags["dagster/partition"] == "2024-02-12"
    assert revenue(settings) == ["25.00", "37.50"]


def test_the_same_file_twice_starts_nothing(sensor: Sensor) -> None:
    landing = sensor.platform.settings.landing
    again = landing / "transactions.csv"
    again.write_bytes(again.read_bytes())
    os.utime(again, (1, 1))
    assert sensor.asks() == "everything that landed is in the exports"


def test_a_request_is_made_once_even_if_it_was_not_executed(sensor: Sensor) -> None:
    land(sensor.platform.settings.landing, "transactions/late.csv", LATE)
    (first,) = sensor.asks()
    (second,) = sensor.asks()
    assert first.run_key == second.run_key  # Dagster starts one run per key


def test_a_file_is_complete_if_nobody_has_written_to_it_for_a_while(data_dir: Path) -> None:
    path = land(data_dir / "landing", "transactions/late.csv", LATE)
    os.utime(path, (1, 1))  # a copy can keep the time of its original
    written = path.stat().st_ctime
    early = look(data_dir / "landing", {}, written + SETTLED_AFTER / 2)
    assert (early.landed, early.being_written) == ({}, ["transactions/late.csv"])
    later = look(data_dir / "landing", {}, written + SETTLED_AFTER)
    assert (later.landed.keys(), later.being_written) == ({"transactions/late.csv"}, [])


def test_a_file_of_a_topic_is_complete_at_once(data_dir: Path) -> None:
    name = "transactions/from_streams/topic=orders/dt=2024-01-31/a.csv"
    path = land(data_dir / "landing", name, LATE)
    seen = look(data_dir / "landing", {}, path.stat().st_ctime)
    assert (seen.landed.keys(), seen.being_written) == ({name}, [])


def test_the_sensor_and_the_manifest_agree_on_unreadable_files(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the sensor would request the same run repeatedly. A file that is deleted meanwhile is ignored."""
    landed = data_dir / "landing"
    (landed / "returns.csv").symlink_to("gone")
    (landed / "customers" / "dt=31-01-2024").mkdir(parents=True)
    (landed / "customers" / "dt=31-01-2024" / "a.csv").touch()
    found, _ = landing_folder.find_files(landed)
    scanned = {file.path: scan_file(landed, file, GRAPH.partitions.calendar()) for file in found}
    gone = LandedFile("products", "products.csv", None)
    monkeypatch.setattr(landing_folder, "find_files", lambda _: ([*found, gone], []))
    seen = look(landed, {}, time.time())
    assert seen.landed == {path: entry["sha256"] for path, entry in scanned.items()}
    assert len(seen.landed) == 2


def test_a_file_that_is_still_being_written_is_ignored_until_it_is_complete(sensor: Sensor) -> None:
    land(sensor.platform.settings.landing, "transactions/late.csv", LATE)
    assert sensor.asks(writing=["transactions/late.csv"]) == "everything that landed is in the exports"
    (request,) = sensor.asks()
    assert covered(request) == (JANUARY, JANUARY, {"transactions"})


def test_other_files_are_ingested_meanwhile_without_the_unfinished_one(sensor: Sensor) -> None:
    settings = sensor.platform.settings
    land(settings.landing, "transactions/late.csv", LATE)
    land(settings.landing, "transactions/unfinished.csv", LATE.replace("T9", "T10"))
    (request,) = sensor.asks(writing=["transactions/unfinished.csv"])
    sensor.run(request)
    assert covered(request) == (JANUARY, JANUARY, {"transactions"})
    ids = [row["transaction_id"] for row in rows_of(settings, "cleaned/transactions")]
    assert ("T9" in ids, "T10" in ids) == (True, False)


def test_the_sensor_waits_for_a_file_that_is_being_overwritten(sensor: Sensor) -> None:
    assert sensor.asks(writing=["transactions.csv"]) == "transactions.csv: still being written"


def test_a_bad_file_fails_once_and_does_not_stop_the_next_good_one(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    computes_only(monkeypatch, *SNAPSHOT_OF_TESTS, "marts/list_complaints")  # it reads tickets and orders
    settings = sensor.platform.settings
    bad = settings.landing / "support_tickets" / "bad.csv"
    bad.parent.mkdir()
    bad.write_text("nonsense", encoding="utf-8")
    sensor.runs()
    (failure,) = sensor.report.failures
    assert failure.message.startswith("support_tickets: support_tickets/bad.csv: line 1 lacks column")
    land(settings.landing, "transactions/late.csv", LATE)
    sensor.runs()
    assert [failure] == sensor.report.failures
    assert revenue(settings) == ["25.00", "37.50"]
    bad.unlink()
    (*_, again) = sensor.runs()
    assert dg.AssetKey(["marts", "list_complaints"]) in (again.asset_selection or [])


def test_months_that_are_not_consecutive_are_separate_runs(sensor: Sensor) -> None:
    landing = sensor.platform.settings.landing
    land(
        landing, "transactions/apart.csv", LATE + LATE.replace("T9", "T8").replace("2024-01-31", "2024-05-02")
    )
    requests = sensor.runs()
    assert [covered(request) for request in requests[:-1]] == [
        (None, None, set()),
        (JANUARY, JANUARY, {"transactions"}),
        ("2024-05-01", "2024-05-01", {"transactions"}),
    ]
    assert requests[-1].partition_key == "2024-05-02"


def test_a_snapshot_is_requested_although_the_clock_went_back_after_the_last_one(
    sensor: Sensor, healthy: Path
) -> None:
    """It is the same day's snapshot, and by the clock of then it began after the months were written."""
    with closing(sqlite3.connect(healthy / ".dagster" / "history" / "runs.db")) as history:
        assert history.execute("UPDATE runs SET start_time = start_time + 7200").rowcount > 0
        history.commit()
    apart = LATE.replace("T9", "T8").replace("2024-01-31", "2023-10-02")
    land(sensor.platform.settings.landing, "transactions/apart.csv", LATE + apart)
    requests = sensor.runs()
    assert [request.job_name for request in requests] == [SCAN, INGEST, INGEST, SNAPSHOT]


def test_a_new_delivery_of_customers_needs_no_month(sensor: Sensor) -> None:
    settings = sensor.platform.settings
    newer = "C1,Ada,King,ada@example.org,Female,1990-12-10,2024-01-02,West,Consumer\n"
    land(settings.landing, "customers/dt=2024-02-01/customers.csv", newer)
    (refresh,) = sensor.runs()
    assert covered(refresh) == (None, None, {"customers"})
    assert [row["last_name"] for row in rows_of(settings, "cleaned/customers")] == ["King"]


def test_nothing_is_requested_while_an_ingest_is_running(sensor: Sensor) -> None:
    instance = sensor.platform.instance
    land(sensor.platform.settings.landing, "transactions/late.csv", LATE)
    job = sensor.platform.definitions.resolve_job_def(INGEST)
    run = instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": JANUARY}
    )
    assert sensor.asks() == "an ingest is running"
    instance.report_run_failed(run)
    assert not isinstance(sensor.asks(), str)


def test_a_restored_table_starts_no_run(sensor: Sensor) -> None:
    from cip_assets.orchestration.jobs.recovery import RESTORE

    assert sensor.asks() == "everything that landed is in the exports"
    sensor.platform.recover(RESTORE, {"table": "cleaned/transactions", "version": 0, "force": True})
    assert sensor.asks() == "everything that landed is in the exports"


def tick(sensor: Sensor, monkeypatch: pytest.MonkeyPatch, watched: float) -> Any:
    """An evaluation by Dagster, which watches the folder for some seconds."""
    from cip_assets.orchestration.jobs.all_jobs import all_jobs
    from cip_assets.orchestration.resources import LakeResource
    from cip_assets.orchestration.sensors import landing

    for name, seconds in {"SETTLED_AFTER": 0.0, "QUIET": 0.2, "WATCHED": watched}.items():
        monkeypatch.setattr(landing, name, seconds)
    with dg.build_sensor_context(
        instance=sensor.platform.instance,
        resources={"lake": LakeResource(data_dir=str(sensor.platform.settings.data_dir))},
        definitions=sensor.platform.definitions,
    ) as context:
        sensor_of_dagster = landing.landing_sensor(sensor.platform.graph, all_jobs(sensor.platform.graph))
        return sensor_of_dagster.evaluate_tick(context)


def test_the_cursor_of_the_sensor_has_the_hashes(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = sensor.platform.settings
    result = tick(sensor, monkeypatch, watched=0.0)
    memory = json.loads(str(result.cursor))
    assert memory["files"].keys() == {
        str(path.relative_to(settings.landing)) for path in settings.landing.glob("*.csv")
    }
    assert result.skip_message == "everything that landed is in the exports"
    assert files_of(settings)


def test_a_file_that_lands_during_an_evaluation_is_handled_in_it(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Timer(1.0, land, [sensor.platform.settings.landing, "transactions/late.csv", LATE]).start()
    (request,) = tick(sensor, monkeypatch, watched=60.0).run_requests or []
    assert covered(request) == (JANUARY, JANUARY, {"transactions"})


def test_a_file_that_is_added_removed_and_added_again_is_handled_each_time(sensor: Sensor) -> None:
    settings = sensor.platform.settings
    late = settings.landing / "transactions" / "late.csv"
    for january in ("25.00", "12.50", "25.00"):
        if january == "12.50":
            late.unlink()
        else:
            land(settings.landing, "transactions/late.csv", LATE)
        (refresh,) = sensor.runs()
        assert covered(refresh) == (JANUARY, JANUARY, {"transactions"})
        assert revenue(settings) == [january, "37.50"]
    assert sensor.report.failures == []


def test_a_bad_file_that_is_added_again_is_reported_again(sensor: Sensor) -> None:
    bad = sensor.platform.settings.landing / "support_tickets" / "bad.csv"
    bad.parent.mkdir()
    for times in (1, 2):
        bad.write_text("nonsense", encoding="utf-8")
        os.utime(bad, (times, times))
        sensor.runs()
        assert len(sensor.report.failures) == times
        bad.unlink()
        sensor.runs()


@pytest.fixture
def fresh_sensor(data_dir: Path, _small_snapshot: None) -> Iterator[Sensor]:
    """A sensor on an empty folder, in which nothing was ever run."""
    with open_instance(data_dir / ".dagster") as instance:
        yield Sensor(data_dir, instance)


def test_a_first_start_with_tables_without_rows_succeeds_in_one_run(fresh_sensor: Sensor) -> None:
    settings = fresh_sensor.platform.settings
    land_all(settings.landing, returns="", support_tickets="", web_activity="")
    (refresh,) = fresh_sensor.runs()
    assert (fresh_sensor.report.failures, fresh_sensor.report.skipped) == ([], [])
    assert covered(refresh) == (JANUARY, FEBRUARY, set(SOURCE_TABLES))
    assert revenue(settings) == ["12.50", "37.50"]


def test_a_correction_that_moves_a_line_to_another_month_also_runs_the_old_month(sensor: Sensor) -> None:
    settings = sensor.platform.settings
    moved = "T2,C1,P1,2,12.50,25.00,PayPal,2024-01-31\n"
    land(settings.landing, "transactions/dt=2024-03-10/fix.csv", moved)
    sensor.runs()
    assert revenue(settings) == ["37.50", "12.50"]
    (superseded,) = rows_of(settings, "quarantine/transactions")
    assert (superseded["month"].isoformat(), superseded["outcome"]) == (FEBRUARY, "superseded")
    (settings.landing / "transactions/dt=2024-03-10/fix.csv").unlink()
    sensor.runs()
    assert revenue(settings) == ["12.50", "37.50"]
