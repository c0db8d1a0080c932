"""The sensor of a shop's exports: what it requests, and when it waits."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.ingest.manifest import read_manifest
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.jobs.names import SCAN
from cip_assets.orchestration.runs import Report
from cip_assets.orchestration.sensors.exports import next_scan
from cip_assets.orchestration.sensors.landing import SETTLED_AFTER, Asked
from cip_assets.sources.adopt import adopt, write
from cip_assets_tests.conftest import ENGINE

HEADER = "order,date,customer,sku,qty,price\n"


class Shop:
    """A folder with exports, and the sensor with its memory and its own clock."""

    def __init__(self, data_dir: Path, instance: dg.DagsterInstance) -> None:
        self.folder = data_dir / "shop"
        self.folder.mkdir()
        self.put("january.csv", "1,2024-01-15,ann,P1,1,5.00\n")
        self.sources = write(adopt([self.folder], data_dir), data_dir)
        text = self.sources.read_text("utf-8").replace("shop/january.csv", "shop/*.csv")
        self.sources.write_text(text, encoding="utf-8")
        self.platform = open_platform(Settings(data_dir, ENGINE), instance)
        self.state: str | None = None

    def put(self, name: str, *lines: str) -> None:
        (self.folder / name).write_text(HEADER + "".join(lines), encoding="utf-8")

    def asks(self, later: float = SETTLED_AFTER) -> dg.RunRequest | str:
        """Evaluate the sensor, some seconds after the last change."""
        platform = self.platform
        asked = Asked(platform.instance)
        outcome, self.state = next_scan(
            platform.graph, platform.settings, asked, self.state, time.time() + later
        )
        return outcome

    def scan(self) -> None:
        self.platform.execute(SCAN, Report())

    @property
    def scanned(self) -> dict[str, int]:
        """The rows of each scanned file of transactions."""
        uri = self.platform.settings.table_uri("landing", "manifest")
        return {entry.path: sum(entry.month_rows.values()) for entry in read_manifest(uri)["transactions"]}


@pytest.fixture
def shop(data_dir: Path) -> Iterator[Shop]:
    with open_instance(data_dir / ".dagster") as instance:
        yield Shop(data_dir, instance)


def test_a_changed_export_is_scanned_once(shop: Shop) -> None:
    request = shop.asks()
    assert isinstance(request, dg.RunRequest)
    assert (request.job_name, request.asset_selection) == (SCAN, None)
    shop.scan()
    assert shop.asks() == "the exports have not changed"
    shop.put("february.csv", "2,2024-02-15,bob,P1,1,5.00\n", "3,2024-02-16,bob,P1,1,5.00\n")
    assert shop.asks(later=0) == "an export is still being written"
    assert isinstance(shop.asks(), dg.RunRequest)
    shop.scan()
    assert shop.scanned == {
        "transactions/from_exports/2024-01.csv": 1,
        "transactions/from_exports/2024-02.csv": 2,
    }
    (shop.folder / "february.csv").unlink()
    assert isinstance(shop.asks(), dg.RunRequest)
    assert shop.asks() == "the exports have not changed"


def test_an_edited_layout_is_a_change(shop: Shop) -> None:
    shop.asks()
    text = shop.sources.read_text("utf-8")
    shop.sources.write_text(f"{text}# edited\n", encoding="utf-8")
    assert isinstance(shop.asks(), dg.RunRequest)


def test_what_was_scanned_on_the_command_line_is_not_scanned_again(shop: Shop) -> None:
    shop.scan()
    assert shop.asks() == "the exports have not changed"


def test_without_usable_sources_the_sensor_says_why(shop: Shop) -> None:
    (shop.folder / "january.csv").unlink()
    assert shop.asks() == "sources.yaml: no file matches 'shop/*.csv'; put the file there, or correct files"
    shop.sources.unlink()
    assert str(shop.asks()).endswith(" has no sources.yaml")
