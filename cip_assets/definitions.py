"""The Dagster entry point: all parts of the platform, wired together."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster_deltalake import LocalConfig

from cip_assets.audiences.members import compiled_audiences
from cip_assets.config.rules import Rules, load_rules, rules_file
from cip_assets.config.settings import Settings
from cip_assets.layers import check_rules
from cip_assets.orchestration.executor import threads
from cip_assets.orchestration.forked_runs import fork_runs
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.guard import engine_of
from cip_assets.orchestration.io_manager import SparkDeltaIOManager
from cip_assets.orchestration.jobs.all_jobs import all_jobs
from cip_assets.orchestration.jobs.recovery import IN_MEMORY
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.runs import Platform, Runs
from cip_assets.orchestration.schedules import all_schedules
from cip_assets.orchestration.sensors import all_sensors
from cip_assets.sources.config import load_sources
from cip_assets.storage import place


def build_definitions(
    settings: Settings, graph: Graph, overrides: Mapping[str, object] | None = None
) -> dg.Definitions:
    """Dagster definitions of the whole graph, for one data folder and engine.

    Args:
        settings: the data folder and the engine.
        graph: the assets and their checks.
        overrides: resources that replace the usual ones, by name.

    """
    jobs = all_jobs(graph)
    engine = engine_of(graph, jobs, settings.engine)
    lake = LakeResource(data_dir=settings.address, engine_name=settings.engine)
    resources: dict[str, object] = {
        "engine": engine,
        "lake": lake,
        "io_manager": SparkDeltaIOManager(
            root_uri=settings.lake_address, storage_options=LocalConfig(), engine=engine, lake=lake
        ),
        "runs": Runs(graph, lambda: definitions),
        IN_MEMORY: dg.mem_io_manager,
        **(overrides or {}),
    }
    definitions = dg.Definitions(
        assets=[*graph.assets, *graph.topics],
        asset_checks=graph.checks,
        jobs=list(jobs.values()),
        sensors=all_sensors(graph, jobs),
        schedules=all_schedules(graph, jobs),
        resources=resources,
        # With a process per step, every step would start an engine.
        executor=threads,
    )
    return definitions


def checked_rules() -> Rules:
    """Load the rules of this process and check that every table and column in them exists.

    Raises:
        PlatformError: the rules cannot be read, or a key is wrong.

    """
    path = rules_file()
    rules = load_rules(path)
    check_rules(rules, path)
    return rules


def graph_of(settings: Settings, rules: Rules | None = None) -> Graph:
    """The graph of a data folder, whose exports and audiences are assets. Exports may begin before the rules' calendar.

    It ends with the day of the folder, if the folder has what was known on one.

    Args:
        settings: the data folder.
        rules: by default those of this process.

    Raises:
        PlatformError: the rules, the exports or the audiences of the folder are wrong.

    """
    sources = load_sources(settings.data_dir)
    if rules is None:
        rules = checked_rules()
        if sources and sources.first_month < rules.calendar.first_month:
            calendar = rules.calendar.model_copy(update={"first_month": sources.first_month})
            rules = rules.model_copy(update={"calendar": calendar})
    audiences = compiled_audiences(settings.data_dir).values()
    return Graph.of(rules, sources, settings.known_at, audiences)


def open_platform(
    settings: Settings,
    instance: dg.DagsterInstance | None = None,
    tags: Mapping[str, str] | None = None,
    select: Sequence[str] = (),
    rules: Rules | None = None,
) -> Platform:
    """The platform on one data folder and engine, with the rules of this process unless others are given.

    Raises:
        PlatformError: the rules are wrong, or a selected asset is not part of a snapshot.

    """
    graph = graph_of(settings, rules)
    return Platform(graph, build_definitions(settings, graph), settings, instance, tags, select)


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that the Dagster UI and its daemon load."""
    fork_runs()
    settings = place.here()
    return build_definitions(settings, graph_of(settings))
