"""The engine of a run, which a run without a day or a month of its assets does not get.

Dagster's instance refuses such a run too, and earlier (``automation.instance``). Here it is refused also where the
history is another one, as without ``DAGSTER_HOME``, before any step begins.
"""

from collections.abc import Collection, Mapping

import dagster as dg

from cip_assets.engines import EngineResource
from cip_assets.orchestration.asked import BY_DAY, refuse_partitions
from cip_assets.orchestration.assets import ASSETS
from cip_assets.orchestration.jobs.all_jobs import JOBS, SNAPSHOT_ASSETS, VALIDATE

PARTITIONS = {spec.key: spec.partitions_def for asset in ASSETS for spec in asset.specs}

OF_JOB: Mapping[str, Collection[dg.AssetKey]] = {
    **{job.name: job.selection.resolve(ASSETS) for job in JOBS if hasattr(job, "selection")},
    VALIDATE: [key for key in SNAPSHOT_ASSETS if key.path[0] == "exports"],
}
"""The assets of a job that is run as a whole, or those that it checks."""


class RunEngine(EngineResource):
    """The engine that the settings name, for a run that may have one.

    Raises:
        PlatformError: the run has no day or month of its assets.

    """

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look at what the run is asked for; it is called once for a run, before its steps."""
        if context.run is not None:
            refuse_partitions({key: PARTITIONS[key] for key in _assets_of(context.run)}, context.run.tags)


def _assets_of(run: dg.DagsterRun) -> Collection[dg.AssetKey]:
    """The assets that a run makes, or whose day it checks."""
    if run.asset_selection:
        return run.asset_selection
    if run.asset_check_selection:
        checked = {check.asset_key for check in run.asset_check_selection}
        return {key for key in checked if key.path[0] in BY_DAY}
    return OF_JOB.get(run.job_name, ())
