"""Revenue by month."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import is_over, month_grid, until
from cip_assets.calc.carried import Before, from_month, with_months_before
from cip_assets.calc.exact import MONEY, total_money
from cip_assets.calc.given import with_given
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.facts.order_days import OrderDays


class KpiMonthlyRevenue(
    DaySnapshot, grain="one row per month and snapshot day", key=["month"], domain="sales"
):
    """Revenue by month, without gaps, from the first purchase to the snapshot day; no rows without a purchase."""

    month: T.DateType = column("Month, by its first day", required=True)
    monthly_revenue: Money = column(
        "Revenue of the month; empty if an amount is unknown", "amount", ge=0, unit="currency"
    )
    orders: T.LongType = column("Number of orders", "order_id", required=True, ge=0)
    buyers: T.LongType = column(
        "Buyers in the month, without guests; empty if no order names a customer", "customer_id", ge=0
    )
    is_complete: T.BooleanType = column(
        "False if the month ends after the snapshot day, so that its figures cover only a part of it",
        "month",
        required=True,
    )


@csv_file(order_by=["month"], months=["month"])
@table(KpiMonthlyRevenue, carried=("order_days",), order_days=OrderDays)
def kpi_monthly_revenue(order_days: DataFrame, as_of: date, before: Before | None = None) -> DataFrame:
    start = before.day.replace(day=1) if before else None  # the first month that could have got a sale since
    days = until(from_month(order_days, start), "transaction_date", as_of)
    sold = with_months_before(
        days.groupBy("month").agg(
            total_money("amount").alias("monthly_revenue"),
            F.countDistinct("order_id").alias("orders"),
            F.countDistinct("customer_id").alias("buyers"),
        ),
        before,
        start,
    )
    dense = month_grid(sold, as_of).join(sold, "month", "left").fillna({"orders": 0, "buyers": 0})
    revenue = F.when(F.col("orders") > 0, F.col("monthly_revenue")).otherwise(F.lit(0).cast(MONEY))
    return (
        with_given(dense, orders=sold, buyers=sold.where("buyers > 0"))
        .where("has_orders")
        .withColumn("buyers", F.when(F.col("has_buyers"), F.col("buyers")))
        .withColumn("monthly_revenue", revenue)
        .withColumn("is_complete", is_over(as_of))
    )
