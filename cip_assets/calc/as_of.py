"""Days and months of a snapshot."""

from collections.abc import Iterable
from datetime import date

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame


def until(events: DataFrame, event_date: str, as_of: date) -> DataFrame:
    """The events dated on or before a day."""
    return events.where(F.col(event_date).cast("date") <= F.lit(as_of))


def of_customers_until(events: DataFrame, event_date: str, as_of: date) -> DataFrame:
    """The events of customers, without those of guests, dated on or before a day."""
    return until(events, event_date, as_of).where("customer_id IS NOT NULL")


def days_since(as_of: date, day: str) -> Column:
    """Whole days from a date column to the snapshot day."""
    return F.datediff(F.lit(as_of), F.col(day)).cast("int")


def months_between(first: date, last: date) -> list[date]:
    """The first day of each month from one month to another, including both."""
    start, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(start, end + 1)]


def months_back(month: date, count: int) -> date:
    """The first day of the month that many months before another."""
    number = month.year * 12 + month.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def month_frame(like: DataFrame, months: Iterable[date], name: str = "month") -> DataFrame:
    """A frame with one date column, in the session of another frame."""
    return like.sparkSession.createDataFrame([(month,) for month in months], f"{name} date")


def is_over(as_of: date) -> Column:
    """Whether ``month`` is complete on the snapshot day."""
    return F.last_day("month") <= F.lit(as_of)


def month_grid(monthly: DataFrame, as_of: date, instead: DataFrame | None = None) -> DataFrame:
    """Every month from the first one in a frame, or else in the one ``instead``, to that of the snapshot day."""
    frames = (monthly, *([] if instead is None else [instead]))
    firsts = (frame.agg(F.min("month")).collect()[0][0] for frame in frames)
    return month_frame(monthly, months_between(next(filter(None, firsts), as_of), as_of))
