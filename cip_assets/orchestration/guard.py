"""The engine of a run, which a run without a day or a month of its assets does not get.

Dagster's instance refuses such a run too, and earlier (``orchestration.instance``). Here it is refused also where the
history is another one, as without ``DAGSTER_HOME``, before any step begins.
"""

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from cip_assets.orchestration.asked import BY_DAY, refuse_partitions
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.jobs.names import VALIDATE
from cip_assets.orchestration.resources import EngineResource


def engine_of(graph: Graph, jobs: Mapping[str, Any], engine: str) -> EngineResource:
    """The engine of that name, for the runs of a graph that may have one."""
    partitions = {spec.key: spec.partitions_def for asset in graph.assets for spec in asset.specs}
    # The assets of a job that is run as a whole, or those that it checks.
    of_job: Mapping[str, Collection[dg.AssetKey]] = {
        **{name: graph.resolved(job.selection) for name, job in jobs.items() if hasattr(job, "selection")},
        VALIDATE: [key for key in graph.snapshot_assets if key.path[0] == "exports"],
    }

    def assets_of(run: dg.DagsterRun) -> Collection[dg.AssetKey]:
        """The assets that a run makes, or whose day it checks."""
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
            """Look at what the run is asked for; it is called once for a run, before its steps."""
            if context.run is not None:
                refuse_partitions({key: partitions[key] for key in assets_of(context.run)}, context.run.tags)

    return RunEngine(engine=engine)
