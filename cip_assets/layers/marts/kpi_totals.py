"""The totals of a snapshot."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.exact import MONEY, mean_money, total_money
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.purchases import Purchases


class KpiTotals(DaySnapshot, grain="one row per snapshot day", key=[], domain="sales"):
    """Totals that the other tables must add up to."""

    total_customers: T.LongType = column("Number of customers", "population.customer_id", required=True, ge=0)
    buyers: T.LongType = column(
        "Number of buyers, including orphans, without guests", "purchases.customer_id", required=True, ge=0
    )
    orders: T.LongType = column("Number of orders, including guest orders", "order_id", required=True, ge=0)
    order_lines: T.LongType = column("Number of order lines", "transaction_id", required=True, ge=0)
    guest_orders: T.LongType = column(
        "Orders whose buyer the shop does not know", "order_id", "is_guest", required=True, ge=0
    )
    first_order_day: T.DateType = column("Day of the first order; empty if there is none", "transaction_date")
    last_order_day: T.DateType = column("Day of the last order; empty if there is none", "transaction_date")
    total_revenue: Money = column(
        "Revenue from all orders, including those of orphans and guests",
        "transactions.amount",
        required=True,
        unit="currency",
    )
    net_revenue: Money = column(
        "total_revenue - returned_amount",
        "transactions.amount",
        "returns.amount",
        unit="currency",
    )
    returned_amount: Money = column(
        "Total refunded; empty if no return was delivered", "returns.amount", unit="currency"
    )
    avg_order_value: Money = column(
        "total_revenue / orders", "transactions.amount", "order_id", unit="currency"
    )
    orphan_revenue: Money = column(
        "Revenue from buyers who are missing from the customers table",
        "monetary_value",
        "is_orphan",
        required=True,
        unit="currency",
    )
    guest_revenue: Money = column(
        "Revenue from guest orders", "transactions.amount", "is_guest", required=True, unit="currency"
    )


@csv_file(order_by=["total_customers"])
@table(KpiTotals, population=Population, purchases=Purchases, transactions=Transactions, returns=Returns)
def kpi_totals(
    population: DataFrame, purchases: DataFrame, transactions: DataFrame, returns: DataFrame, as_of: date
) -> DataFrame:
    nothing = F.lit(0).cast(MONEY)
    orders = (
        until(transactions, "transaction_date", as_of)
        .groupBy("order_id")
        .agg(
            F.count("*").alias("lines"),
            F.max("is_guest").alias("is_guest"),
            F.min("transaction_date").alias("day"),
            total_money("amount").alias("amount"),
        )
    )
    sold = orders.agg(
        F.count("*").alias("orders"),
        F.coalesce(F.sum("lines"), F.lit(0)).cast("bigint").alias("order_lines"),
        F.count(F.when(F.col("is_guest"), 1)).alias("guest_orders"),
        F.min("day").alias("first_order_day"),
        F.max("day").alias("last_order_day"),
        total_money("amount").alias("total_revenue"),
        total_money(F.when(F.col("is_guest"), F.col("amount")).otherwise(nothing)).alias("guest_revenue"),
    )
    bought = purchases.agg(
        F.count("*").alias("buyers"),
        total_money(F.when(F.col("is_orphan"), F.col("monetary_value")).otherwise(nothing)).alias(
            "orphan_revenue"
        ),
    )
    returned = until(returns, "return_date", as_of).agg(F.sum("amount").cast(MONEY).alias("returned_amount"))
    return (
        population.agg(F.count("*").alias("total_customers"))
        .crossJoin(bought)
        .crossJoin(sold)
        .crossJoin(returned)
        .withColumn("net_revenue", (F.col("total_revenue") - F.col("returned_amount")).cast(MONEY))
        .withColumn("avg_order_value", mean_money("total_revenue", "orders"))
    )
