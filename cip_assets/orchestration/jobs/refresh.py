"""From a landed file to the exports in one process: what the sensor asks for, and the one button that does it all.

An ingest covers months and a snapshot a day, so they are two runs; each run that Dagster launches has a process of
its own, which takes longer to start than a day's file takes to compute. This run makes both runs in its process.
Without a configuration it does what `cip run` does.
"""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from cip_assets.orchestration.due import plan
from cip_assets.orchestration.jobs.names import INGEST, REFRESH
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.runs import Platform, Report, Runs

PART_OF = "cip/part_of"
"""The tag of a run that another one makes: that one's id."""

MANIFEST = dg.AssetKey(["landing", "manifest"])


class Landed(dg.Config):
    """What landed: tables, the months that they touch (none where only tables without months landed)."""

    tables: list[str] = Field([], description="All that is due unless tables are named.")
    first: str = Field("", description="The first day of the first month.")
    last: str = Field("", description="The first day of the last month.")
    leave_out: list[str] = Field([], description="Files that somebody is still writing.")

    @property
    def block(self) -> plan.Block:
        return plan.Block(tuple(self.tables), self.first, self.last)


@dg.op(description="Runs `ingest` for what landed, then `snapshot` of the last day with a transaction.")
def ingest_then_snapshot(
    context: dg.OpExecutionContext, config: Landed, lake: LakeResource, runs: dg.ResourceParam[Runs]
) -> None:
    """Make both runs; what depends on a table that a bad file keeps from being read is left as it is."""
    platform = runs.platform(lake.settings, context.instance, {PART_OF: context.run_id})
    if config.tables:
        _ingest_what_landed(platform, config)
    else:
        platform.run()
    failed = failed_parts(context.instance, context.run_id)
    if failed:
        raise dg.Failure(f"failed: {', '.join(run.job_name for run in failed)}", allow_retries=False)


def _ingest_what_landed(platform: Platform, config: Landed) -> None:
    report = Report()
    left_out = {"ops": {"landing__manifest": {"config": {"leave_out": config.leave_out}}}}
    blocked = platform.execute(
        INGEST,
        report,
        assets={MANIFEST, *config.block.assets},
        tags=config.block.tags,
        run_config=left_out,
    )
    blocked |= platform.settle(report)
    unreadable = plan.unreadable_tables(platform.settings)
    platform.snapshot(report, blocked={*blocked, *(dg.AssetKey(["cleaned", table]) for table in unreadable)})


def failed_parts(instance: dg.DagsterInstance, run_id: str) -> Sequence[dg.DagsterRun]:
    """The runs that a run made and that failed."""
    return instance.get_runs(dg.RunsFilter(tags={PART_OF: run_id}, statuses=[dg.DagsterRunStatus.FAILURE]))


@dg.job(
    name=REFRESH,
    description="From files that landed to the exports: an ingest and a snapshot, in one process. Start it as it is, "
    "without a configuration, for all that is due: the months out of step and the newest snapshot.",
)
def refresh() -> None:
    """The job that the sensor of the landing folder asks for where a file touches few months, and people for all."""
    ingest_then_snapshot()
