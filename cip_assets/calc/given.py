"""Sources that were not delivered: what would be computed from them is empty and not 0."""

from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import DataFrame


def with_given(frame: DataFrame, **sources: DataFrame) -> DataFrame:
    """The frame with a column ``has_<name>`` for each source: whether the source has any row."""
    return frame.withColumns({f"has_{name}": F.lit(given) for name, given in are_given(**sources).items()})


def are_given(**sources: DataFrame) -> dict[str, bool]:
    """Whether each source has any row."""
    counted = [rows.agg((F.count("*") > 0).alias(name)) for name, rows in sources.items()]
    row = reduce(DataFrame.crossJoin, counted).collect()[0]
    return {name: row[name] for name in sources}
