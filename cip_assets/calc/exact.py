"""Arithmetic that gives the same digits on every engine.

The engines round decimal divisions differently, and sums of floats depend on the order. So shares and means are
computed from whole numbers and rounded half up, away from zero.
"""

from collections.abc import Iterable

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

MONEY = T.DecimalType(18, 2)
RATIO = T.DecimalType(18, 6)


def cents(money: str) -> str:
    """SQL for a money expression as a whole number of cents."""
    return f"CAST(({money}) * 100 AS BIGINT)"


def ratio(numerator: str, denominator: str) -> Column:
    """A quotient of two whole numbers to six places; null if the denominator is null or not positive.

    Args:
        numerator: SQL for a whole number; the quotient must be less than 10^12.
        denominator: SQL for a whole number.

    """
    return _divide(numerator, denominator, places=6).cast(RATIO)


def mean_money(total: str, count: str) -> Column:
    """A total divided by a count, to the cent; null if the count is null or not positive."""
    return _divide(cents(total), count, places=2, numerator_places=2).cast(MONEY)


def total_money(column: str | Column) -> Column:
    """The sum of a money column; zero if there are no rows, and null if an amount is null, because it is unknown."""
    is_known = F.count(column) == F.count("*")
    return F.when(is_known, F.coalesce(F.sum(column), F.lit(0))).cast(MONEY)


def money_on_first(money: str, day: str) -> Column:
    """The money on the earliest day of a group. Each day may be there once, and days without money do not count.

    It is the lowest of numbers that begin with the day and end with the cents: ``min_by`` takes Sail longer than all
    other aggregates of a buyer together.
    """
    number = (
        f"CAST(datediff({day}, DATE '1900-01-01') AS DECIMAL(10, 0)) * CAST('1{'0' * 20}' AS DECIMAL(21, 0))"
    )
    with_cents = f"{number} + CAST({cents(money)} AS DECIMAL(20, 0))"
    first = f"min(CASE WHEN {money} IS NOT NULL THEN {number} END)"
    return F.expr(
        f"CAST(min({with_cents}) - {first} AS DECIMAL(20, 0)) * CAST('0.01' AS DECIMAL(3, 2))"
    ).cast(MONEY)


def to_six_places(frame: DataFrame, names: Iterable[str]) -> DataFrame:
    """The frame with some columns of floats as shares, rounded half up."""
    for name in names:
        frame = frame.withColumn(name, F.round(F.col(name), 6).cast(RATIO))
    return frame


def _divide(numerator: str, denominator: str, places: int, numerator_places: int = 0) -> Column:
    scale = 10 ** (places - numerator_places)
    # 2,000,000 times a revenue in cents would overflow a bigint, on Sail without an error.
    doubled = f"({2 * scale} * CAST({numerator} AS DECIMAL(20, 0)))"
    half = f"CAST({denominator} AS DECIMAL(20, 0))"
    by = f"(2 * {half})"
    quotient = f"CASE WHEN {doubled} < 0 THEN -(({half} - {doubled}) div {by}) ELSE ({half} + {doubled}) div {by} END"
    unit = f"CAST('{10**-places:.{places}f}' AS DECIMAL({places + 1}, {places}))"
    return F.expr(f"CASE WHEN {denominator} > 0 THEN CAST({quotient} AS DECIMAL(20, 0)) * {unit} END")
