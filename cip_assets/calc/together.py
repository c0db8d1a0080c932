"""Rows that belong together, in one partition."""

from pyspark.sql import DataFrame

PARTITIONS = "cip.partitions"
"""The setting of a session with the number of partitions; without it, the engine chooses."""


def together(frame: DataFrame, by: str) -> DataFrame:
    """The rows, shuffled so that those with the same value are in one partition."""
    partitions = frame.sparkSession.conf.get(PARTITIONS, None)
    return frame.repartition(by) if partitions is None else frame.repartition(int(partitions), by)
