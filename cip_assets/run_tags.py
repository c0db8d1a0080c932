"""Dagster's tags that say which partitions a run covers.

Apart from what uses them, since Dagster's page and daemon load them too, and have no use for the tables.
"""

PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Of a run that covers one partition, or a range of them."""
