"""What was known by a day."""

from collections.abc import Iterable
from datetime import date

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame


def until(events: DataFrame, event_date: str, as_of: date) -> DataFrame:
    """The events dated on or before a day."""
    return events.where(F.col(event_date).cast("date") <= F.lit(as_of))


def stamped(frame: DataFrame, as_of: date, columns: Iterable[str]) -> DataFrame:
    """The named columns, with the day the snapshot is of."""
    return frame.withColumn("as_of_date", F.lit(as_of)).select(*columns)


def days_since(as_of: date, day: str) -> Column:
    """Whole days from a date column to the as-of day."""
    return F.datediff(F.lit(as_of), F.col(day)).cast("int")


def months_between(first: date, last: date) -> list[date]:
    """The first days of the months from one to the other, both included."""
    start, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(start, end + 1)]


def month_frame(like: DataFrame, months: Iterable[date], name: str = "month") -> DataFrame:
    """A frame of one date column, in the session of another frame."""
    return like.sparkSession.createDataFrame([(month,) for month in months], f"{name} date")
