"""The page in a real browser: it draws, filters, looks customers up, and is accessible."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings
from cip_assets.reporting.dashboard.charts import BLUE, charts
from cip_assets_tests.browser import chromium
from cip_assets_tests.integration.helpers import rows_of
from cip_assets_tests.sample import Sample

MARKS = "svg :is(.mark-rect, .mark-symbol, .mark-line) path"
CHARTS = [chart.name for chart in charts(load_rules())]
NO_FILTER = '["","",""]'


class Opened:
    """The page in a window of the browser, with what it logged and requested."""

    def __init__(self, browser: Browser, settings: Settings, **window: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.address = (settings.final / "dashboard.html").as_uri()
        self.tab: Page = browser.new_context(**window).new_page()
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(self.address)
        self.tab.wait_for_selector("body[data-filtered]")

    def drawn(self) -> dict[str, str]:
        return {name: self.tab.inner_html(f"#chart-{name}") for name in CHARTS}

    def choose(self, name: str, value: str) -> None:
        self.tab.select_option(f"select[name={name}]", value)
        self.tab.wait_for_function(
            "value => JSON.parse(document.body.dataset.filtered).includes(value)", arg=value
        )

    def customers(self) -> list[str]:
        """The ids in the table of the top customers, of the rows that are not hidden."""
        cells = self.tab.locator("#table-customers tbody tr:not([hidden]) td:nth-child(2)")
        return cells.all_inner_texts()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def window(browser: Browser, sample: Sample) -> Opened:
    return Opened(browser, sample.settings)


@pytest.fixture
def opened(window: Opened) -> Iterator[Opened]:
    """The page as it is when it was just opened. One window is enough: drawing all charts takes two seconds."""
    yield window
    window.tab.emulate_media(media="null")
    window.tab.click("button[type=reset]")
    window.tab.wait_for_function(f"document.body.dataset.filtered === '{NO_FILTER}'")


def test_every_chart_has_marks_and_the_page_requests_and_logs_nothing(opened: Opened) -> None:
    assert [name for name in CHARTS if not opened.tab.locator(f"#chart-{name} {MARKS}").count()] == []
    assert opened.said == []
    assert opened.asked == [opened.address]


@pytest.mark.parametrize("name", ["region", "segment", "cohort"])
def test_a_filter_changes_every_chart_and_clearing_it_brings_them_back(opened: Opened, name: str) -> None:
    before = opened.drawn()
    values = opened.tab.locator(f"select[name={name}] option").all_inner_texts()
    unchanged = set(CHARTS)
    for value in values[1:]:
        opened.choose(name, value)
        after = opened.drawn()
        unchanged &= {chart for chart in CHARTS if after[chart] == before[chart]}
        if not unchanged:
            break
    assert unchanged == set()
    opened.tab.click("button[type=reset]")
    opened.tab.wait_for_function(f"document.body.dataset.filtered === '{NO_FILTER}'")
    marks = [opened.tab.locator(f"#chart-{chart} {MARKS}").count() for chart in CHARTS]
    assert all(marks)


@pytest.mark.parametrize("name", ["months", "orders", "tickets"])
def test_the_mark_of_an_incomplete_month_is_hollow_with_a_filter_too(opened: Opened, name: str) -> None:
    for region in ("", "North"):
        if region:
            opened.choose("region", region)
        marks = opened.tab.locator(f"#chart-{name} svg path[aria-label*='Status: ']").all()
        fills = {
            ("Incomplete" in (mark.get_attribute("aria-label") or ""), mark.get_attribute("fill"))
            for mark in marks
        }
        assert fills == {(False, BLUE), (True, "transparent")}
    assert "Incomplete month" in opened.tab.inner_text(f"#chart-{name}")


def test_a_chart_without_data_says_so(opened: Opened) -> None:
    notes = {name: opened.tab.locator(f"figure:has(#chart-{name}) .empty") for name in CHARTS}
    assert {name for name, note in notes.items() if note.is_visible()} == set()
    opened.choose("cohort", "No purchase")
    without = {name for name, note in notes.items() if note.is_visible()}
    assert without == set(CHARTS) - {"segments", "complaints", "tickets"}


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland"])
def test_months_are_the_same_in_every_time_zone(browser: Browser, sample: Sample, zone: str) -> None:
    opened = Opened(browser, sample.settings, timezone_id=zone)
    marks = opened.tab.locator("#chart-months svg path[aria-label*='Month: ']").all()
    shown = [re.search(r"Month: ([^;]+)", mark.get_attribute("aria-label") or "") for mark in marks]
    months = {
        "Sep 24",
        "Oct 24",
        "Nov 24",
        "Dec 24",
        "Jan 25",
        "Feb 25",
        "Mar 25",
        "Apr 25",
        "May 25",
        "Jun 25",
    }
    assert {found[1] for found in shown if found} == months
    axis = opened.tab.locator("#chart-months svg .role-axis-label text").all_text_contents()
    named = {label for label in axis if label[:1].isalpha()}
    assert named
    assert named <= months


def test_a_filter_shows_the_numbers_of_its_customers(opened: Opened, sample: Sample) -> None:
    customers = rows_of(sample.settings, "marts/customer_360")
    northern = [row for row in customers if row["region"] == "North"]
    opened.choose("region", "North")
    assert opened.tab.inner_text("output") == f"{len(northern)} of {len(customers)} customers"
    shown = opened.tab.evaluate("rowsOf(cube.facts.segments, shownCells())")
    revenue = {row["segment"]: row["revenue"] for row in shown if row["customers"]}
    spent: dict[str, float] = {}
    for row in northern:
        spent[row["rfm_segment"]] = spent.get(row["rfm_segment"], 0) + float(row["monetary_value"])
    assert revenue == pytest.approx(spent)
    regions = {row["customer_id"]: row["region"] for row in customers}
    assert {regions[customer] for customer in opened.customers()} == {"North"}


def test_a_customer_is_found_by_a_part_of_the_id(opened: Opened) -> None:
    everybody = opened.customers()
    wanted = everybody[7]
    opened.tab.fill("#look-up", f" {wanted[1:].lower()} ")
    assert opened.customers() == [wanted]
    opened.tab.fill("#look-up", "nobody")
    assert opened.customers() == []
    opened.tab.fill("#look-up", "")
    assert opened.customers() == everybody


def test_the_filters_are_reached_and_changed_by_keyboard(opened: Opened) -> None:
    opened.tab.focus("select[name=region]")
    opened.tab.keyboard.press("ArrowDown")
    opened.tab.keyboard.press("Tab")
    opened.tab.wait_for_function(f"document.body.dataset.filtered !== '{NO_FILTER}'")
    assert opened.tab.evaluate("document.activeElement.name") == "segment"


@pytest.mark.parametrize(
    ("scheme", "options"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})], ids=["light", "dark"]
)
def test_it_has_no_serious_fault_of_accessibility(
    browser: Browser, sample: Sample, scheme: str, options: dict[str, Any]
) -> None:
    """The schemes differ in their colors alone."""
    opened = Opened(browser, sample.settings, color_scheme=scheme)
    found = Axe().run(opened.tab, options=options).response["violations"]
    serious = [fault for fault in found if fault["impact"] in {"serious", "critical"}]
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in serious] == []


def test_it_fits_a_phone_without_scrolling_sideways(browser: Browser, sample: Sample) -> None:
    opened = Opened(browser, sample.settings, viewport={"width": 390, "height": 800})
    assert opened.tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_print_has_the_charts_and_whole_tables_and_no_filters(opened: Opened) -> None:
    opened.tab.emulate_media(media="print")
    assert not opened.tab.is_visible(".filters")
    assert opened.tab.is_visible("#chart-months svg")
    assert opened.tab.evaluate(
        "[...document.querySelectorAll('.scroll')].every((card) => card.scrollHeight === card.clientHeight)"
    )
