"""The graph by the rules that come with the package, made once for all tests of a process."""

from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import build_definitions
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.runs import Platform

GRAPH = Graph.of(load_rules())
ASSETS, CHECKS, SNAPSHOT_ASSETS = GRAPH.assets, GRAPH.checks, GRAPH.snapshot_assets
DAYS, MONTHS = GRAPH.partitions.days, GRAPH.partitions.months


def computes_only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let a snapshot of this graph consist of a few assets. The graph has found out which there are, and keeps it."""
    few = frozenset(dg.AssetKey(name.split("/")) for name in names)
    monkeypatch.setitem(vars(GRAPH), "snapshot_assets", few)
    assert GRAPH.snapshot_assets == few


@cache
def _job_of_all() -> dg.JobDefinition:
    nowhere = build_definitions(Settings(Path("nowhere"), "sail"), GRAPH)
    return nowhere.resolve_implicit_global_asset_job_def()


def materialize(
    definitions: dg.Definitions,
    assets: Collection[dg.AssetKey] = (),
    checks: Collection[dg.AssetCheckKey] | None = None,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    """Execute some assets and checks with the resources of these definitions, as a person does in the Dagster UI.

    Without ``checks``, those of the assets. ``dg.materialize`` does the same, but makes a job of all assets each time.
    """
    chosen = None if checks is None else set(checks)
    part = _job_of_all().get_subset(asset_selection=set(assets), asset_check_selection=chosen)
    return part.execute_in_process(resources=definitions.resources, raise_on_error=False, **options)


def platform_of(settings: Settings, instance: dg.DagsterInstance, select: Sequence[str] = ()) -> Platform:
    """The platform on a data folder without exports, like ``open_platform``, which makes a graph of its own."""
    return Platform(GRAPH, build_definitions(settings, GRAPH), settings, instance, select=select)
