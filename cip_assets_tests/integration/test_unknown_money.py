"""Complete runs of shops that sell in two currencies without rates, and that name no customer.

Each table with unknown money has its test on both engines in ``layers``; so one engine is enough for whole runs.
"""

import dagster as dg
import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.runs import Report
from cip_assets.reporting.powerbi.project import FOLDER
from cip_assets_tests.browser import chromium
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import NO_CUSTOMERS, TWO_CURRENCIES, exported, land_files
from cip_assets_tests.reporting.dashboard.test_page_in_browser import CHARTS, Opened
from cip_assets_tests.reporting.powerbi.filled import filled, parsed

MONEY = (
    "total_revenue",
    "charged",
    "returned_amount",
    "refunded",
    "net_revenue",
    "avg_order_value",
    "guest_revenue",
)


Shop = tuple[Settings, Report]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shop]:
    """Each shop, and the report of its run."""
    found = {}
    for name, files in (("two currencies", TWO_CURRENCIES), ("no customers", NO_CUSTOMERS)):
        settings = Settings(tmp_path_factory.mktemp(name.replace(" ", "-")), ENGINE)
        land_files(settings.landing, files)
        found[name] = settings, open_platform(settings, dg.DagsterInstance.ephemeral()).run()
    return found


@pytest.mark.parametrize("shop", ["two currencies", "no customers"])
def test_the_run_ends_well(shops: dict[str, Shop], shop: str) -> None:
    _, report = shops[shop]
    assert report.succeeded
    assert [check.name for check in report.checks if not check.passed and not check.is_warning] == []


def test_two_currencies_without_rates(shops: dict[str, Shop]) -> None:
    settings, _ = shops["two currencies"]
    (totals,) = exported(settings, "kpi_totals")
    counts = ("currency", "orders", "order_lines", "buyers", "guest_orders")
    assert [totals[name] for name in counts] == ["mixed", "4", "5", "3", "1"]
    assert {totals[name] for name in MONEY} == {""}
    by_currency = {row["currency"]: row for row in exported(settings, "kpi_currencies")}
    assert {code: (row["total_revenue"], row["charged"]) for code, row in by_currency.items()} == {
        "EUR": ("70.00", "74.00"),
        "GBP": ("22.00", "24.00"),
    }
    assert (by_currency["GBP"]["returned_amount"], by_currency["GBP"]["refunded"]) == ("9.00", "11.00")

    customers = {row["customer_id"]: row for row in exported(settings, "customer_360")}
    assert {customer: row["monetary_value"] for customer, row in customers.items()} == {
        "ann": "30.00",
        "bob": "",
        "cat": "40.00",
    }
    assert {row["frequency"] for row in customers.values()} == {"1"}
    assert (
        {row["m_score"] for row in customers.values()}
        == {row["clv_12m"] for row in customers.values()}
        == {""}
    )
    assert "" not in {row["r_score"] for row in customers.values()}
    assert exported(settings, "kpi_top_customers") == []

    page = (settings.final / "dashboard.html").read_text(encoding="utf-8")
    assert "The amounts are in several currencies without rates, so there is no total" in page

    model = filled(parsed(FOLDER), settings.final)
    measures = ("Revenue", "Spend", "Net spend", "Spend per order", "Average order value", "12-month CLV")
    assert {name: model.value(name, {}) for name in measures} == dict.fromkeys(measures)
    assert model.value("Order count", {}) == 4
    assert model.value("Spend", {"customer_360.customer_id": "cat"}) == 40


def test_no_order_names_a_customer(shops: dict[str, Shop]) -> None:
    settings, _ = shops["no customers"]
    (totals,) = exported(settings, "kpi_totals")
    names = (
        "total_customers",
        "buyers",
        "orders",
        "guest_orders",
        "currency",
        "total_revenue",
        "guest_revenue",
    )
    assert [totals[name] for name in names] == ["0", "", "2", "", "EUR", "42.00", "42.00"]
    assert exported(settings, "customer_360") == exported(settings, "kpi_retention") == []
    assert {row["buyers"] for row in exported(settings, "kpi_monthly_revenue")} == {""}
    page = (settings.final / "dashboard.html").read_text(encoding="utf-8")
    assert "No order names a customer, so the buyers are unknown." in page
    assert "No data: no returns were delivered" in page


@pytest.mark.parametrize(
    ("shop", "why", "without"),
    [
        ("two currencies", "The amounts are in several currencies without rates", {"products", "clv"}),
        ("no customers", "No order names a customer", {"retention", "segments", "churn", "clv"}),
    ],
)
def test_the_page_says_why_something_is_empty(
    shops: dict[str, Shop], shop: str, why: str, without: set[str]
) -> None:
    settings, _ = shops[shop]
    with chromium() as browser:
        opened = Opened(browser, settings)
        assert why in opened.tab.inner_text("main")
        notes = {name: opened.tab.locator(f"figure:has(#chart-{name}) .empty") for name in CHARTS}
        assert without <= {name for name, note in notes.items() if note.is_visible()}
        assert "NaN" not in opened.tab.inner_text("main")
        # Vega warns of a chart that has no values to draw.
        assert {said.partition(" for field")[0] for said in opened.said} <= {"WARN Infinite extent"}
