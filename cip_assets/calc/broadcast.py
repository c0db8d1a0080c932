"""Adding a few values to every row without a join.

A cross join with a frame of one row is correct, but if Sail swaps its sides, it processes one row at a time: counting
the predictions for 860,000 customers took 130 seconds with a cross join and 0.7 without.
"""

from collections.abc import Iterable

import pyspark.sql.functions as F
from pyspark.sql import DataFrame


def with_row(frame: DataFrame, row: DataFrame) -> DataFrame:
    """The frame with the columns of another frame, which must have one row.

    Raises:
        ValueError: the other frame has no row, or several.

    """
    (values,) = row.collect()
    literals = {field.name: F.lit(values[field.name]).cast(field.dataType) for field in row.schema.fields}
    return frame.withColumns(literals)


def for_each(frame: DataFrame, name: str, values: Iterable[str]) -> DataFrame:
    """Each row once for each value, which is in a new column. A union would compute the frame once for each value."""
    return frame.withColumn(name, F.explode(F.array(*map(F.lit, values))))
