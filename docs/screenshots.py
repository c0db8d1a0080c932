"""Pictures of Dagster's page for the documents: ``make screenshots`` writes docs/images/*.png.

It runs a generated sample in a scratch folder, starts the page on it, and opens it in a headless browser
(Debian's chromium, or the one that CIP_CHROMIUM names).
"""

import os
import tempfile
from datetime import date
from pathlib import Path

from playwright.sync_api import Page as Tab
from playwright.sync_api import sync_playwright

from cip_assets.generate import GeneratorConfig, generate
from cip_assets.runner import Platform
from cip_assets.settings import Settings
from cip_assets_tests.integration.dagster_page import Page, dagster_dev

IMAGES = Path(__file__).parent / "images"
CHROMIUM = os.environ.get("CIP_CHROMIUM") or "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
MONTHS = ["2026-03-01", "2026-04-01", "2026-05-01"]


def main() -> None:
    """Run the sample and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(Path(scratch), "sail")
        generate(GeneratorConfig(customers=2000, end=date(2026, 6, 30), months=12, seed=1), settings.landing)
        platform = Platform(settings)
        with platform.instance:
            platform.run()
        with dagster_dev(settings.data_dir) as page, sync_playwright() as playwright:
            tables = [f"{layer}/returns" for layer in ("raw", "cleaned", "quarantine")]
            backfill = page.start_backfill(tables, MONTHS)
            page.end_of_backfill(backfill)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            tab = browser.new_page(viewport={"width": 1600, "height": 1000}, device_scale_factor=1)
            tab.goto(page.url)
            tab.get_by_role("button", name="Skip").click()  # Dagster's invitation, shown once
            _take(tab, page, "asset-graph", "asset-groups", "exports")
            _take(tab, page, "partitions", "assets/cleaned/transactions?view=partitions", "Materialized")
            _take(tab, page, "checks", "assets/cleaned/transactions?view=checks", "conservation")
            _take(tab, page, "backfill", f"runs/b/{backfill}", "Completed")
            browser.close()


def _take(tab: Tab, page: Page, name: str, path: str, shows: str) -> None:
    """Open a page, wait until it shows a text and has nothing more to load, and keep the picture."""
    tab.goto(f"{page.url}/{path}")
    tab.get_by_text(shows).first.wait_for()
    tab.wait_for_load_state("networkidle")
    tab.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
