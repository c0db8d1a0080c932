"""The engine of a run. A run without a day or month of its assets does not get one.

Dagster's instance refuses such a run earlier (``orchestration.instance``). This refusal, before any step begins, also
works with a different instance, as without ``DAGSTER_HOME``.
"""

import sys
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from cip_assets.orchestration.asked import BY_DAY, refuse_partitions
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.jobs.names import VALIDATE
from cip_assets.orchestration.resources import EngineResource


def engine_of(graph: Graph, jobs: Mapping[str, Any], engine: str) -> EngineResource:
    """The engine with this name, for the runs of a graph that may have one."""
    partitions = {spec.key: spec.partitions_def for asset in graph.assets for spec in asset.specs}
    # The assets that a job makes or checks if all of it is run.
    of_job: Mapping[str, Collection[dg.AssetKey]] = {
        **{name: graph.resolved(job.selection) for name, job in jobs.items() if hasattr(job, "selection")},
        VALIDATE: [key for key in graph.snapshot_assets if key.path[0] == "exports"],
    }

    def assets_of(run: dg.DagsterRun) -> Collection[dg.AssetKey]:
        """The assets that a run makes, or that it checks for a day."""
        if run.asset_selection:
            return run.asset_selection
        if run.asset_check_selection:
            checked = {check.asset_key for check in run.asset_check_selection}
            return {key for key in checked if key.path[0] in BY_DAY}
        return of_job.get(run.job_name, ())

    class RunEngine(EngineResource):
        """The engine that the settings name.

        Raises:
            PlatformError: the run has no day or month of its assets.

        """

        def setup_for_execution(self, context: dg.InitResourceContext) -> None:
            """Check the run's days or months; Dagster calls this once per run, before its steps."""
            if context.run is not None:
                asked = {key: partitions[key] for key in assets_of(context.run)}
                # A run that another process stored has our executor; one that is executed in a process may not.
                is_stored = context.run.remote_job_origin is not None
                refuse_partitions(asked, context.run.tags, sys.maxsize if is_stored else 1)

    return RunEngine(engine=engine)
