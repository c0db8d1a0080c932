"""Complete runs from landing files to exports, on real data and each engine."""

import csv
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.layers import CSV_FILES
from cip_assets.orchestration.due import plan
from cip_assets.orchestration.due.plan import HISTORY, Block
from cip_assets.orchestration.jobs.names import INGEST, SCAN
from cip_assets.orchestration.runs import Platform, Report
from cip_assets_tests.conftest import ENGINE, ODD_NAME
from cip_assets_tests.integration.helpers import (
    LANDED,
    data_files,
    every_table,
    exported,
    files_of,
    land,
    rows_of,
)
from cip_assets_tests.sample import Sample

MakePlatform = Callable[..., Platform]
MONTHLY = "exports/kpi_monthly_revenue"


@pytest.mark.engine
def test_a_run_on_generated_data_succeeds_and_reports_only_planted_defects(sample: Sample) -> None:
    assert sample.report.failures == []
    (warning,) = [check for check in sample.report.checks if not check.passed]
    # Some customers are in their file twice, and the second line is the correction.
    assert (warning.asset, warning.name, warning.is_warning) == ("cleaned/customers", "one_line_per_id", True)
    assert warning.metadata["in_one_file"] == sample.truth.kinds["customers"]["corrected"]
    assert {path.stem for path in sample.settings.final.glob("*.csv")} == {
        export.name for export in CSV_FILES
    }


@pytest.mark.engine
def test_a_run_writes_into_its_folder_whatever_its_name_and_not_beside_it(sample: Sample) -> None:
    assert [path.name for path in sample.settings.data_dir.parent.iterdir()] == [ODD_NAME]


@pytest.mark.engine
def test_every_planted_defect_is_quarantined_with_its_reason_and_nothing_else_is(sample: Sample) -> None:
    with (sample.settings.landing / "_truth.csv").open(encoding="utf-8", newline="") as stream:
        planted = [row for row in csv.DictReader(stream) if row["outcome"] != "kept"]
    expected = {(row["file"], int(row["line"])): (row["outcome"], row["reason"]) for row in planted}
    found = {
        (row["source_file"], row["source_line"]): (row["outcome"], row["reasons"])
        for table in sample.truth.rows
        for row in rows_of(sample.settings, f"quarantine/{table}")
    }
    assert found == expected
    assert len({reason for _, reason in expected.values()}) > 10


@pytest.mark.engine
def test_rows_and_money_match_the_generated_data(sample: Sample) -> None:
    for table, rows in sample.truth.rows.items():
        assert len(rows_of(sample.settings, f"cleaned/{table}")) == rows.clean
        assert len(rows_of(sample.settings, f"raw/{table}")) == rows.landed
    (totals,) = exported(sample.settings, "kpi_totals")
    assert Decimal(totals["total_revenue"]) == sample.truth.money["transactions"]
    assert Decimal(totals["returned_amount"]) == sample.truth.money["returns"]
    assert int(totals["total_customers"]) == sample.truth.rows["customers"].clean
    spent = sum(Decimal(row["monetary_value"]) for row in exported(sample.settings, "customer_360"))
    assert spent + Decimal(totals["orphan_revenue"]) == Decimal(totals["total_revenue"])


def test_a_second_run_ingests_nothing_and_gives_the_same_bytes(sample: Sample) -> None:
    before = files_of(sample.settings)
    again = sample.platform.run()
    assert again.succeeded
    assert again.ingested == []
    assert len(again.up_to_date) == len(sample.platform.snapshot_assets)
    assert files_of(sample.settings) == before


def test_ingesting_everything_again_gives_the_same_tables(sample: Sample) -> None:
    before, files = every_table(sample.settings), files_of(sample.settings)
    # The totals are checked against customer_360, which needs nearly all features.
    platform = open_platform(sample.settings, sample.platform.instance, select=["exports/kpi_totals"])
    again = platform.run(everything=True)
    assert (again.succeeded, again.up_to_date) == (True, [])
    assert files_of(sample.settings) == files
    after = every_table(sample.settings)
    assert {name for name in before if not before[name].equals(after[name])} == set()


def test_one_row_per_customer_sorted_by_id(sample: Sample) -> None:
    ids = [row["customer_id"] for row in exported(sample.settings, "customer_360")]
    assert ids == sorted(ids)
    assert max(Counter(ids).values()) == 1


def test_a_selected_asset_includes_the_tables_that_its_checks_compare_it_with(healthy: Path) -> None:
    with (platform := open_platform(Settings(healthy, ENGINE), select=["exports/kpi_totals"])).instance:
        report = platform.run()
    assert report.succeeded
    assert "exports/kpi_totals" in report.rows
    assert "marts/customer_360" in report.rows
    assert "marts/segment_migration" not in report.rows


