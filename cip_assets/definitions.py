"""The Dagster entry point: everything the platform consists of, wired together."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster_deltalake import LocalConfig

from cip_assets.config.rules import Rules, load_rules, rules_file
from cip_assets.config.settings import Settings
from cip_assets.layers import check_rules
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.guard import engine_of
from cip_assets.orchestration.io_manager import SparkDeltaIOManager
from cip_assets.orchestration.jobs.all_jobs import all_jobs
from cip_assets.orchestration.jobs.recovery import IN_MEMORY
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.runs import Platform, Runs
from cip_assets.orchestration.schedules import all_schedules
from cip_assets.orchestration.sensors import all_sensors


def build_definitions(
    settings: Settings, graph: Graph, overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """The whole graph, on one data folder and engine.

    Args:
        settings: where the data lies and what computes.
        graph: the assets and their checks.
        overrides: resources to use instead of the usual ones, by name.

    """
    jobs = all_jobs(graph)
    engine = engine_of(graph, jobs, settings.engine)
    lake = LakeResource(data_dir=str(settings.data_dir), engine_name=settings.engine)
    resources: dict[str, object] = {
        "engine": engine,
        "lake": lake,
        "io_manager": SparkDeltaIOManager(
            root_uri=str(settings.lake), storage_options=LocalConfig(), engine=engine, lake=lake
        ),
        "runs": Runs(graph, lambda: definitions),
        IN_MEMORY: dg.mem_io_manager,
        **(overrides or {}),
    }
    definitions = dg.Definitions(
        assets=graph.assets,
        asset_checks=graph.checks,
        jobs=list(jobs.values()),
        sensors=all_sensors(graph, jobs),
        schedules=all_schedules(graph, jobs),
        resources=resources,
        # A process per step would start an engine per step.
        executor=dg.in_process_executor,
    )
    return definitions


def checked_rules() -> Rules:
    """The rules of this process, which name nothing that there is not.

    Raises:
        PlatformError: they cannot be read, or a key is wrong.

    """
    path = rules_file()
    rules = load_rules(path)
    check_rules(rules, path)
    return rules


def open_platform(
    settings: Settings,
    instance: dg.DagsterInstance | None = None,
    tags: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
    rules: Rules | None = None,
) -> Platform:
    """The platform on one data folder and engine, by the rules of this process unless others are given.

    Raises:
        PlatformError: the rules are wrong, or an asset is selected that no snapshot has.

    """
    graph = Graph.of(rules or checked_rules())
    return Platform(graph, build_definitions(settings, graph), settings, instance, tags, select)


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster's page and daemon load."""
    return build_definitions(Settings.from_environment(), Graph.of(checked_rules()))
