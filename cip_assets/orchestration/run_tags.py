"""Dagster's tags for the partitions of a run.

They have their own module because the Dagster UI and the daemon load them, too, without loading the tables.
"""

from collections.abc import Mapping

PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""The tags of a run that covers one partition, or a range of them."""


def partitions_covered(tags: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The first and last partition that a run covers, according to its tags; None if it has no partition."""
    only = tags.get(PARTITION)
    return tags.get(RANGE_START, only), tags.get(RANGE_END, only)