def test_a_late_row_reruns_only_its_own_month_and_the_others_stay_byte_for_byte(
    healthy: Path, platform_on: MakePlatform
) -> None:
    landing = healthy / "landing"
    platform = platform_on(healthy, MONTHLY)
    before = data_files(platform.settings, "cleaned/transactions")
    land(landing, "transactions/dt=2024-02-28/late.csv", "T9,C2,P1,1,12.50,12.50,Cash,2024-01-31\n")

    report = platform.run()

    assert report.succeeded
    assert report.ingested == [Block(("transactions",), "2024-01-01", "2024-01-01")]
    after = data_files(platform.settings, "cleaned/transactions")
    assert after["2024-02-01"] == before["2024-02-01"]
    assert after["2024-01-01"] != before["2024-01-01"]
    months = exported(platform.settings, "kpi_monthly_revenue")
    assert [row["monthly_revenue"] for row in months] == ["25.00", "37.50"]


def test_an_older_delivery_that_arrives_late_changes_only_the_history(
    healthy: Path, platform_on: MakePlatform
) -> None:
    platform = platform_on(healthy, "features/population")
    other = LANDED["customers"].replace("North", "West")
    land(healthy / "landing", "customers/dt=2024-02-20/late.csv", other.replace("C2", "C3"))
    land(healthy / "landing", "customers/dt=2024-03-01/new.csv", other)
    assert platform.run().ingested == [Block(("customers",))]
    land(healthy / "landing", "customers/dt=2024-02-25/older.csv", LANDED["customers"])
    assert platform.run().ingested == [Block(("customers",), layers=(HISTORY,))]
    found = rows_of(platform.settings, "cleaned/customers_history")
    assert sorted((row["customer_id"], row["region"], str(row["valid_from"])) for row in found) == [
        ("C1", "North", "1900-01-01"),
        ("C1", "North", "2024-02-25"),
        ("C1", "West", "2024-02-20"),
        ("C1", "West", "2024-03-01"),
        ("C2", "South", "1900-01-01"),
        ("C2", "South", "2024-02-25"),
        ("C3", "South", "2024-02-20"),
    ]
    assert platform.run().ingested == []


def test_a_correction_in_a_later_delivery_wins_and_the_old_row_is_superseded(
    healthy: Path, platform_on: MakePlatform
) -> None:
    land(
        healthy / "landing",
        "transactions/dt=2024-03-01/fix.csv",
        "T1,C1,P1,1,10.00,10.00,PayPal,2024-01-10\n",
    )
    platform = platform_on(healthy, MONTHLY)
    assert platform.run().succeeded
    amounts = {
        row["transaction_id"]: row["amount"] for row in rows_of(platform.settings, "cleaned/transactions")
    }
    assert amounts["T1"] == Decimal("10.00")
    (superseded,) = rows_of(platform.settings, "quarantine/transactions")
    assert (superseded["source_file"], superseded["reasons"]) == (
        "transactions.csv",
        "transaction_id:superseded",
    )


def test_the_rows_of_a_removed_file_are_removed(healthy: Path, platform_on: MakePlatform) -> None:
    platform = platform_on(healthy, "features/support")
    land(healthy / "landing", "support_tickets/none.csv", "")
    land(healthy / "landing", "support_tickets.csv", "").unlink()
    assert platform.run().succeeded
    assert rows_of(platform.settings, "cleaned/support_tickets") == []
    assert rows_of(platform.settings, "features/support") == []


def test_a_correction_can_move_a_line_to_another_month_and_back(
    data_dir: Path, platform_on: MakePlatform
) -> None:
    """Whether the files land one by one or together, each id counts once, in the month of its newest line."""
    platform = platform_on(data_dir)
    land(data_dir / "landing", "transactions.csv", LANDED["transactions"])

    def revenue(*, everything: bool = False) -> dict[str, Decimal]:
        report = Report()
        platform.execute(SCAN, report)
        due = plan.due(platform.graph, platform.settings, platform.instance, everything=everything)
        for block in due.blocks:
            alone = replace(block, tables=("transactions",))
            platform.execute(INGEST, report, assets=set(alone.assets), tags=alone.tags)
        platform.settle(report)
        assert report.succeeded
        months: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows_of(platform.settings, "cleaned/transactions"):
            months[str(row["month"])] += row["amount"]
        return months

    as_landed = {"2024-01-01": Decimal("12.50"), "2024-02-01": Decimal("37.50")}
    corrected = {"2024-01-01": Decimal("37.50"), "2024-02-01": Decimal("12.50")}
    assert revenue() == as_landed
    fix = land(
        data_dir / "landing",
        "transactions/dt=2024-03-10/fix.csv",
        "T2,C1,P1,2,12.50,25.00,PayPal,2024-01-31\n",
    )
    assert revenue() == corrected
    one_after_the_other = every_table(platform.settings)
    assert revenue(everything=True) == corrected
    at_once = every_table(platform.settings)
    assert [name for name in at_once if not at_once[name].equals(one_after_the_other[name])] == []
    fix.unlink()
    assert revenue() == as_landed


