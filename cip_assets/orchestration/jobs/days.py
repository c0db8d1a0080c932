"""The job snapshot_days: of consecutive days, what is not up to date, in one process.

To materialize days in the Dagster UI computes all that is selected, whether it is up to date or not.
"""

from datetime import date, timedelta

import dagster as dg
from pydantic import Field

from cip_assets.config.errors import PlatformError
from cip_assets.orchestration.jobs.names import SNAPSHOT_DAYS
from cip_assets.orchestration.jobs.refresh import PART_OF, failed_parts
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.runs import Report, Runs


class Days(dg.Config):
    """The days to compute, and their tables."""

    first: str = Field(description="The first day, such as 2026-03-01.")
    last: str = Field(description="The last day.")
    select: list[str] = Field(
        ["group:features,group:marts"],
        description="The tables to compute, in Dagster's selection syntax. What they need is computed, too.",
    )


@dg.op(description="Computes the tables of each day that are not up to date, the oldest day first.")
def compute_days(
    context: dg.OpExecutionContext, config: Days, lake: LakeResource, runs: dg.ResourceParam[Runs]
) -> None:
    """Make a run per day. The first one that fails ends the job, because the days after it follow from it."""
    platform = runs.platform(lake.settings, context.instance, {PART_OF: context.run_id}, config.select)
    days = platform.graph.partitions.days
    if config.first > config.last or not all(map(days.has_partition_key, (config.first, config.last))):
        raise PlatformError(
            f"there are no snapshots of {config.first} to {config.last}: choose days from "
            f"{days.get_first_partition_key()} to {days.get_last_partition_key()}, the first one first"
        )
    day = date.fromisoformat(config.first)
    while str(day) <= config.last:
        platform.snapshot(Report(), day)
        if failed := failed_parts(context.instance, context.run_id):
            raise dg.Failure(f"failed: {failed[0].job_name} of {day}", allow_retries=False)
        day += timedelta(days=1)


@dg.job(
    name=SNAPSHOT_DAYS,
    description="Start this job to compute the features and marts of consecutive days in one run. Each day is carried "
    "from the one before. The exports stay those of the day that was exported last.",
)
def snapshot_days() -> None:
    """The job snapshot_days, which a person starts with a first and a last day."""
    compute_days()
