"""Bad input gets one line that says where it is and what to do; good tables go on, and bad ones stay as they were."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.runs import Platform
from cip_assets_tests.integration.helpers import LANDED, exported, land, land_all, rows_of

MakePlatform = Callable[..., Platform]
MONTHLY = "exports/kpi_monthly_revenue"
HEADER = "ticket_id,customer_id,ticket_category,priority,status,opened_date,resolved_date\n"


def test_a_bad_file_stops_only_its_table(healthy: Path, platform_on: MakePlatform) -> None:
    """test_landing_files.py has the lines for other bad files."""
    landing = healthy / "landing"
    platform = platform_on(healthy, MONTHLY, "features/support")
    (landing / "support_tickets" / "bad.csv").parent.mkdir()
    (landing / "support_tickets" / "bad.csv").write_text(
        f'{HEADER}S1,C1,"Billing,High,Open,2024-02-21,\nS2,C1,Billing,High,Open,2024-02-21,\n', "utf-8"
    )
    land(landing, "transactions/more.csv", "T9,C2,P1,1,1.00,1.00,Cash,2024-02-28\n")

    report = platform.run()

    (failure,) = report.failures
    assert failure.message.startswith("support_tickets: support_tickets/bad.csv: ")
    assert "line 2: a quote" in failure.message
    assert "\n" not in failure.message
    assert not report.succeeded
    assert len(rows_of(platform.settings, "cleaned/support_tickets")) == 1
    assert "T9" in {row["transaction_id"] for row in rows_of(platform.settings, "cleaned/transactions")}
    assert report.skipped == ["features/support"]
    assert [row["monthly_revenue"] for row in exported(platform.settings, "kpi_monthly_revenue")][
        -1
    ] == "38.50"


def test_a_truncated_gzip_is_named(healthy: Path, platform_on: MakePlatform) -> None:
    packed = gzip.compress((HEADER + "S1,C1,Billing,High,Open,2024-02-21,\n" * 500).encode())
    path = healthy / "landing" / "support_tickets" / "cut.csv.gz"
    path.parent.mkdir()
    path.write_bytes(packed[:-20])
    (failure,) = platform_on(healthy, MONTHLY).run().failures
    assert failure.message.startswith("support_tickets: support_tickets/cut.csv.gz: its gzip data is damaged")


def test_after_a_file_is_corrected_its_table_is_up_to_date(data_dir: Path, platform_on: MakePlatform) -> None:
    landing = data_dir / "landing"
    land_all(landing, support_tickets="")
    path = landing / "support_tickets.csv"
    path.write_text("nonsense", encoding="utf-8")
    platform = platform_on(data_dir, "features/support")
    assert not platform.run().succeeded
    land(landing, "support_tickets.csv", LANDED["support_tickets"])
    assert platform.run().succeeded
    assert len(rows_of(platform.settings, "cleaned/support_tickets")) == 1


def test_without_any_event_there_is_no_day_to_compute(data_dir: Path, platform_on: MakePlatform) -> None:
    land(data_dir / "landing", "customers.csv", LANDED["customers"])
    with pytest.raises(
        PlatformError, match=r"^there is no day to compute, because none of these tables has a row: "
    ):
        platform_on(data_dir, MONTHLY).run()


def test_a_table_that_had_rows_must_not_stop_coming(healthy: Path, platform_on: MakePlatform) -> None:
    (healthy / "landing" / "returns.csv").unlink()
    (failure,) = platform_on(healthy, MONTHLY).run().failures
    assert failure.message.startswith(
        "returns: no file has landed, but the table has rows from files that were removed; put returns.csv"
    )


def test_an_empty_landing_folder_says_how_to_fill_it(data_dir: Path, platform_on: MakePlatform) -> None:
    (failure,) = platform_on(data_dir, MONTHLY).run().failures
    assert "holds no landing files" in failure.message
    assert "cip generate" in failure.message
    assert "<table>/**/*.csv[.gz]" in failure.message


def test_tables_without_rows_are_not_an_error(data_dir: Path, platform_on: MakePlatform) -> None:
    land_all(data_dir / "landing", returns="", support_tickets="", web_activity="")
    platform = platform_on(data_dir, "exports/customer_360")
    report = platform.run()
    assert report.failures == []
    assert report.succeeded
    rows = exported(platform.settings, "customer_360")
    assert [(row["total_returns"], row["total_sessions"], row["total_tickets"]) for row in rows] == [
        ("", "", "")
    ] * 2


def test_a_bad_line_is_quarantined_with_its_text_and_stops_nothing(
    healthy: Path, platform_on: MakePlatform
) -> None:
    bad = 'T4,C1,P1,0,"1,50",x,Cash,soon\nT5,C1\n'
    land(healthy / "landing", "transactions.csv", LANDED["transactions"] + bad)
    platform = platform_on(healthy, MONTHLY)
    assert platform.run().failures == []
    quarantined = {
        row["source_line"]: (row["reasons"], row["raw_text"])
        for row in rows_of(platform.settings, "quarantine/transactions")
    }
    assert quarantined == {
        5: (
            "price:not_a_number; amount:not_a_number; transaction_date:not_a_date; quantity:below_minimum",
            'T4,C1,P1,0,"1,50",x,Cash,soon',
        ),
        6: ("row:too_few_fields", "T5,C1"),
    }
    assert len(rows_of(platform.settings, "cleaned/transactions")) == 3


def test_an_export_with_a_line_for_each_item_of_an_order_stops_what_needs_it(
    healthy: Path, platform_on: MakePlatform
) -> None:
    lines = ["o1,C1,P1,1,1,10,Cash,2024-02-01", "o1,C1,P2,1,1,20,Cash,2024-02-01"]
    lines += [line.replace("o1", "o2") for line in lines]
    land(healthy / "landing", "transactions.csv", "\n".join([*lines, ""]))
    platform = platform_on(healthy, MONTHLY)
    # The second run finds the table up to date with its file, and still must not use what the first run refused.
    for report in (platform.run(), platform.run()):
        (check,) = [check for check in report.checks if not check.passed]
        assert (check.asset, check.name, check.is_warning) == (
            "cleaned/transactions",
            "one_line_per_id",
            False,
        )
        assert "(transactions.csv:2, 3; transactions.csv:4, 5): each line needs an id" in check.description
        assert MONTHLY in report.skipped
        assert not report.succeeded
    assert [block.tables for block in report.ingested] == [("transactions",)]

    land(healthy / "landing", "transactions.csv", "\n".join([lines[0], lines[2], ""]))
    assert platform.run().succeeded
    assert platform.run().succeeded


def test_a_transaction_dated_after_today_does_not_prevent_the_snapshot(
    healthy: Path, platform_on: MakePlatform
) -> None:
    today = datetime.now(tz=UTC).date()
    last = (today.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    later = f"T9,C2,P1,1,1.00,1.00,Cash,{last}\n"
    land(healthy / "landing", "transactions.csv", LANDED["transactions"] + later)
    platform = platform_on(healthy, MONTHLY)
    report = platform.run()
    assert report.failures == []
    assert report.as_of == today
    counted = sum(int(row["orders"]) for row in exported(platform.settings, "kpi_monthly_revenue"))
    assert counted == (4 if today == last else 3)


def test_a_line_is_compared_with_the_header_of_its_own_file(healthy: Path, platform_on: MakePlatform) -> None:
    wide = ",".join([*SOURCE_TABLES["returns"].columns, "note"])
    land(healthy / "landing", "returns/wide.csv", "R2,T1,C1,P1,1.00,Other,2024-02-21\n", wide)
    platform = platform_on(healthy, MONTHLY)
    assert platform.run().failures == []
    (line,) = rows_of(platform.settings, "quarantine/returns")
    assert line["reasons"] == "row:too_few_fields"
