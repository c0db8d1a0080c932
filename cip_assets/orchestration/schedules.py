"""The schedules: they refresh assets before they go stale, and maintain the tables."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.ingest import in_step
from cip_assets.ingest.manifest import read_manifest
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.due import plan
from cip_assets.orchestration.due.last_day import default_day
from cip_assets.orchestration.freshness import about_to_go_stale
from cip_assets.orchestration.graph import BY_DAY, Graph, digest
from cip_assets.orchestration.jobs.names import INGEST, MAINTENANCE, SCAN, SNAPSHOT
from cip_assets.orchestration.resources import LakeResource

EVERY_QUARTER_OF_AN_HOUR = "*/15 * * * *"
SUNDAYS_AT_THREE = "0 3 * * 0"

Stale = Mapping[dg.AssetKey, int]
"""Assets that will soon be stale, each with the storage id of its last materialization."""


def _scan(_graph: Graph, _settings: Settings, stale: Stale) -> Iterator[dg.RunRequest]:
    yield dg.RunRequest(run_key=_latch(stale))


def _ingest(_graph: Graph, settings: Settings, stale: Stale) -> Iterator[dg.RunRequest]:
    """Request the newest month of event tables, and the newest full delivery of the others."""
    manifest = read_manifest(settings.table_uri("landing", "manifest"))
    newest: dict[str, set[str]] = {}
    for key in stale:
        table = plan.source_of(key)
        months = in_step.held_by_landing(SOURCE_TABLES[table], manifest.get(table, []))
        if months:
            newest.setdefault(max(months), set()).add(table)
    for month, tables in newest.items():
        block = plan.Block(tuple(sorted(tables)), month, month)
        latch = _latch({key: ran for key, ran in stale.items() if plan.source_of(key) in tables})
        yield dg.RunRequest(run_key=latch, asset_selection=block.assets, tags=block.tags)


def _snapshot(graph: Graph, settings: Settings, stale: Stale) -> Iterator[dg.RunRequest]:
    """Request only the assets that will soon be stale, for the default day."""
    day = default_day(settings, graph.partitions.today())
    if day:
        yield dg.RunRequest(run_key=_latch(stale), partition_key=str(day), asset_selection=sorted(stale))


def _latch(stale: Stale) -> str:
    """A key that stays the same until one of the assets is refreshed, so that a refresh is requested only once."""
    return digest(sorted((key.to_user_string(), ran) for key, ran in stale.items()))


Requests = Callable[[Graph, Settings, Stale], Iterator[dg.RunRequest]]


def _refresh(graph: Graph, job: Any, requests: Requests, *layers: str) -> dg.ScheduleDefinition:
    keys = sorted(graph.in_groups(*layers))

    @dg.schedule(
        name=f"{job.name}_before_stale",
        job=job,
        cron_schedule=EVERY_QUARTER_OF_AN_HOUR,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every 15 minutes, refreshes the assets that will soon be stale according to their freshness "
        "policy, and no others. Keep it on to avoid alerts about stale tables.",
    )
    def refresh(
        context: dg.ScheduleEvaluationContext, lake: LakeResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        stale = about_to_go_stale(context.instance, keys, context.scheduled_execution_time, graph.rules)
        due = list(requests(graph, lake.settings, stale)) if stale else []
        return due or dg.SkipReason("no asset will soon be stale, or none of them can be refreshed")

    return refresh


def all_schedules(graph: Graph, jobs: Mapping[str, Any]) -> list[dg.ScheduleDefinition]:
    """All schedules."""
    return [
        _refresh(graph, jobs[SCAN], _scan, "landing"),
        _refresh(graph, jobs[INGEST], _ingest, *plan.INGESTED),
        _refresh(graph, jobs[SNAPSHOT], _snapshot, *BY_DAY),
        dg.ScheduleDefinition(
            name=f"{MAINTENANCE}_weekly",
            job=jobs[MAINTENANCE],
            cron_schedule=SUNDAYS_AT_THREE,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="On Sundays at 03:00 UTC, joins small files and deletes files that only old versions need. "
            "Keep it on so that the tables stay fast and small.",
        ),
    ]
