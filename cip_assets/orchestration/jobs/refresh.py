"""The job refresh: from landed files to the exports in one process. The sensor requests it, and a person can start it.

An ingest covers months and a snapshot covers a day, so they are two runs. Each run that Dagster launches has its own
process, which takes longer to start than the file of one day takes to compute. So this job makes both runs in its own
process. Without a configuration it does the same as `cip run`.
"""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from cip_assets.ingest.manifest import read_manifest
from cip_assets.orchestration.due import plan
from cip_assets.orchestration.jobs.names import INGEST, REFRESH
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.run_tags import STARTED_BY, started_by
from cip_assets.orchestration.runs import Platform, Report, Runs

PART_OF = "cip/part_of"
"""The tag of a run that was made by another run: the id of that run."""


class Landed(dg.Config):
    """The landed tables and the months that they touch (no months if only tables without months landed)."""

    tables: list[str] = Field(
        [],
        description="Source tables to ingest. If you name none, everything that is out of date is ingested.",
    )
    first: str = Field("", description="The first day of the first month to ingest, such as 2026-03-01.")
    last: str = Field("", description="The first day of the last month to ingest.")
    leave_out: list[str] = Field(
        [], description="Paths of landing files to ignore because they are still being written."
    )

    @property
    def block(self) -> plan.Block:
        return plan.Block(tuple(self.tables), self.first, self.last)


@dg.op(description="Runs `ingest` for what landed, then `snapshot` for the day of the last transaction.")
def ingest_then_snapshot(
    context: dg.OpExecutionContext, config: Landed, lake: LakeResource, runs: dg.ResourceParam[Runs]
) -> None:
    """Make both runs. Assets that depend on a table with an unreadable file stay as they are."""
    tags = {PART_OF: context.run_id, STARTED_BY: started_by(context.run.tags)}
    platform = runs.platform(lake.settings, context.instance, tags)
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
        assets={*platform.graph.landing_assets, *config.block.assets},
        tags=config.block.tags,
        run_config=left_out,
    )
    blocked |= platform.settle(report)
    manifest = read_manifest(platform.settings.table_uri("landing", "manifest"))
    unreadable = plan.unreadable_tables(platform.settings, manifest)
    platform.snapshot(report, blocked={*blocked, *(dg.AssetKey(["cleaned", table]) for table in unreadable)})


def failed_parts(instance: dg.DagsterInstance, run_id: str) -> Sequence[dg.DagsterRun]:
    """The failed runs that were made by a run."""
    return instance.get_runs(dg.RunsFilter(tags={PART_OF: run_id}, statuses=[dg.DagsterRunStatus.FAILURE]))


@dg.job(
    name=REFRESH,
    description="Start this job, without a configuration, to bring everything up to date: it scans the landing folder, "
    "ingests what is out of date, and computes and exports the newest snapshot. It does the same as `cip run`.",
)
def refresh() -> None:
    """The job refresh. The sensor starts it for files that touch few months, and a person starts it for everything."""
    ingest_then_snapshot()
