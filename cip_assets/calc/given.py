"""Sources that were not delivered: what would be computed from them is empty and not 0."""

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.calc.broadcast import with_row


def with_given(frame: DataFrame, **sources: DataFrame) -> DataFrame:
    """The frame with a column ``has_<name>`` for each source: whether the source has any row."""
    counted = [rows.agg((F.count("*") > 0).alias(f"has_{name}")) for name, rows in sources.items()]
    first, *others = counted
    for other in others:
        first = first.crossJoin(other)
    return with_row(frame, first)
