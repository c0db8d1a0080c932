"""Dagster's tags that say which partitions a run covers.

Apart from what uses them, since Dagster's page and daemon load them too, and have no use for the tables.
"""

from collections.abc import Mapping

PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Of a run that covers one partition, or a range of them."""


def partitions_covered(tags: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The first and last partition that a run covers, by its tags; None where it has none."""
    only = tags.get(PARTITION)
    return tags.get(RANGE_START, only), tags.get(RANGE_END, only)
