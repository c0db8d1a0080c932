"""The assets of topics, and the sensor that reports how far `cip stream` is with them."""

import time
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.assets.topics import topic_key
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.sensors.topics import topics
from cip_assets.sources.streams import lag
from cip_assets.sources.streams.lag import PartitionState
from cip_assets_tests.conftest import ENGINE

SOURCES = """
first_month: 2024-01-01
kafka: {servers: "127.0.0.1:9", topics: [{topic: shop.orders, table: transactions}, {topic: quiet, table: returns}]}
"""
KEY = topic_key("shop.orders")


@pytest.fixture
def folder(data_dir: Path) -> Path:
    (data_dir / "sources.yaml").write_text(SOURCES, encoding="utf-8")
    return data_dir


def reported(folder: Path) -> list[tuple[str, dict[str, object]]]:
    """What the sensor reports of the topic: the kinds of events, with their numbers."""
    lake = LakeResource(data_dir=str(folder), engine_name=ENGINE)
    result = topics(dg.build_sensor_context(resources={"lake": lake}))
    assert isinstance(result, dg.SensorResult)
    assert all(event.asset_key == KEY for event in result.asset_events)
    return [
        (type(event).__name__, {name: value.value for name, value in event.metadata.items()})
        for event in result.asset_events
    ]


def test_a_topic_is_an_asset_that_no_run_makes_and_the_landing_files_come_from(folder: Path) -> None:
    platform = open_platform(Settings(folder, ENGINE), dg.DagsterInstance.ephemeral())
    graph = platform.definitions.resolve_asset_graph()
    node = graph.get(KEY)
    assert node.is_external
    assert node.freshness_policy is not None
    assert KEY in graph.get(dg.AssetKey(["landing", "manifest"])).parent_keys
    assert KEY not in platform.graph.landing_assets | platform.graph.snapshot_assets


def test_nothing_is_reported_while_nothing_runs(folder: Path) -> None:
    assert reported(folder) == []


def test_a_topic_that_is_caught_up_with_is_fresh(folder: Path) -> None:
    old = time.time() - 9_000
    lag.tell(
        folder, {"shop.orders": [PartitionState(0, 40, 0, old, 2.5), PartitionState(1, 7, 0, None, 0.0)]}
    )
    observed, made = reported(folder)
    assert [observed[0], made[0]] == ["AssetObservation", "AssetMaterialization"]
    assert observed[1] == {
        "lag": 0,
        "seconds_behind": 0.0,
        "records_per_second": 2.5,
        "newest_offsets": {"0": 39, "1": 6},
        "newest_record": old,
    }


def test_a_topic_that_is_far_behind_does_not_become_fresh(folder: Path) -> None:
    old = time.time() - 9_000
    lag.tell(
        folder, {"shop.orders": [PartitionState(0, 40, 500, old, 2.5), PartitionState(1, 7, 0, old, 0.0)]}
    )
    ((kind, numbers),) = reported(folder)
    assert kind == "AssetObservation"
    assert numbers["lag"] == 500
    assert 9_000 <= float(str(numbers["seconds_behind"])) < 9_100


def test_a_process_that_was_killed_says_nothing_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lag.tell(folder, {"shop.orders": [PartitionState(0, 40, 0, None, 0.0)]})
    later = time.time() + lag.TOLD_WITHIN + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert reported(folder) == []


def test_of_two_processes_the_further_one_counts(folder: Path) -> None:
    lag.tell(folder, {"shop.orders": [PartitionState(0, 40, 5, None, 0.0)]})
    (own,) = (folder / lag.FOLDER).iterdir()
    own.rename(own.with_name("other.json"))
    lag.tell(folder, {"shop.orders": [PartitionState(0, 45, 0, None, 0.0)]})
    assert lag.told(folder, time.time())["shop.orders"].lag == 0
    lag.fall_silent(folder)
    assert lag.told(folder, time.time())["shop.orders"].lag == 5
