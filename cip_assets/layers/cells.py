"""Cells: what the dashboard filters by. A cell is the customers of one region, RFM segment and month of the first
purchase, so every customer is in one, and counts of cells add up.
"""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import column
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.labels import GUEST, UNKNOWN

CELL = ("region", "segment", "cohort_month")


class CellSnapshot(DaySnapshot):
    """A snapshot with rows for each cell."""

    region: T.StringType = column(
        "Sales region; 'Unknown' also for guests and orphans", "customer_360.region", required=True
    )
    segment: T.StringType = column(
        "RFM segment; 'Guest' for guests, 'Unknown' for orphans", "rfm_segment", required=True
    )
    cohort_month: T.DateType = column(
        "Month of the first purchase, by its first day; empty without one, and for guests",
        "purchases.first_purchase_date",
    )


def in_cells(events: DataFrame, customer_360: DataFrame, purchases: DataFrame) -> DataFrame:
    """Rows with a ``customer_id``, which is null for guests, with the columns of their cell."""
    known = customer_360.select("customer_id", "region", F.col("rfm_segment").alias("segment"))
    first = F.trunc("first_purchase_date", "month").cast("date").alias("cohort_month")
    people = known.join(purchases.select("customer_id", first), "customer_id", "full")
    segment = F.when(F.col("customer_id").isNull(), F.lit(GUEST)).otherwise(
        F.coalesce("segment", F.lit(UNKNOWN))
    )
    return events.join(people, "customer_id", "left").withColumns(
        {"region": F.coalesce("region", F.lit(UNKNOWN)), "segment": segment}
    )
