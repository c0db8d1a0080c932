"""Migration between RFM segments."""

from datetime import date, timedelta

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame, Window

from cip_assets.calc.as_of import days_since
from cip_assets.calc.exact import ratio
from cip_assets.calc.given import with_given
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import AS_OF, column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.purchases import purchases as purchases_of
from cip_assets.layers.features.rfm import rfm
from cip_assets.layers.features.rfm_cut_points import rfm_cut_points
from cip_assets.layers.features.segments import Segments, without_purchase
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets.layers.labels import NOT_YET


class SegmentMigration(
    DaySnapshot,
    grain="one row per earlier segment, present segment and snapshot day",
    key=["from_segment", "to_segment"],
    domain="customers",
):
    """Customers who moved from one RFM segment to another over the last churn window."""

    from_segment: T.StringType = column(
        "Segment on the day `since`; 'Not yet a customer' for customers who signed up later",
        "transaction_date",
        "order_id",
        "amount",
        "population.signup_date",
        required=True,
    )
    to_segment: T.StringType = column("Segment on the snapshot day", "rfm_segment", required=True)
    since: T.DateType = column(
        "Earlier day: the snapshot day minus the churn window", "transaction_date", required=True
    )
    customers: T.LongType = column(
        "Customers who moved from from_segment to to_segment", "customer_id", required=True, ge=1
    )
    from_customers: T.LongType = column(
        "Customers in from_segment on the day `since`", "customer_id", required=True, ge=1
    )
    share: Ratio = column("customers / from_customers", "customer_id", required=True, ge=0, le=1)


@csv_file(order_by=["from_segment", "to_segment"])
@table(
    SegmentMigration,
    segments=Segments,
    population=Population,
    purchases=Purchases,
    order_days=OrderDays,
    split_orders=SplitOrders,
    customers=Customers,
)
def segment_migration(
    segments: DataFrame,
    population: DataFrame,
    purchases: DataFrame,
    order_days: DataFrame,
    split_orders: DataFrame,
    customers: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    before = as_of - timedelta(days=rules.churn.window_days)
    then = _purchases_by(before, purchases, order_days, split_orders, customers)
    scored = rfm(
        purchases=then,
        rfm_cut_points=rfm_cut_points(purchases=then, as_of=before),
        as_of=before,
        rules=rules,
    )
    signed_up = F.col("signup_date").isNull() | (F.col("signup_date") <= F.lit(before))
    was = (
        with_given(population.select("customer_id", "signup_date"), purchases=purchases)
        .join(
            scored.select("customer_id", F.col("rfm_segment").alias("scored_segment")), "customer_id", "left"
        )
        .withColumn(
            "from_segment",
            F.coalesce(
                "scored_segment",
                F.when(signed_up, without_purchase()).otherwise(F.lit(NOT_YET)),
            ),
        )
    )
    moved = (
        segments.select("customer_id", F.col("rfm_segment").alias("to_segment"))
        .join(was.select("customer_id", "from_segment"), "customer_id")
        .groupBy("from_segment", "to_segment")
        .agg(F.count("*").alias("customers"))
    )
    whole = Window.partitionBy("from_segment")
    return (
        moved.withColumn("from_customers", F.sum("customers").over(whole).cast("bigint"))
        .withColumn("share", ratio("customers", "from_customers"))
        .withColumn("since", F.lit(before))
    )


def _purchases_by(
    before: date, purchases: DataFrame, order_days: DataFrame, split_orders: DataFrame, customers: DataFrame
) -> DataFrame:
    """The purchases by an earlier day. Only buyers who bought since are computed again."""
    is_same = F.col("last_purchase_date") <= F.lit(before)
    bought_since = F.broadcast(purchases.where(~is_same).select("customer_id"))
    again = purchases_of(
        order_days=order_days.join(bought_since, "customer_id", "left_semi"),
        split_orders=split_orders,
        customers=customers,
        as_of=before,
    )
    dated = {AS_OF: F.lit(before), "recency_days": days_since(before, "last_purchase_date")}
    return purchases.where(is_same).withColumns(dated).select(*again.columns).union(again)
