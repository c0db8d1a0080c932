"""Pictures of the dashboard, of `cip app` and of Dagster's page for the documents: ``make screenshots`` writes
docs/images/*.png.

It runs a generated sample in a scratch folder, starts the servers on it, and opens all of them in a headless browser.
With a folder of exports, it takes the pictures of a real shop instead: ``python docs/screenshots.py FOLDER DAY``.
"""

import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets_tests.app.pages import site_of
from cip_assets_tests.app.serving import served
from cip_assets_tests.browser import chromium
from cip_assets_tests.integration.dagster_page import Page, dagster_dev

IMAGES = Path(__file__).parent / "images"
STRETCHED = ".scroll { max-height: none; } body { max-width: none; } td { white-space: nowrap; }"
MONTHS = ["2026-03-01", "2026-04-01", "2026-05-01"]


def main() -> None:
    """Run the sample and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(Path(scratch), "sail")
        generate(GeneratorConfig(customers=10_000, end=date(2026, 6, 30), seed=1), settings.landing)
        platform = open_platform(settings)
        with platform.instance:
            platform.run(as_of=date(2026, 5, 31))
            platform.run()
        with dagster_dev(settings.data_dir) as page, chromium() as browser:
            _take_dashboard(browser, settings.final / "dashboard.html")
            take_app(browser, settings)
            tables = [f"{layer}/returns" for layer in ("raw", "cleaned", "quarantine")]
            backfill = page.start_backfill(tables, MONTHS)
            page.end_of_backfill(backfill)
            tab = browser.new_page(viewport={"width": 1600, "height": 1000}, device_scale_factor=1)
            tab.goto(page.url)
            _take(tab, page, "asset-graph", "asset-groups", "exports")
            _take(tab, page, "partitions", "assets/cleaned/transactions?view=partitions", "Materialized")
            _take(tab, page, "checks", "assets/cleaned/transactions?view=checks", "conservation")
            _take(tab, page, "backfill", f"runs/b/{backfill}", "Completed")


def _take_dashboard(browser: Browser, path: Path) -> None:
    """The dashboard on a desk, in the dark, and on a phone."""
    windows: dict[str, Any] = {
        "dashboard": {"viewport": {"width": 1280, "height": 1500}},
        "dashboard-dark": {"viewport": {"width": 1280, "height": 1000}, "color_scheme": "dark"},
        "dashboard-phone": {"viewport": {"width": 390, "height": 844}},
    }
    for name, window in windows.items():
        with browser.new_context(**window) as context:
            tab = context.new_page()
            tab.goto(path.as_uri())
            tab.wait_for_selector("body[data-filtered]")
            tab.screenshot(path=IMAGES / f"{name}.png")


def take_app(browser: Browser, settings: Settings) -> None:
    """The page of the customer worth most of those whose churn risk became high, on a desk and on a phone."""
    site = site_of(settings, "support")
    query = """SELECT customer_id FROM "marts/customer_360" GROUP BY customer_id
        HAVING max_by(churn_band, as_of_date) = 'High' AND min_by(churn_band, as_of_date) <> 'High'
          AND max_by(open_tickets, as_of_date) > 0
        ORDER BY max_by(clv_12m, as_of_date) DESC, customer_id LIMIT 1"""
    (worth_most,) = site.lake.rows(query)
    windows: dict[str, Any] = {
        "app-customer": {"viewport": {"width": 1280, "height": 1250}},
        "app-customer-phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    }
    with served(site) as url:
        for name, window in windows.items():
            with browser.new_context(**window) as context:
                tab = context.new_page()
                tab.goto(f"{url}/customer?id={worth_most['customer_id']}")
                tab.screenshot(path=IMAGES / f"{name}.png")


def _take(tab: Tab, page: Page, name: str, path: str, shows: str) -> None:
    """Open a page, wait until it shows a text and has nothing more to load, and keep the picture."""
    tab.goto(f"{page.url}/{path}")
    tab.get_by_text(shows).first.wait_for()
    tab.wait_for_load_state("networkidle")
    tab.screenshot(path=IMAGES / f"{name}.png")


def of_exports(exports: Path, day: date) -> None:
    """The list of customers worth most at risk of a real shop, and the page of the first of them."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(Path(scratch), "sail")
        command = [sys.executable, "-m", "cip_assets"]
        environment = {**os.environ, "CIP_DATA_DIR": scratch}
        for arguments in (["adopt", str(exports), "--yes"], ["run", "--as-of", str(day)]):
            subprocess.run([*command, *arguments], env=environment, check=True)
        with chromium() as browser:
            take_shop(browser, settings)


def take_shop(browser: Browser, settings: Settings) -> None:
    """The list of customers worth most at risk, and the page of the first of them."""
    site = site_of(settings, "marketing")
    (first,) = site.lake.rows(
        'SELECT customer_id FROM "marts/list_at_risk" ORDER BY rank LIMIT 1', (), site.lake.days()[0]
    )
    # The list shows twenty rows, more than a page does without scrolling. The policy of the page forbids other styles.
    window: dict[str, Any] = {"viewport": {"width": 1440, "height": 1180}, "bypass_csp": True}
    with served(site) as url, browser.new_context(**window) as context:
        for name, path in (
            ("app-retail-list", "marketing"),
            ("app-retail-buyer", f"customer?id={first['customer_id']}"),
        ):
            tab = context.new_page()
            tab.goto(f"{url}/{path}")
            tab.add_style_tag(content=STRETCHED)
            tab.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        of_exports(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))
    else:
        main()
