"""The purchases of each buyer."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import days_since, of_customers_until
from cip_assets.calc.carried import Before, by_key
from cip_assets.calc.exact import RATIO, cents, mean_money, money_on_first, ratio, total_money
from cip_assets.calc.given import with_given
from cip_assets.calc.orders import by_order
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money, Ratio
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.split_orders import SplitOrders


class Purchases(
    CustomerSnapshot, grain="one row per buyer, including orphans, and snapshot day", domain="sales"
):
    """Purchases of each buyer by the snapshot day. Buyers missing from the customers table are kept and flagged."""

    is_orphan: T.BooleanType = column(
        "True if the buyer is missing from the customers table; false for all if no customers were delivered",
        "order_days.customer_id",
        "customers.customer_id",
        required=True,
    )
    first_purchase_date: T.DateType = column("First purchase day", "transaction_date", required=True)
    last_purchase_date: T.DateType = column(
        "Last purchase day by the snapshot day", "transaction_date", required=True
    )
    recency_days: T.IntegerType = column(
        "Days since the last purchase", "transaction_date", required=True, unit="days", ge=0
    )
    frequency: T.LongType = column("Number of orders", "order_id", required=True, ge=1)
    purchase_days: T.LongType = column(
        "Days with at least one purchase", "transaction_date", required=True, ge=1
    )
    paid_days: T.LongType = column(
        "Purchase days whose amounts add up to more than 0; empty if an amount is unknown",
        "amount",
        "transaction_date",
        ge=0,
    )
    paid_repeat_days: T.LongType = column(
        "Paid days after the first purchase day; empty if an amount is unknown",
        "amount",
        "transaction_date",
        ge=0,
    )
    monetary_value: Money = column(
        "Total spend; empty if an amount is unknown", "amount", ge=0, unit="currency"
    )
    avg_order_value: Money = column(
        "monetary_value / frequency, rounded half up to the cent",
        "amount",
        "order_id",
        unit="currency",
    )
    mean_repeat_value: Ratio = column(
        "Mean daily total of the paid days after the first purchase day; empty if there are none",
        "amount",
        "transaction_date",
        unit="currency per paid day",
        ge=0,
    )


@table(
    Purchases,
    carried=("order_days", "split_orders"),
    order_days=OrderDays,
    split_orders=SplitOrders,
    customers=Customers,
)
def purchases(
    order_days: DataFrame,
    split_orders: DataFrame,
    customers: DataFrame,
    as_of: date,
    before: Before | None = None,
) -> DataFrame:
    totals = by_key(
        before,
        "customer_id",
        as_of,
        lambda order_days: _totals(order_days, split_orders, as_of),
        order_days=(order_days, "transaction_date"),
    )
    known = customers.select("customer_id", F.lit(False).alias("is_orphan"))
    return (
        with_given(totals.join(known, "customer_id", "left"), customers=customers)
        .withColumn("is_orphan", F.coalesce("is_orphan", "has_customers"))
        .withColumn("recency_days", days_since(as_of, "last_purchase_date"))
    )


def _totals(order_days: DataFrame, split_orders: DataFrame, as_of: date) -> DataFrame:
    """All columns that depend on the customer's purchases alone."""
    # Aggregated by order and day first, because counting distinct ones directly keeps a set for each customer.
    orders = by_order(
        of_customers_until(order_days, "transaction_date", as_of),
        split_orders,
        ["customer_id", "order_id"],
        transaction_date=F.min,
        amount=total_money,
    )
    days = orders.groupBy("customer_id", "transaction_date").agg(
        F.count("*").alias("orders"), total_money("amount").alias("amount")
    )
    totals = days.groupBy("customer_id").agg(
        F.min("transaction_date").alias("first_purchase_date"),
        F.max("transaction_date").alias("last_purchase_date"),
        F.sum("orders").cast("bigint").alias("frequency"),
        F.count("*").alias("purchase_days"),
        F.when(F.count("amount") == F.count("*"), F.count(F.when(F.col("amount") > 0, 1))).alias("paid_days"),
        total_money("amount").alias("monetary_value"),
        money_on_first("amount", "transaction_date").alias("first_day_amount"),
    )
    return (
        totals.withColumn("avg_order_value", mean_money("monetary_value", "frequency"))
        .withColumn("paid_repeat_days", F.col("paid_days") - (F.col("first_day_amount") > 0).cast("bigint"))
        .withColumn("mean_repeat_value", _mean_repeat_value())
        .drop("first_day_amount")
    )


def _mean_repeat_value() -> Column:
    """The mean daily total of the paid days after the first purchase day."""
    later_cents = f"({cents('monetary_value')} - {cents('first_day_amount')})"
    hundred_times_days = "(100 * paid_repeat_days)"
    # More than the type holds, which takes a thousand lines a day at the largest amount.
    too_large = F.expr(f"paid_repeat_days > 0 AND {later_cents} >= 1000000000000 * {hundred_times_days}")
    largest = F.lit("999999999999.999999").cast(RATIO)
    return F.when(too_large, largest).otherwise(ratio(later_cents, hundred_times_days))
