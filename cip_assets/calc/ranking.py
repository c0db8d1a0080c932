"""Ranks and percentiles by counting values, so that the cost depends on the distinct values and not on the rows."""

from collections.abc import Sequence

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame, Window

HEAVIEST = 10**18
"""The highest weight: the cents of the largest amount fit."""


def at_or_below(frame: DataFrame, value: str, by: Sequence[str] = ()) -> DataFrame:
    """For each distinct value of each group: the number of rows with this value or less, and of all rows.

    Grain: one row per ``by`` and ``value``, with ``at_or_below`` and ``group_size``.
    """
    counts = frame.where(F.col(value).isNotNull()).groupBy(*by, value).agg(F.count("*").alias("value_count"))
    # Without groups, partition by a constant, because the engines warn about a window without a partition.
    group = [F.col(name) for name in by] or [F.lit(0)]
    whole = Window.partitionBy(*group)
    running = whole.orderBy(value).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return counts.select(
        *by,
        value,
        F.sum("value_count").over(running).cast("bigint").alias("at_or_below"),
        F.sum("value_count").over(whole).cast("bigint").alias("group_size"),
    )


def nearest_rank(frame: DataFrame, value: str, percents: Sequence[int], by: Sequence[str] = ()) -> DataFrame:
    """Nearest-rank percentiles: the smallest value with at least that share of the rows at or below it.

    Grain: one row per ``by``, with ``group_size`` and a column ``p<percent>`` for each percent.
    """
    ranked = at_or_below(frame, value, by)
    reached = {p: F.col("at_or_below") * 100 >= F.lit(p) * F.col("group_size") for p in percents}
    return ranked.groupBy(*by).agg(
        F.max("group_size").alias("group_size"),
        *(F.min(F.when(is_reached, F.col(value))).alias(f"p{p}") for p, is_reached in reached.items()),
    )


def bin_number(value: str, cut_points: Sequence[str]) -> Column:
    """1 plus the number of cut-points that the value exceeds. Equal values get equal bins; null if the value or a
    cut-point is null.
    """
    number = F.lit(1)
    for cut in cut_points:
        number = number + (F.col(value) > F.col(cut)).cast("int")
    return number.cast("int")


def first_by(frame: DataFrame, by: Sequence[str], order: Sequence[Column]) -> DataFrame:
    """The first row of each group in an order without ties."""
    window = Window.partitionBy(*by).orderBy(*order)
    return frame.withColumn("_place", F.row_number().over(window)).where("_place = 1").drop("_place")


def heaviest(frame: DataFrame, by: str, name: str, weight: str) -> DataFrame:
    """The name with the highest weight in each group. If tied, the smaller name.

    It is null if a weight is: that is unknown, and could be the highest. A window would sort all rows, which takes
    twice as long. The smallest text is the same: it begins with what is left of a number of 19 digits, and ends with
    the name.

    Args:
        frame: rows with a name and a weight.
        by: the column of the groups.
        name: the column of the names.
        weight: SQL of a whole number, at most ``HEAVIEST``.

    """
    place = (F.lit(2 * HEAVIEST) - F.expr(weight)).cast("string")
    text = F.concat(F.coalesce(place, F.lit("")), F.lit(" "), F.col(name))
    first = frame.groupBy(by).agg(F.min(text).alias("_first"))
    chosen = F.expr(f"substring(_first, {len(str(HEAVIEST)) + 2})")
    return first.select(by, F.when(~F.col("_first").startswith(" "), chosen).alias(name))


def placed(frame: DataFrame, order: Sequence[Column], rows: int) -> DataFrame:
    """The first rows in an order without ties, with their ``rank`` from 1."""
    rank = F.row_number().over(Window.partitionBy(F.lit(0)).orderBy(*order)).cast("int")
    return frame.orderBy(*order).limit(rows).withColumn("rank", rank)


def top(frame: DataFrame, value: str, key: str, rows: int) -> DataFrame:
    """The rows with the highest values, ranked. If tied, the smaller key comes first.

    There is no row if a value is null: it is unknown, and could be the highest.
    """
    unknown = F.max(F.col(value).isNull()).over(Window.partitionBy(F.lit(0)))
    return (
        placed(frame, [F.col(value).desc_nulls_first(), F.col(key).asc()], rows)
        .withColumn("_unknown", unknown)
        .where("NOT _unknown")
        .drop("_unknown")
    )
