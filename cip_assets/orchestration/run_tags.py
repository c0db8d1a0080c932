"""Dagster's tags for the partitions of a run, and for who started it.

They have their own module because the Dagster UI and the daemon load them, too, without loading the tables.
"""

import os
from collections.abc import Mapping
from getpass import getuser

PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""The tags of a run that covers one partition, or a range of them."""

STARTED_BY = "cip/started_by"
"""The tag of a run that no sensor, schedule or backfill started: the command."""

PROCESS = ".dagster/cip/pid"
"""The tag of a run that is executed in a process that was there before it: the number of the process. It is hidden."""

DAGSTERS = {
    "backfill": "dagster/backfill",
    "sensor": "dagster/sensor_name",
    "schedule": "dagster/schedule_name",
}


def partitions_covered(tags: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The first and last partition that a run covers, according to its tags; None if it has no partition."""
    only = tags.get(PARTITION)
    return tags.get(RANGE_START, only), tags.get(RANGE_END, only)


def started_by(tags: Mapping[str, str]) -> str:
    """What started a run, according to its tags."""
    found = (f"{what} {tags[tag]}" for what, tag in DAGSTERS.items() if tag in tags)
    return next(found, tags.get(STARTED_BY, "Dagster UI"))


def by(tags: Mapping[str, str]) -> str:
    """What started a run, and the user of its process: an entry of each commit that it makes."""
    try:
        user = getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        user = str(os.getuid())
    return f"{started_by(tags)} ({user})"