def test_a_correction_without_a_date_wins_also_after_the_lake_was_lost(
    data_dir: Path, platform_on: MakePlatform
) -> None:
    """Its event is older than those of the file that it corrects. What comes later with an older date changes nothing."""
    landing = data_dir / "landing"

    def amounts() -> dict[str, str]:
        report, platform = Report(), platform_on(data_dir)
        platform.execute(SCAN, report)
        for block in plan.due(platform.graph, platform.settings, platform.instance).blocks:
            alone = replace(block, tables=("transactions",))
            platform.execute(INGEST, report, assets=set(alone.assets), tags=alone.tags)
        platform.settle(report)
        assert report.succeeded
        return {
            row["transaction_id"]: str(row["amount"])
            for row in rows_of(platform.settings, "cleaned/transactions")
        }

    land(landing, "transactions.csv", LANDED["transactions"])
    assert amounts()["T1"] == "12.50"
    land(landing, "transactions/a.csv", "T1,C1,P1,1,10.00,10.00,PayPal,2024-01-10\n")
    assert amounts()["T1"] == "10.00"
    land(
        landing, "transactions/Z.csv", "T1,C1,P1,1,9.00,9.00,PayPal,2024-02-09\n"
    )  # on the same day, sorted before
    assert amounts()["T1"] == "9.00"
    land(landing, "transactions/dt=2024-06-01/old.csv", "T1,C1,P1,1,8.00,8.00,PayPal,2024-01-10\n")
    before = amounts()
    assert before == {"T1": "9.00", "T2": "25.00", "T3": "12.50"}
    tables = every_table(platform_on(data_dir).settings)
    shutil.rmtree(data_dir / "lake")
    assert amounts() == before
    again = every_table(platform_on(data_dir).settings)
    assert [name for name in tables if not again[name].equals(tables[name])] == []
    # For a newcomer all of it is new at once. Then the latest event date counts, and a dt= as always.
    shutil.rmtree(data_dir / "lake")
    (data_dir / "first_seen.csv").unlink()
    assert amounts() == {**before, "T1": "8.00"}
    (landing / "transactions/dt=2024-06-01/old.csv").unlink()
    assert amounts() == {**before, "T1": "12.50"}


def test_only_the_newest_full_delivery_of_customers_counts(healthy: Path, platform_on: MakePlatform) -> None:
    newer = "C1,Ada,King,ada@example.org,Female,1990-12-10,2024-01-02,West,Consumer\n"
    land(healthy / "landing", "customers/dt=2024-02-01/customers.csv", newer)
    platform = platform_on(healthy, MONTHLY)
    assert platform.run().succeeded
    assert [row["last_name"] for row in rows_of(platform.settings, "cleaned/customers")] == ["King"]


def test_a_column_that_is_not_in_the_contract_is_kept_in_raw(
    healthy: Path, platform_on: MakePlatform
) -> None:
    landing = healthy / "landing"
    platform = platform_on(healthy, MONTHLY)
    land(
        landing,
        "products.csv",
        "gold,Lamp,P1,Home,Lumo,5.00,12.50\n",
        "tier,product_name,product_id,category,brand,cost_price,selling_price",
    )
    assert platform.run().succeeded
    (row,) = rows_of(platform.settings, "raw/products")
    assert (row["tier"], row["product_id"], row["product_name"]) == ("gold", "P1", "Lamp")


def test_an_older_day_can_be_computed_without_later_events(healthy: Path, platform_on: MakePlatform) -> None:
    platform = platform_on(
        healthy, "exports/kpi_totals", "exports/customer_360", "exports/kpi_monthly_revenue"
    )
    assert platform.run(as_of=date(2024, 1, 31)).succeeded
    assert [row["total_revenue"] for row in exported(platform.settings, "kpi_totals")] == ["12.50"]
    assert [row["frequency"] for row in exported(platform.settings, "customer_360")] == ["1", "0"]
