"""The pages in a real browser: people find a customer, go back in time, and follow a figure to its lines."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from cip_assets.config.settings import Settings
from cip_assets_tests.app.pages import site_of
from cip_assets_tests.app.serving import served
from cip_assets_tests.browser import chromium
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.reporting.test_explain import FIRST, LAST, with_an_earlier_day

SHOWN = (
    "/",
    "/marketing",
    "/product",
    "/support",
    "/customer?id=C1",
    "/figure?table=marts/customer_360&column=monetary_value&id=C1",
    "/nothing",
)


@pytest.fixture(scope="module")
def address(_small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pages") / "shop"
    settings = with_an_earlier_day(Settings(Path(shutil.copytree(_small_run, folder)), ENGINE))
    with served(site_of(settings, "support")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """A tab of which the page must log nothing, and that only the pages' own server may be asked by."""
    with browser.new_context() as context:
        opened, said, asked = context.new_page(), [], []
        opened.on("console", lambda message: said.append(message.text))
        opened.on("request", lambda request: asked.append(request.url))
        yield opened
        assert said == []
        assert all(url.startswith("http://127.0.0.1:") for url in asked)


def test_a_customer_is_found_and_followed_through_time_by_keyboard(tab: Page, address: str) -> None:
    tab.goto(address)
    tab.keyboard.type("lovelace")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("td a")
    tab.get_by_role("link", name="C1").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/customer?id=C1&as_of=*")
    assert tab.inner_text("h1") == "Ada Lovelace"
    assert tab.input_value("[name=as_of] >> nth=0") == str(LAST)
    now = tab.get_attribute("[data-column=rfm_segment]", "data-value")
    assert f"Lost to {now}" in tab.inner_text("#main")
    tab.focus("select[name=as_of]")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**as_of={FIRST}*")
    assert tab.get_attribute("[data-column=rfm_segment]", "data-value") == "Lost"
    tab.locator("dd a", has_text="37.50").first.click()
    assert tab.inner_text("h1") == "Spend: 37.50"
    assert tab.locator(".place").all_inner_texts() == ["transactions.csv:2"]


def test_the_timeline_is_filtered(tab: Page, address: str) -> None:
    tab.goto(f"{address}/customer?id=C1")
    assert tab.locator("[data-kind]").count() == 3
    tab.uncheck("input[value=transactions]")
    tab.get_by_role("button", name="Filter").click()
    assert tab.locator("[data-kind]").evaluate_all("found => found.map(each => each.dataset.kind)") == [
        "web_activity"
    ]
    assert not tab.is_checked("input[value=transactions]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_fault_of_accessibility_or_is_wider_than_a_phone(
    browser: Browser, address: str, scheme: str
) -> None:
    # The tool that looks for faults is a script, which the pages' policy would forbid.
    window = {"bypass_csp": True, "color_scheme": scheme, "viewport": {"width": 390, "height": 800}}
    with browser.new_context(**window) as context:
        tab = context.new_page()
        for path in SHOWN:
            tab.goto(address + path)
            found = Axe().run(tab).response["violations"]
            assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found] == []
            assert tab.evaluate("document.documentElement.scrollWidth") == 390
