"""What the rows of a table of full deliveries were, and when: a slowly changing dimension of type 2."""

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import or_

import pyspark.sql.functions as F
from pyspark.sql import DataFrame, Window

from cip_assets.config.rules import EARLIEST_DAY, Rules
from cip_assets.contracts.source import SourceTable
from cip_assets.layers.cleaned.judge import good_rows

ALWAYS = EARLIEST_DAY
"""The day of a delivery without a date, which is older than all others."""


def history(
    newest: DataFrame, older: DataFrame | None, days: Sequence[date | None], source: SourceTable, rules: Rules
) -> DataFrame:
    """The history of a table. Grain and key: see its contract.

    Args:
        newest: the cleaned rows of the newest delivery.
        older: the raw lines of the older deliveries; None if there are none.
        days: the delivery date of each delivery, the oldest first; None for the one without a date.
        source: the table.
        rules: vocabulary and fill values.

    """
    columns = [*source.columns, "delivery_date"]
    rows = newest.select(*columns)
    if older is not None:
        rows = good_rows(older, source, rules).select(*columns).unionByName(rows)
    rows = rows.withColumn("valid_from", F.coalesce("delivery_date", F.lit(ALWAYS))).drop("delivery_date")
    if older is None:
        periods = rows.withColumn("valid_to", F.lit(None).cast("date"))
    else:
        periods = _periods(rows, [day or ALWAYS for day in days], source)
    return periods.withColumn("is_current", F.col("valid_to").isNull()).select(*_columns(source))


def _columns(source: SourceTable) -> list[str]:
    return list(source.history.columns) if source.history else []


def _periods(rows: DataFrame, days: Sequence[date], source: SourceTable) -> DataFrame:
    """The rows of successive deliveries with the same values, as one. ``valid_from`` of a row is its delivery."""
    around = list(zip(days, [None, *days[:-1]], [*days[1:], None], strict=True))
    places = rows.sparkSession.createDataFrame(around, "valid_from date, _before date, _after date")
    placed = rows.join(F.broadcast(places), "valid_from")
    attributes = [name for name in source.columns if name != source.id_column]
    in_order = Window.partitionBy(source.id_column).orderBy("valid_from")
    # A row begins a period if the delivery before it lacks the id, or has other values.
    was_there = F.lag("valid_from").over(in_order).eqNullSafe(F.col("_before"))
    differs = reduce(or_, (~F.col(name).eqNullSafe(F.lag(name).over(in_order)) for name in attributes))
    begins = F.when(was_there & ~differs & F.col("_before").isNotNull(), 0).otherwise(1)
    numbered = placed.withColumn("_begins", begins).withColumn("_period", F.sum("_begins").over(in_order))
    ends = Window.partitionBy(source.id_column, "_period").orderBy(F.col("valid_from").desc())
    last = numbered.withColumn("valid_to", F.first("_after").over(ends))
    return last.where("_begins = 1")
