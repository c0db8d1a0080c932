"""The types of columns, and the classes that contracts begin with."""

from typing import Annotated

import pyspark.sql.types as T

from cip_assets.contracts.contract import AS_OF, Contract, column

Money = Annotated[T.DecimalType, 18, 2]
"""An amount in the retailer's currency. Exact, so that sums do not depend on their order."""

Ratio = Annotated[T.DecimalType, 18, 6]
"""A share, rate or score, rounded half up to six places from an exact fraction."""


class DaySnapshot(Contract, partition_column=AS_OF):
    """A table with a snapshot for each day."""

    as_of_date: T.DateType = column("Day D: the row uses nothing dated after it", required=True)


class CustomerSnapshot(DaySnapshot, grain="one row per customer and as-of day", key=["customer_id"]):
    """A snapshot with a row per customer."""

    customer_id: T.StringType = column("Customer", required=True)


class Delivered(Contract):
    """A table whose rows stand in landing files."""

    source_file: T.StringType = column("Landing file the row came from", required=True)
    source_version: T.StringType = column("First 16 digits of that file's SHA-256", required=True)
    source_line: T.LongType = column("Line of that file on which the row begins", required=True, ge=2)
    delivery_date: T.DateType = column("Day the row was delivered")


class Event(Delivered, partition_column="month"):
    """A delivered table whose rows are dated."""

    month: T.DateType = column("First day of the month the row belongs to", required=True)
