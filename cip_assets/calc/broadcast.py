"""What a few values say of every row, without a join.

A cross join with a frame of one row is right, but where Sail swaps its sides it passes on one row at a time: counting
what was predicted of 860,000 customers took 0.7 seconds without one and 130 with it.
"""

from collections.abc import Iterable

import pyspark.sql.functions as F
from pyspark.sql import DataFrame


def with_row(frame: DataFrame, row: DataFrame) -> DataFrame:
    """The frame with the columns of a frame that has one row.

    Raises:
        ValueError: it has none, or several.

    """
    (values,) = row.collect()
    literals = {field.name: F.lit(values[field.name]).cast(field.dataType) for field in row.schema.fields}
    return frame.withColumns(literals)


def for_each(frame: DataFrame, name: str, values: Iterable[str]) -> DataFrame:
    """Each row once for each of some values, in a column of that name; a union would compute the frame for each."""
    return frame.withColumn(name, F.explode(F.array(*map(F.lit, values))))
