"""Revenue by segment."""

from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.exact import cents, ratio, total_money
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.labels import UNKNOWN
from cip_assets.layers.marts.customer_360 import Customer360


class KpiRevenueSegment(
    DaySnapshot,
    grain="one row per segmentation, segment and snapshot day",
    key=["segmentation", "segment"],
    domain="sales",
):
    """Customers and revenue by segment, for each segmentation. Orphan revenue is only in kpi_totals."""

    segmentation: T.StringType = column(
        "Column that the segments come from",
        required=True,
        isin=["rfm_segment", "value_segment", "customer_segment", "region"],
    )
    segment: T.StringType = column(
        "Segment; 'Unknown' if the customer has none",
        "rfm_segment",
        "value_segment",
        "customer_segment",
        "region",
        required=True,
    )
    customers: T.LongType = column("Customers in the segment", "customer_id", required=True, ge=1)
    buyers: T.LongType = column(
        "Customers with a purchase; empty if no order names a customer", "customer_id", "frequency", ge=0
    )
    revenue: Money = column(
        "Revenue from the segment; empty if an amount is unknown", "monetary_value", ge=0, unit="currency"
    )
    net_revenue: Money = column(
        "revenue minus refunds; empty if an amount is unknown or no return was delivered",
        "net_revenue",
        unit="currency",
    )
    revenue_share: Ratio = column("Share of the revenue from all customers", "monetary_value", ge=0, le=1)


@csv_file(order_by=["segmentation", "segment"])
@table(KpiRevenueSegment, customer_360=Customer360)
def kpi_revenue_segment(customer_360: DataFrame) -> DataFrame:
    segmentations = ["rfm_segment", "value_segment", "customer_segment", "region"]
    long = reduce(
        DataFrame.union,
        (
            customer_360.select(
                F.lit(name).alias("segmentation"),
                F.coalesce(name, F.lit(UNKNOWN)).alias("segment"),
                "frequency",
                "monetary_value",
                "net_revenue",
            )
            for name in segmentations
        ),
    )
    by_segment = long.groupBy("segmentation", "segment").agg(
        F.count("*").alias("customers"),
        F.when(F.count("frequency") > 0, F.count(F.when(F.col("frequency") > 0, 1))).alias("buyers"),
        total_money("monetary_value").alias("revenue"),
        total_money("net_revenue").alias("net_revenue"),
    )
    total = customer_360.agg(total_money("monetary_value").alias("all_revenue"))
    return by_segment.crossJoin(total).withColumn(
        "revenue_share", ratio(cents("revenue"), cents("all_revenue"))
    )
