"""The inputs of a snapshot in Dagster: everything that landed up to its day, or the run is refused.

Every run here is started as in the Dagster UI, not by `cip run`, which computes what is missing by itself.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.config.settings import Settings
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.due.gate import BLOCKING, BLOCKING_FACTS, BLOCKING_SNAPSHOTS
from cip_assets.orchestration.due.plan import Block
from cip_assets.orchestration.failures import failures_of
from cip_assets.orchestration.jobs.names import SCAN
from cip_assets.orchestration.run_tags import RANGE_END, RANGE_START
from cip_assets.orchestration.runs import Report
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import GRAPH, materialize, platform_of
from cip_assets_tests.integration.helpers import date_earlier, land, land_all, rows_of

DAY = "2024-02-12"
BOUGHT = ("features/split_orders", "features/purchases")
"""The purchases of a day, and what they are computed from of that day."""

LATE = "T9,C2,P1,1,12.50,12.50,Cash,2024-01-31\n"


class Dagster:
    """Dagster on a data folder, as a person uses it in the Dagster UI."""

    def __init__(self, data_dir: Path) -> None:
        instance = dg.DagsterInstance.ephemeral()
        self.platform = platform_of(Settings(data_dir, ENGINE), instance, ["features/population"])
        self.settings = self.platform.settings

    def materialize(
        self, *names: str, day: str | None = None, months: tuple[str, str] | None = None, checks: bool = True
    ) -> list[str]:
        """Materialize some tables; return the failures, in one line each."""
        result = materialize(
            self.platform.definitions,
            [dg.AssetKey(name.split("/")) for name in names],
            None if checks else (),
            instance=self.platform.instance,
            partition_key=day,
            tags={RANGE_START: months[0], RANGE_END: months[1]} if months else None,
        )
        retried = [event for event in result.all_events if event.is_step_up_for_retry]
        assert retried == []
        return [f.message for e in result.all_events if e.is_step_failure for f in failures_of(e)]

    def ingest(self, *tables: str, months: tuple[str, str] | None = None) -> list[str]:
        names = [key.to_user_string() for key in Block(tables).assets]
        return self.materialize(*names, months=months)

    def scan(self) -> None:
        self.platform.execute(SCAN, Report())

    def versions(self, *names: str) -> Sequence[int]:
        return [delta.open_table(self.settings.table_uri(*name.split("/"))).version() for name in names]


@pytest.fixture
def dagster(healthy: Path) -> Dagster:
    """The small folder after a complete run, up to its last day."""
    return Dagster(healthy)


def test_a_day_with_missing_inputs_is_refused_and_nothing_is_written(dagster: Dagster) -> None:
    before = dagster.versions("features/rfm", "marts/insights")
    assert dagster.materialize("features/rfm", day="2024-02-11") == [
        (
            "features/purchases: 2024-02-11 was never computed; materialize features/purchases for 2024-02-11 first "
            "(job snapshot, or 'cip run --as-of 2024-02-11')"
        )
    ]
    (insights,) = dagster.materialize("marts/insights", day="2024-02-11")
    assert "marts/insight_counts: 2024-02-11 was never computed" in insights
    (file,) = dagster.materialize("exports/kpi_totals", day="2024-02-11")
    assert file.startswith("marts/kpi_totals: 2024-02-11 was never computed")
    (page,) = dagster.materialize("exports/dashboard", day="2024-02-11")
    assert page.startswith("features/forecast_model: 2024-02-11 was never computed")
    assert dagster.versions("features/rfm", "marts/insights") == before


def test_a_day_that_was_computed_without_rows_is_accepted(dagster: Dagster) -> None:
    before_the_first_purchase = "2024-01-03"
    for table in ("split_orders", "purchases", "rfm_cut_points", "rfm"):
        assert dagster.materialize(f"features/{table}", day=before_the_first_purchase) == []
    assert {str(row["as_of_date"]) for row in rows_of(dagster.settings, "features/rfm")} == {DAY}


def test_a_day_that_a_restore_undid_counts_as_never_computed(dagster: Dagster) -> None:
    (version,) = dagster.versions("features/purchases")
    dagster.materialize(*BOUGHT, day="2024-01-03")
    delta.restore(dagster.settings.table_uri("features", "purchases"), version)
    (refusal,) = dagster.materialize("features/rfm_cut_points", day="2024-01-03")
    assert refusal.startswith("features/purchases: 2024-01-03 was never computed")


def test_a_month_whose_lines_were_never_read_is_refused(dagster: Dagster) -> None:
    april = ("2024-04-01", "2024-04-01")
    (refusal,) = dagster.materialize("cleaned/returns", "quarantine/returns", months=april)
    assert refusal == (
        "raw/returns: 2024-04 was never computed; materialize raw/returns for 2024-04 first "
        "(job ingest, or 'cip run')"
    )


def test_a_snapshot_needs_every_month_up_to_it_that_landed(data_dir: Path) -> None:
    land_all(data_dir / "landing")
    dagster = Dagster(data_dir)
    dagster.scan()
    dagster.ingest("customers")
    january, all_months = ("2024-01-01", "2024-01-01"), ("2024-01-01", "2024-02-01")
    dagster.ingest("transactions", months=january)
    assert dagster.materialize(*BOUGHT, day="2024-01-31") == []
    assert dagster.materialize(*BOUGHT, day=DAY) == [
        (
            "cleaned/transactions: these months are out of date: 2024-02; a snapshot of 2024-02-12 needs every month up "
            "to that day: run the job ingest for transactions and these months, or 'cip run'"
        )
    ]
    dagster.ingest("transactions", months=all_months)
    assert dagster.materialize(*BOUGHT, day=DAY) == []


@pytest.mark.parametrize(
    ("path", "rows", "says"),
    [
        ("transactions/late.csv", LATE, "cleaned/transactions: these months are out of date: 2024-01;"),
        (
            "transactions.csv",
            "T1,C1,P1,1,10.00,10.00,PayPal,2024-01-10\n",
            "cleaned/transactions: these months are out of date: 2024-01, 2024-02;",
        ),
        (
            "customers/dt=2024-02-12/c.csv",
            "C1,Ada,King,,,,2024-01-02,,\nC2,Alan,Turing,,,,2024-01-02,,\n",
            "cleaned/customers: the newest delivery has not been ingested;",
        ),
    ],
    ids=["a late file", "an overwritten file", "a newer delivery"],
)
def test_files_that_landed_since_must_be_ingested_first(
    dagster: Dagster, path: str, rows: str, says: str
) -> None:
    land(dagster.settings.landing, path, rows)
    names = ("features/population",) if "customers" in path else BOUGHT
    (unscanned,) = dagster.materialize(*names, day=DAY)
    assert (
        f": the landing folder has changed since it was last scanned ({path}); run the job refresh"
        in unscanned
    )
    dagster.scan()
    (scanned,) = dagster.materialize(*names, day=DAY)
    assert scanned.startswith(says)
    assert dagster.platform.run().succeeded
    assert dagster.materialize(*names, day=DAY) == []


def test_months_after_the_day_can_be_missing(dagster: Dagster) -> None:
    land(dagster.settings.landing, "transactions/late.csv", LATE.replace("2024-01-31", "2024-03-01"))
    dagster.scan()
    assert dagster.materialize(*BOUGHT, day=DAY) == []


def test_an_unchanged_file_with_another_time_changes_nothing(dagster: Dagster) -> None:
    file = dagster.settings.landing / "transactions.csv"
    file.write_bytes(file.read_bytes())
    assert dagster.materialize(*BOUGHT, day=DAY) == []


def test_a_file_that_changed_after_the_clock_went_back_must_be_ingested_first(dagster: Dagster) -> None:
    """Its time is before that of the scan, and its size is the same."""
    date_earlier(dagster.settings.table_uri("landing", "manifest"), hours=-2)
    file = dagster.settings.landing / "transactions.csv"
    file.write_text(file.read_text("utf-8").replace("12.50", "21.50"), "utf-8")
    (refusal,) = dagster.materialize(*BOUGHT, day=DAY)
    assert refusal.startswith("transactions: the landing folder has changed since it was last scanned")


def test_a_file_that_cannot_be_read_is_named(dagster: Dagster) -> None:
    (dagster.settings.landing / "transactions").mkdir()
    (dagster.settings.landing / "transactions" / "bad.csv").write_text("nonsense", encoding="utf-8")
    dagster.scan()
    (refusal,) = dagster.materialize(*BOUGHT, day=DAY)
    assert refusal.startswith("transactions: transactions/bad.csv: line 1 lacks column")


def test_a_snapshot_is_not_computed_from_outdated_snapshots(dagster: Dagster) -> None:
    """The features of the day were computed before a purchase landed, so marts from them would not include it."""
    land(dagster.settings.landing, "transactions/late.csv", LATE)
    dagster.scan()
    assert dagster.ingest("transactions", months=("2024-01-01", "2024-01-01")) == []
    (refusal,) = dagster.materialize("features/rfm_cut_points", day=DAY)
    assert refusal == (
        "features/purchases: its snapshot of 2024-02-12 is older than facts/order_days, which it was computed "
        "from; materialize features/purchases for 2024-02-12 again first "
        "(job snapshot, or 'cip run --as-of 2024-02-12')"
    )
    (deeper,) = dagster.materialize("marts/kpi_top_customers", day=DAY)
    assert deeper.startswith("marts/customer_360: its snapshot of 2024-02-12 is older than facts/order_days")
    (file,) = dagster.materialize("exports/kpi_monthly_revenue", day=DAY)
    assert file.startswith("marts/kpi_monthly_revenue: its snapshot of 2024-02-12 is older than")
    assert dagster.materialize(*BOUGHT, "features/rfm_cut_points", day=DAY) == []


def test_a_line_that_moved_to_another_month_counts_once(dagster: Dagster) -> None:
    moved = "T2,C1,P1,2,12.50,25.00,PayPal,2024-01-31\n"
    land(dagster.settings.landing, "transactions/dt=2024-03-10/fix.csv", moved)
    dagster.scan()
    dagster.ingest("transactions", months=("2024-01-01", "2024-01-01"))
    (refusal,) = dagster.materialize(*BOUGHT, day=DAY)
    assert refusal.startswith("cleaned/transactions: these months are out of date: 2024-01, 2024-02;")
    dagster.ingest("transactions", months=("2024-02-01", "2024-02-01"))
    assert dagster.materialize(*BOUGHT, day=DAY) == []
    bought = {
        row["transaction_id"]: str(row["month"]) for row in rows_of(dagster.settings, "cleaned/transactions")
    }
    assert bought == {"T1": "2024-01-01", "T2": "2024-01-01", "T3": "2024-02-01"}


def test_a_table_with_a_failed_blocking_check_is_not_read_until_the_check_passes(
    dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "RECENT", 3)
    instance, failed = dagster.platform.instance, dg.AssetCheckSeverity.ERROR
    key = dg.AssetKey(["cleaned", "transactions"])
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            key, "conservation", passed=False, metadata={}, severity=failed, description="3 landed, 2 raw"
        )
    )
    (refusal,) = dagster.materialize(*BOUGHT, day=DAY)
    assert refusal.startswith(
        "cleaned/transactions: its check conservation did not pass: 3 landed, 2 raw; correct"
    )
    # A passed check of other months does not clear it, however many they are.
    dagster.ingest("transactions", months=("2023-11-01", "2024-01-01"))
    assert dagster.materialize(*BOUGHT, day=DAY) == [refusal]
    report = dagster.platform.run()
    assert report.succeeded
    assert [block.tables for block in report.ingested] == [("transactions",)]
    assert dagster.materialize(*BOUGHT, day=DAY) == []


def test_facts_that_are_older_than_their_events_are_not_read(dagster: Dagster) -> None:
    january = ("2024-01-01", "2024-01-01")
    dagster.materialize("cleaned/transactions", months=january, checks=False)
    assert dagster.materialize(*BOUGHT, day=DAY) == [
        (
            "facts/order_days: these months are older than cleaned/transactions: 2024-01; run the job ingest for "
            "transactions and these months, or 'cip run'"
        )
    ]
    (refusal,) = dagster.materialize("features/rfm_cut_points", day=DAY)
    assert refusal.startswith(
        "features/purchases: its snapshot of 2024-02-12 is older than cleaned/transactions"
    )
    report = dagster.platform.run()
    assert report.succeeded
    assert report.ingested == [Block(("transactions",), *january, ("facts",))]
    assert dagster.materialize(*BOUGHT, day=DAY) == []


def test_facts_that_are_gone_or_restored_are_computed_again_alone(dagster: Dagster) -> None:
    uri = dagster.settings.table_uri("facts", "session_days")
    before = rows_of(dagster.settings, "facts/session_days")
    delta.restore(uri, 0)
    again = [Block(("web_activity",), "2024-02-01", "2024-02-01", ("facts",))]
    assert dagster.platform.run().ingested == again
    shutil.rmtree(uri)
    assert dagster.platform.run().ingested == again
    assert rows_of(dagster.settings, "facts/session_days") == before
    assert dagster.platform.run().ingested == []


def test_facts_with_a_failed_blocking_check_are_not_read(dagster: Dagster) -> None:
    failed = dg.AssetCheckEvaluation(
        dg.AssetKey(["facts", "order_days"]),
        "conservation",
        passed=False,
        metadata={},
        severity=dg.AssetCheckSeverity.ERROR,
        description="in 2024-01, the sums are not those of cleaned/transactions",
    )
    dagster.platform.instance.report_runless_asset_event(failed)
    (refusal,) = dagster.materialize(*BOUGHT, day=DAY)
    assert refusal.startswith("facts/order_days: its check conservation did not pass: in 2024-01, the sums")
    assert dagster.platform.run().succeeded
    assert dagster.materialize(*BOUGHT, day=DAY) == []


def test_a_snapshot_with_a_failed_blocking_check_is_not_exported(dagster: Dagster) -> None:
    failed = dg.AssetCheckEvaluation(
        dg.AssetKey(["marts", "kpi_totals"]),
        "adds_up",
        passed=False,
        metadata={},
        severity=dg.AssetCheckSeverity.ERROR,
        description="total_revenue is 1.00",
        partition=DAY,
    )
    dagster.platform.instance.report_runless_asset_event(failed)
    (refusal,) = dagster.materialize("exports/kpi_totals", day=DAY)
    assert refusal.startswith(
        "marts/kpi_totals: its check adds_up did not pass for 2024-02-12: total_revenue is 1.00; materialize"
    )
    assert dagster.materialize("marts/kpi_totals", "exports/kpi_totals", day=DAY) == []


def test_the_gate_knows_all_blocking_checks() -> None:
    specs = [spec for spec in GRAPH.check_specs if spec.blocking]

    def of(*layers: str) -> set[str]:
        return {spec.name for spec in specs if spec.asset_key.path[0] in layers}

    assert of("cleaned") == set(BLOCKING)
    assert of("facts") == set(BLOCKING_FACTS)
    assert of("features", "marts") == set(BLOCKING_SNAPSHOTS)
    assert of("raw", "quarantine", "exports") == set()
