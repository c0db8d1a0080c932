"""Column types, and the base classes of contracts."""

from typing import Annotated

import pyspark.sql.types as T

from cip_assets.contracts.contract import AS_OF, Contract, column

Money = Annotated[T.DecimalType, 18, 2]
"""An amount in the retailer's currency. It is exact, so sums do not depend on the order."""

Ratio = Annotated[T.DecimalType, 18, 6]
"""A share, rate or score, rounded half up to six places from an exact fraction."""


class DaySnapshot(Contract, partition_column=AS_OF):
    """A table with a snapshot for each day."""

    as_of_date: T.DateType = column("Snapshot day: the row uses no event dated after it", required=True)


class CustomerSnapshot(DaySnapshot, grain="one row per customer and snapshot day", key=["customer_id"]):
    """A snapshot with one row per customer."""

    customer_id: T.StringType = column("Customer id", required=True)


class Delivered(Contract):
    """A table whose rows come from landing files."""

    source_file: T.StringType = column("Landing file that the row came from", required=True)
    source_version: T.StringType = column("First 16 digits of the SHA-256 hash of that file", required=True)
    source_line: T.LongType = column("Line number in that file where the row begins", required=True, ge=2)
    delivery_date: T.DateType = column("Delivery date of the row")


class Event(Delivered, partition_column="month"):
    """An event table."""

    month: T.DateType = column("First day of the month that the row belongs to", required=True)


class Facts(Contract, partition_column="month"):
    """A table of sums of events, by month."""

    month: T.DateType = column("First day of the month of the events", required=True)
