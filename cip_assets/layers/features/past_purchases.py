"""The purchases of each buyer as of one churn window ago, and as of two."""

from datetime import date, timedelta

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import of_customers_until
from cip_assets.calc.exact import MONEY, total_money
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import Money
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.purchases import Purchases, purchases
from cip_assets.layers.features.split_orders import SplitOrders

_BOUGHT = ("transaction_date", "amount")


class PastPurchases(
    Purchases,
    grain="one row per buyer of an earlier day, including orphans, and snapshot day",
    key=["day", "customer_id"],
):
    """Purchases of each buyer by two earlier days, and in the churn windows before and after each. The earlier days are
    one and two churn windows before the snapshot day. The backtest and the migration between segments start from here.
    """

    day: T.DateType = column(
        "Earlier day: the snapshot day minus one or two churn windows", "transaction_date", required=True
    )
    last_purchase_date: T.DateType = column(
        "Last purchase day by the earlier day", "transaction_date", required=True
    )
    recency_days: T.IntegerType = column(
        "Days from the last purchase to the earlier day",
        "transaction_date",
        required=True,
        unit="days",
        ge=0,
    )
    past_days: T.LongType = column(
        "Days with a purchase in the churn window up to the earlier day",
        "transaction_date",
        required=True,
        ge=0,
    )
    past_spend: Money = column(
        "Spend in that window; empty if an amount is unknown", "amount", unit="currency", ge=0
    )
    came_days: T.LongType = column(
        "Days with a purchase in the churn window after the earlier day",
        "transaction_date",
        required=True,
        ge=0,
    )
    came_spend: Money = column(
        "Spend in that window; empty if an amount is unknown", "amount", unit="currency", ge=0
    )


@table(PastPurchases, order_days=OrderDays, split_orders=SplitOrders, customers=Customers)
def past_purchases(
    order_days: DataFrame, split_orders: DataFrame, customers: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    length = rules.churn.window_days
    days = [as_of - timedelta(days=length * windows) for windows in (1, 2)]
    one, two = (
        purchases(
            order_days=order_days, split_orders=split_orders, customers=customers, as_of=day
        ).withColumnRenamed("as_of_date", "day")
        for day in days
    )
    windows = _by_window(order_days, as_of, length)
    is_nearer = F.col("day") == F.lit(days[0])

    def in_window(name: str, nearer: int) -> Column:
        """A figure of a customer's window, which for the other day lies one window further back."""
        zero = F.lit(0).cast("bigint" if name == "days" else MONEY)
        value = F.when(is_nearer, F.col(f"{name}_{nearer}")).otherwise(F.col(f"{name}_{nearer + 1}"))
        return F.when(F.col("days_0").isNull(), zero).otherwise(value)

    return (
        one.union(two)
        .join(windows, "customer_id", "left")
        .withColumn("came_days", in_window("days", 0))
        .withColumn("came_spend", in_window("spend", 0))
        .withColumn("past_days", in_window("days", 1))
        .withColumn("past_spend", in_window("spend", 1))
    )


def _by_window(order_days: DataFrame, as_of: date, length: int) -> DataFrame:
    """Days with a purchase and spend of each customer in the last three windows up to D.

    Grain: one row per customer with a purchase in one of them, with ``days_0`` and ``spend_0`` of the last window,
    ``days_1`` and ``spend_1`` of the one before, and so on.
    """
    nothing = F.lit(0).cast(MONEY)
    days = (
        of_customers_until(order_days, "transaction_date", as_of)
        .where(F.col("transaction_date") > F.lit(as_of - timedelta(days=3 * length)))
        .groupBy("customer_id", "transaction_date")
        .agg(total_money("amount").alias("amount"))
        .withColumn("window", F.floor(F.datediff(F.lit(as_of), "transaction_date") / length))
    )
    found = []
    for number in range(3):
        inside = F.col("window") == number
        found += [
            F.count(F.when(inside, 1)).alias(f"days_{number}"),
            total_money(F.when(inside, F.col("amount")).otherwise(nothing)).alias(f"spend_{number}"),
        ]
    return days.groupBy("customer_id").agg(*found)
