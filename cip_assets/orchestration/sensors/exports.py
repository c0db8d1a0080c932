"""The sensor of a shop's exports: a run that turns them into landing files when one of them changes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.orchestration.due import plan
from cip_assets.orchestration.graph import Graph, digest
from cip_assets.orchestration.jobs.names import INGEST, REFRESH, SCAN
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.sensors.landing import SETTLED_AFTER, Asked
from cip_assets.sources.config import FILE, Sources, files_of, load_sources
from cip_assets.storage import delta, place

EXPORTS = "export_files"
SECONDS = 5


def watched(settings: Settings, sources: Sources) -> Sequence[Path]:
    """Every file that decides what the exports become: their own, ``sources.yaml``, its SQL and its rates.

    Raises:
        PlatformError: a pattern matches no file.

    """
    named = [
        FILE,
        *(layout.records.name for export in sources.exports for layout in export.layouts if layout.records),
        *([sources.rates] if sources.rates else []),
    ]
    own = [settings.data_dir / name for name in dict.fromkeys(named)]
    return [*own, *(path for export in sources.exports for path in files_of(export, settings.data_dir))]


def look(settings: Settings, sources: Sources, now: float) -> tuple[str, float] | None:
    """A digest of all watched files and the time of the newest; None while one is still being written.

    Raises:
        PlatformError: a pattern matches no file.

    """
    stats = {str(path): path.stat() for path in watched(settings, sources)}
    newest = max(stat.st_ctime for stat in stats.values())
    if now - newest < SETTLED_AFTER:
        return None
    return digest({path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}), newest


def next_scan(
    graph: Graph, settings: Settings, asked: Asked, before: str | None, now: float
) -> tuple[dg.RunRequest | str, str | None]:
    """The run that is due, or the reason why there is none; and the state that needs no further run."""
    try:
        sources = load_sources(settings.data_dir)
        if sources is None or not sources.exports:
            why = f"{FILE} names no exports" if sources else f"{settings.data_dir} has no {FILE}"
            return why, before
        seen = look(settings, sources, now)
    except (PlatformError, OSError) as error:
        return str(error), before
    if seen is None:
        return "an export is still being written", before
    state, newest = seen
    if before is None and newest < _last_scan(settings):
        before = state  # a scan on the command line has read everything
    if state == before:
        return "the exports have not changed", state
    if asked.in_progress(SCAN, INGEST, REFRESH):
        return "an ingest is running", before
    request = dg.RunRequest(
        run_key=digest("exports", state),
        # Not the assets by name: another process runs it, where sources.yaml may have others by now.
        job_name=SCAN,
        tags={plan.CODE_TAG: graph.code},
    )
    return request, state


def _last_scan(settings: Settings) -> float:
    commit = next(delta.commits(settings.table_uri("landing", "manifest"), 1), None)
    return commit.timestamp.timestamp() if commit else 0.0


def export_sensor(graph: Graph, jobs: Mapping[str, Any]) -> dg.SensorDefinition:
    """The sensor of the exports that ``sources.yaml`` names."""

    @dg.sensor(
        name=EXPORTS,
        jobs=[jobs[SCAN]],
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="When an export that sources.yaml names is added, changed or removed, or sources.yaml itself is "
        "changed, turns the exports into landing files. The sensor landing_files ingests them.",
    )
    def export_files(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult:
        """Request a scan after a change of an export; each state of the exports is requested once."""
        asked, settings = Asked(context.instance), lake.settings
        place.fetch(settings)
        outcome, state = next_scan(graph, settings, asked, context.cursor, time.time())
        if isinstance(outcome, str):
            return dg.SensorResult(skip_reason=outcome, cursor=state)
        return dg.SensorResult(run_requests=[outcome], cursor=state)

    return export_files
