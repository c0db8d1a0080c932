"""Retention by cohort."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import is_over, month_grid, until
from cip_assets.calc.exact import ratio
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.purchases import Purchases


class CohortRetention(
    DaySnapshot,
    grain="one row per cohort, month number and snapshot day",
    key=["cohort_month", "month_number"],
    domain="customers",
):
    """Share of each cohort that bought in the k-th month after the cohort's month."""

    cohort_month: T.DateType = column(
        "Month of the first purchase, by its first day", "first_purchase_date", required=True
    )
    month_number: T.IntegerType = column(
        "k: months after the cohort's month", "first_purchase_date", required=True, ge=0
    )
    cohort_size: T.LongType = column(
        "Buyers whose first purchase was in the cohort's month", "purchases.customer_id", required=True, ge=1
    )
    active_buyers: T.LongType = column(
        "Buyers of the cohort who bought in month k; empty until that month is complete",
        "order_days.customer_id",
    )
    retention_rate: Ratio = column(
        "active_buyers / cohort_size; empty until month k is complete",
        "order_days.customer_id",
        "purchases.customer_id",
        ge=0,
        le=1,
    )


@table(CohortRetention, order_days=OrderDays, purchases=Purchases)
def cohort_retention(order_days: DataFrame, purchases: DataFrame, as_of: date) -> DataFrame:
    starts = purchases.select(
        "customer_id", F.trunc("first_purchase_date", "month").cast("date").alias("cohort_month")
    )
    sizes = starts.groupBy("cohort_month").agg(F.count("*").alias("cohort_size"))
    active = (
        until(order_days, "transaction_date", as_of)
        .select("customer_id", "month")
        .distinct()
        .join(starts, "customer_id")
        .groupBy("cohort_month", "month")
        .agg(F.count("*").alias("active"))
    )
    months = month_grid(starts.withColumnRenamed("cohort_month", "month"), as_of)
    return (
        sizes.join(months, F.col("month") >= F.col("cohort_month"))
        .join(active, ["cohort_month", "month"], "left")
        .withColumn("month_number", F.months_between("month", "cohort_month").cast("int"))
        .withColumn("active_buyers", F.when(is_over(as_of), F.coalesce("active", F.lit(0))).cast("bigint"))
        .withColumn("retention_rate", ratio("active_buyers", "cohort_size"))
    )
