"""A complete run with tickets and web activity: what only orders can tell is empty, with the reason.

Each table has its test in ``layers`` with tickets alone and with web activity alone, so one shop is enough for a whole
run.
"""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.runs import Report
from cip_assets.reporting.powerbi.project import FOLDER
from cip_assets_tests.browser import chromium
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.integration.helpers import exported, land, rows_of
from cip_assets_tests.reporting.dashboard.test_page_in_browser import CHARTS, Opened
from cip_assets_tests.reporting.powerbi.filled import filled, parsed

TICKETS = (
    "S1,ann,Billing,High,Resolved,2024-01-10,2024-01-12\n"
    "S2,bob,Billing,High,Open,2024-02-10,\n"
    "S3,bob,Delivery,Low,Open,2024-03-09,\n"
)
VISITS = (
    "W1,ann,Page View,P1,2024-01-10 10:00:00\n"
    "W2,ann,Checkout,P1,2024-02-10 11:30:00\n"
    "W3,bob,Search,,2024-03-10 23:59:59\n"
)
OF_ORDERS = ("recency_days", "frequency", "monetary_value", "net_revenue", "purchase_days", "is_churn_risk")

Shop = tuple[Settings, Report]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop, and the report of its run."""
    settings = Settings(tmp_path_factory.mktemp("shop"), ENGINE)
    land(settings.landing, "support_tickets.csv", TICKETS)
    land(settings.landing, "web_activity.csv", VISITS)
    with (platform := open_platform(settings)).instance:
        return settings, platform.run()


def test_the_run_ends_well_on_the_last_day_of_what_is_there(shop: Shop) -> None:
    _, report = shop
    assert report.succeeded
    assert str(report.as_of) == "2024-03-10"
    assert [check.name for check in report.checks if not check.passed and not check.is_warning] == []


def test_what_only_orders_can_tell_is_empty_and_not_0(shop: Shop) -> None:
    settings, _ = shop
    (totals,) = exported(settings, "kpi_totals")
    known = {name: value for name, value in totals.items() if value}
    assert known == {"total_customers": "2"}
    customers = {row["customer_id"]: row for row in exported(settings, "customer_360")}
    assert {key: (row["total_tickets"], row["total_sessions"]) for key, row in customers.items()} == {
        "ann": ("1", "2"),
        "bob": ("2", "1"),
    }
    assert {row[name] for row in customers.values() for name in OF_ORDERS} == {""}
    assert {(row["rfm_segment"], row["value_segment"]) for row in customers.values()} == {
        ("Unknown", "Unknown")
    }
    months = exported(settings, "kpi_trends")
    assert [row["month"] for row in months] == ["2024-01", "2024-02", "2024-03"]
    assert {row[name] for row in months for name in ("order_lines", "buyers", "returns")} == {""}
    answers = {row["question"]: row["answer"] for row in exported(settings, "insights")}
    assert answers["repeat_purchases"] == "No data: no purchases of known customers were delivered"


def test_measures_of_orders_are_blank_in_power_bi(shop: Shop) -> None:
    settings, _ = shop
    model = filled(parsed(FOLDER), settings.final)
    measures = (
        "Revenue",
        "Order count",
        "Average order value",
        "Net revenue",
        "Guest orders",
        "Orphan revenue",
        "Spend",
        "Net spend",
        "Known buyers",
        "Customers at churn risk",
        "12-month CLV",
        "Return ratio",
    )
    assert {name: model.value(name, {}) for name in measures} == dict.fromkeys(measures)
    assert model.value("Customers", {}) == 2


def test_the_page_says_why_there_is_nothing_to_draw(shop: Shop) -> None:
    settings, _ = shop
    with chromium() as browser:
        opened = Opened(browser, settings)
        assert "No orders were delivered, so buyers and revenue are unknown" in opened.tab.inner_text("main")
        notes = {name: opened.tab.locator(f"figure:has(#chart-{name}) .empty") for name in CHARTS}
        assert {name for name, note in notes.items() if not note.is_visible()} == {
            "tickets",
            "complaints",
            "segments",
        }
        assert "NaN" not in opened.tab.inner_text("main")
        # Vega warns of a chart that has no values to draw.
        assert {said.partition(" for field")[0] for said in opened.said} <= {"WARN Infinite extent"}


ZENDESK = """\
"Id","Requester email","Subject","Tags","Status","Priority","Created at","Solved at","Satisfaction Score"
"1","ada@example.org","Lamp?","","Solved","Normal","2024-03-11 08:00","2024-03-12 09:00","Good"
"2","ADA@example.org ","Re: Lamp?","closed_by_merge","Closed","Normal","2024-03-11 09:00","2024-03-11 10:00","Unoffered"
"3","bo@example.org","Broken","","Open","High","2024-03-13 08:00","-","Bad"
"4","eve@example.org","Hello","","Open","-","2024-03-14 08:00","-","Offered"
"""
CUSTOMERS = "customer_id,email\n7001,ada@example.org\n7002,bo@example.org\n7003,cy@example.org\n"


@pytest.mark.parametrize(
    ("customers", "tickets"),
    [
        (CUSTOMERS, {"7001": 1, "7002": 1, "7003": 0}),
        (None, {"ada@example.org": 1, "bo@example.org": 1, "eve@example.org": 1}),
    ],
    ids=["with a table of customers", "tickets alone"],
)
def test_tickets_of_a_help_desk_are_enough(
    data_dir: Path, cip: Cip, customers: str | None, tickets: dict[str, int]
) -> None:
    shop = data_dir / "shop"
    shop.mkdir(parents=True)
    (shop / "tickets.csv").write_text(ZENDESK, encoding="utf-8")
    if customers:
        (shop / "customers.csv").write_text(customers, encoding="utf-8")
    code, printed, errors = cip("adopt", "--yes", str(shop))
    assert code == 0, errors
    assert "no orders: revenue, customers' value, churn and segments stay empty" in printed
    code, printed, errors = cip("run", "--select", "features/support", "--select", "features/population")
    assert code == 0, errors
    settings = Settings(data_dir, ENGINE)
    with (settings.landing / "_people.csv").open(encoding="utf-8") as stream:
        known = {row["customer_id"]: row["known_as"] for row in csv.DictReader(stream)}
    found = {row["customer_id"]: row["total_tickets"] for row in rows_of(settings, "features/support")}
    people = [row["customer_id"] for row in rows_of(settings, "features/population")]
    assert {known.get(customer, customer): found.get(customer, 0) for customer in people} == tickets


def test_orders_that_come_later_turn_unknown_into_figures(
    shop: Shop, tmp_path: Path, cip_on: Callable[[Path], Cip]
) -> None:
    before, _ = shop
    settings = Settings(Path(shutil.copytree(before.data_dir, tmp_path / "later")), ENGINE)
    land(settings.landing, "transactions.csv", "T1,ann,P1,1,12.50,12.50,PayPal,2024-03-20\n")
    code, _, errors = cip_on(settings.data_dir)("run", "--select", "exports/kpi_totals")
    assert code == 0, errors
    (totals,) = exported(settings, "kpi_totals")
    # Without a table of customers, those who bought are the customers.
    assert (
        totals["last_order_day"],
        totals["total_customers"],
        totals["orders"],
        totals["total_revenue"],
    ) == (
        "2024-03-20",
        "1",
        "1",
        "12.50",
    )
