"""The exports of ``sources.yaml`` are assets upstream of the manifest, and their materialization turns them into files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.ingest.manifest import read_manifest
from cip_assets.orchestration.assets.landing import MANIFEST, export_keys
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.jobs.names import INGEST, SCAN
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.sources.adopt import adopt, write
from cip_assets.sources.config import Export, Layout, Sources, load_sources
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.graph import GRAPH

ORDERS = """\
order,date,email,sku,qty,price,subtotal,status
1,2024-01-15,ann@example.com,P1,2,5.00,10.00,paid
2,2024-01-16,bob@example.com,P1,1,5.00,7.00,paid
3,2024-01-17,bob@example.com,P1,1,5.00,5.00,cancelled
4,2024-13-17,bob@example.com,P1,1,5.00,5.00,paid
"""
"""One order does not add up, one is cancelled, and one has no day."""

ASSET = dg.AssetKey(["landing", "export_orders"])


def layout(name: str) -> Layout:
    fields = {"order_id": "Order", "date": "Day", "customer_id": "Buyer", "line_total": "Total"}
    return Layout.model_validate(
        {"name": name, "header": ["Order", "Day", "Buyer", "Total"], "fields": fields}
    )


def exports(*given: tuple[str | None, str]) -> Sources:
    found = [Export(preset=preset, files=("a.csv",), layouts=(layout(name),)) for preset, name in given]
    return Sources.model_validate({"first_month": "2024-01-01", "exports": found})


def test_each_export_has_a_name_of_its_own() -> None:
    several = exports(("etsy", "x"), (None, "umsätze"), (None, "records"), (None, "records"), ("etsy", "y"))
    assert [key.path[-1] for key in export_keys(several)] == [
        "export_etsy",
        "export_umsatze",
        "export_records",
        "export_records_2",
        "export_etsy_2",
    ]


def test_exports_are_upstream_of_the_manifest_and_change_no_other_asset() -> None:
    with_exports = Graph.of(load_rules(), exports(("etsy", "x"), (None, "orders")))
    keys = [dg.AssetKey(["landing", "export_etsy"]), ASSET]
    assert with_exports.landing_assets == {*keys, MANIFEST}
    specs = {spec.key: spec for asset in with_exports.assets for spec in asset.specs}
    assert {dep.asset_key for dep in specs[MANIFEST].deps} == set(keys)
    others = {key: version for key, version in with_exports.code_versions.items() if key not in keys}
    assert others == GRAPH.code_versions
    assert with_exports.code == GRAPH.code
    assert GRAPH.landing_assets == {MANIFEST}
    columns = specs[ASSET].metadata["dagster/column_schema"].columns
    assert [(column.name, list(column.tags)) for column in columns] == [
        ("Order", []),
        ("Day", []),
        ("Buyer", ["pii"]),
        ("Total", []),
    ]
    assert columns[0].description == "order_id: the order; it has one or more records"
    assert "pii" in specs[ASSET].tags


class Shop:
    """A folder with an export, and the platform on it."""

    def __init__(self, data_dir: Path, instance: dg.DagsterInstance) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / "shop"
        self.folder.mkdir()
        self.instance = instance
        self.put("orders.csv", ORDERS)
        self.adopt()

    def put(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text, encoding="utf-8")
        return self.folder / name

    def adopt(self) -> None:
        write(adopt([self.folder], self.data_dir), self.data_dir)

    def platform(self) -> Platform:
        return open_platform(Settings(self.data_dir, ENGINE), self.instance)

    def made(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """The metadata of the last materialization of an asset."""
        event = self.instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        return {
            name: [dict(record.data) for record in value.records]
            if isinstance(value, dg.TableMetadataValue)
            else value.value
            for name, value in event.asset_materialization.metadata.items()
        }

    def said(self) -> str:
        """What the last run logged."""
        (run,) = self.instance.get_runs(limit=1)
        return "\n".join(entry.user_message for entry in self.instance.all_logs(run.run_id))

    @property
    def scanned(self) -> set[str]:
        uri = Settings(self.data_dir, ENGINE).table_uri("landing", "manifest")
        return {entry.path for entries in read_manifest(uri).values() for entry in entries}


@pytest.fixture
def shop(data_dir: Path) -> Iterator[Shop]:
    with open_instance(data_dir / ".dagster") as instance:
        yield Shop(data_dir, instance)


def test_the_materialization_says_what_is_in_the_export(shop: Shop) -> None:
    shop.put("copy.csv", ORDERS)
    text = (shop.data_dir / "sources.yaml").read_text("utf-8").replace("shop/orders.csv", "shop/*.csv")
    text = text.replace("unit_price: price", "unit_price: price\n      subtotal: subtotal")
    (shop.data_dir / "sources.yaml").write_text(text, encoding="utf-8")
    report = Report()
    shop.platform().execute(SCAN, report)
    assert report.failures == []
    found = shop.made(ASSET)
    assert found["files"] == [{"file": "copy.csv", "lines": 4}]
    assert found["not_read"] == ["shop/orders.csv: the same content as shop/copy.csv"]
    kinds = {row["kind"]: (row["lines"], row["go_to"]) for row in found["lines_by_kind"]}
    assert kinds == {
        "sale": (2, "transactions"),
        "cancelled": (1, "left out"),
        "unreadable": (1, "quarantine"),
    }
    assert {row["why"] for row in found["lines_by_kind"]} >= {"an order that was cancelled"}
    assert (found["dagster/row_count"], found["left_out"]) == (4, 1)
    assert (found["orders_with_totals"], found["orders_that_reconcile"]) == (2, 1)
    taken = {row["field"]: row["columns"] for row in found["columns_taken"]}
    assert (taken["order_id"], taken["customer_id"], taken["unit_price"]) == ("order", "email", "price")
    assert "ann@example.com" not in str(found)
    shop.platform().execute(SCAN, Report())
    assert shop.made(ASSET)["files"] == found["files"]  # nothing was read, and the same is said


def test_an_export_that_cannot_be_read_stops_the_scan(shop: Shop) -> None:
    shop.platform().execute(SCAN, Report())
    before = shop.scanned
    shop.put("orders.csv", "Order;Total\n1;5.00\n")
    report = Report()
    skipped = shop.platform().execute(SCAN, report)
    (failure,) = report.failures
    assert failure.step == "landing__exports"
    assert failure.message.startswith("orders.csv: sources.yaml has no layout with its header")
    assert skipped == {ASSET, MANIFEST}
    assert shop.scanned == before


def test_a_process_that_knows_other_exports_converts_those_of_the_file(shop: Shop) -> None:
    old = shop.platform()
    path = shop.data_dir / "sources.yaml"
    path.write_text(path.read_text("utf-8").replace("- files:", "- preset: etsy\n  files:"), encoding="utf-8")
    report = Report()
    assert old.execute(INGEST, report, assets=old.graph.landing_assets) == set()
    assert report.failures == []
    assert shop.made(ASSET) == {"removed": "sources.yaml has this export no longer: reload the definitions"}
    assert "transactions/from_exports/2024-01.csv" in shop.scanned
    assert "new exports, export_etsy: reload the definitions" in shop.said()
    path.unlink()
    assert old.execute(SCAN, report) == set()
    assert "removed" in shop.made(ASSET)


def test_what_was_left_out_is_found_like_quarantined_lines(shop: Shop, cip: Cip) -> None:
    assert load_sources(shop.data_dir) is not None
    assert cip("run", "--select", "features/population")[0] == 0
    code, printed, _ = cip("quarantine")
    assert code == 0
    assert [line.split() for line in printed.splitlines() if "exports" in line] == [
        ["│", "exports", "│", "left", "out", "│", "cancelled", "│", "1", "│"]
    ]
    code, printed, _ = cip("quarantine", "exports")
    assert code == 0
    assert printed.splitlines()[-1] == (
        "orders.csv:4  cancelled  '3,2024-01-17,bob@example.com,P1,1,5.00,5.00,cancelled'"
    )
    code, printed, _ = cip("quarantine", "exports", "--limit", "0")
    assert "orders.csv:4" not in printed
    assert (
        "one of: customers, products, transactions, returns, support_tickets, web_activity, exports"
        in (cip("quarantine", "export")[2])
    )
