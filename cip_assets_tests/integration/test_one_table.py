"""Transactions alone are enough: what was not delivered is empty, and not 0."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.integration.helpers import exported, land

LINES = (
    "T1,C1,P1,1,12.50,12.50,PayPal,2024-01-10\n"
    "T2,C1,P1,2,12.50,25.00,PayPal,2024-02-11\n"
    "T3,C2,P2,1,5.00,5.00,Cash,2024-02-12\n"
)


READ = [f"exports/{name}" for name in ("customer_360", "kpi_totals", "kpi_trends", "insights")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after a run with transactions alone. test_unknown_money.py has a whole run, and its page."""
    data_dir = tmp_path_factory.mktemp("alone")
    land(data_dir / "landing", "transactions.csv", LINES)
    with (platform := open_platform(Settings(data_dir, ENGINE), select=READ)).instance:
        assert platform.run().succeeded
    return data_dir


def test_transactions_alone_give_customers_and_nothing_unknown_is_a_number(alone: Path) -> None:
    settings = Settings(alone, ENGINE)
    customers = {row["customer_id"]: row for row in exported(settings, "customer_360")}
    assert {key: row["monetary_value"] for key, row in customers.items()} == {"C1": "37.50", "C2": "5.00"}
    unknown = (
        "total_returns",
        "returned_amount",
        "return_rate",
        "net_revenue",
        "historic_value",
        "total_tickets",
        "open_tickets",
        "total_sessions",
        "active_days",
        "engagement_score",
    )
    assert {row[name] for row in customers.values() for name in unknown} == {""}
    (totals,) = exported(settings, "kpi_totals")
    assert (totals["total_customers"], totals["total_revenue"], totals["orphan_revenue"]) == (
        "2",
        "42.50",
        "0.00",
    )
    assert (totals["returned_amount"], totals["net_revenue"]) == ("", "")
    months = exported(settings, "kpi_trends")
    assert {row[name] for row in months for name in ("returns", "return_ratio", "tickets", "sessions")} == {
        ""
    }
    answers = {row["question"]: (row["direction"], row["answer"]) for row in exported(settings, "insights")}
    assert answers["complaints"] == ("no data", "No data: no support tickets were delivered")
    assert answers["returns"] == ("no data", "No data: no returns were delivered")
    assert answers["engagement"] == ("no data", "No data: no web sessions were delivered")
    assert answers["repeat_purchases"][0] == "cannot tell yet"


def test_a_table_that_comes_later_turns_unknown_into_figures(
    alone: Path, tmp_path: Path, cip_on: Callable[[Path], Cip]
) -> None:
    later = Path(shutil.copytree(alone, tmp_path / "later"))
    land(later / "landing", "returns.csv", "R1,T1,C1,P1,2.50,Damaged,2024-02-01\n")
    code, printed, errors = cip_on(later)("run", "--select", "exports/kpi_totals")
    assert code == 0, errors
    assert "no rows: " not in printed  # only of what the run ingested
    (totals,) = exported(Settings(later, ENGINE), "kpi_totals")
    assert (totals["returned_amount"], totals["net_revenue"]) == ("2.50", "40.00")
