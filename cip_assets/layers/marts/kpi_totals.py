"""The totals of a snapshot."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.currencies import MIXED, in_reporting_currency
from cip_assets.calc.exact import MONEY, mean_money, total_money
from cip_assets.calc.orders import by_order
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.split_orders import SplitOrders


class KpiTotals(DaySnapshot, grain="one row per snapshot day", key=[], domain="sales"):
    """Totals that the other tables must add up to. A total is empty if it would add up an unknown amount, and all that
    comes from orders is empty if there are none.
    """

    total_customers: T.LongType = column("Number of customers", "population.customer_id", required=True, ge=0)
    buyers: T.LongType = column(
        "Number of buyers, including orphans, without guests; empty if no order names a customer",
        "purchases.customer_id",
        ge=0,
    )
    orders: T.LongType = column(
        "Number of orders, including guest orders; empty if there are none", "order_id", ge=1
    )
    order_lines: T.LongType = column("Number of order lines; empty if there are none", "lines", ge=1)
    guest_orders: T.LongType = column(
        "Orders whose buyer the shop does not know; empty if no order names a customer",
        "order_id",
        "is_guest",
        ge=0,
    )
    first_order_day: T.DateType = column("Day of the first order; empty if there is none", "transaction_date")
    last_order_day: T.DateType = column("Day of the last order; empty if there is none", "transaction_date")
    currency: T.StringType = column(
        "Currency of the totals, as an ISO 4217 code: that of the order lines that were not converted; 'mixed' if they "
        "are in several, empty if it is unknown",
        "order_days.currency",
    )
    total_revenue: Money = column(
        "Revenue from all orders, including those of orphans and guests: goods after discounts, without shipping",
        "order_days.amount",
        unit="currency",
    )
    charged: Money = column(
        "All that buyers paid: goods, shipping and tax; empty if an order line does not say",
        "charged",
        unit="currency",
    )
    net_revenue: Money = column(
        "total_revenue - returned_amount",
        "order_days.amount",
        "returns.amount",
        unit="currency",
    )
    returned_amount: Money = column(
        "Total refunded for goods; empty if no return was delivered", "returns.amount", unit="currency"
    )
    refunded: Money = column(
        "All money given back; of a return that does not say, the refund for the goods. Empty if no return was "
        "delivered",
        "refunded",
        "returns.amount",
        unit="currency",
    )
    avg_order_value: Money = column(
        "total_revenue / orders", "order_days.amount", "order_id", unit="currency"
    )
    orphan_revenue: Money = column(
        "Revenue from buyers who are missing from the customers table",
        "monetary_value",
        "is_orphan",
        unit="currency",
    )
    guest_revenue: Money = column(
        "Revenue from guest orders", "order_days.amount", "is_guest", unit="currency"
    )


@csv_file(order_by=["total_customers"])
@table(
    KpiTotals,
    population=Population,
    purchases=Purchases,
    order_days=OrderDays,
    split_orders=SplitOrders,
    returns=Returns,
)
def kpi_totals(
    population: DataFrame,
    purchases: DataFrame,
    order_days: DataFrame,
    split_orders: DataFrame,
    returns: DataFrame,
    as_of: date,
) -> DataFrame:
    nothing = F.lit(0).cast(MONEY)
    code = F.when(~F.col("is_converted"), F.col("currency"))
    days = until(order_days, "transaction_date", as_of).withColumns(
        {
            "has_customer": F.col("customer_id").isNotNull(),
            # A line that names a customer counts for that customer, whatever it says of a guest.
            "is_guest": F.col("customer_id").isNull(),
            "guest_amount": F.when(F.col("customer_id").isNull(), F.col("amount")).otherwise(nothing),
            "lowest_code": code,
            "highest_code": code,
            "is_open": F.col("currency").isNull() & F.col("amount").isNull(),
        }
    )
    orders = by_order(
        days,
        split_orders,
        ["order_id"],
        lines=F.sum,
        is_guest=F.bool_or,
        transaction_date=F.min,
        amount=total_money,
        guest_amount=total_money,
        charged=total_money,
        has_customer=F.bool_or,
        lowest_code=F.min,
        highest_code=F.max,
        is_open=F.bool_or,
    )
    has_orders = F.count("*") > 0
    sold = orders.agg(
        F.when(has_orders, F.count("*")).alias("orders"),
        F.sum("lines").cast("bigint").alias("order_lines"),
        F.count(F.when(F.col("is_guest"), 1)).alias("guest_orders"),
        F.min("transaction_date").alias("first_order_day"),
        F.max("transaction_date").alias("last_order_day"),
        F.when(has_orders, total_money("amount")).alias("total_revenue"),
        F.when(has_orders, total_money("charged")).alias("charged"),
        F.coalesce(F.bool_or("has_customer"), F.lit(False)).alias("has_customers"),
        F.min("lowest_code").alias("currency"),
        F.max("highest_code").alias("highest_code"),
        F.bool_or("is_open").alias("is_open"),
        F.when(has_orders, total_money("guest_amount")).alias("guest_revenue"),
    )
    bought = purchases.agg(
        F.count("*").alias("buyers"),
        total_money(F.when(F.col("is_orphan"), F.col("monetary_value")).otherwise(nothing)).alias(
            "orphan_revenue"
        ),
    )
    given_back = F.coalesce(in_reporting_currency("refunded"), F.col("amount"))
    returned = until(returns, "return_date", as_of).agg(
        F.when(F.count("*") > 0, total_money("amount")).alias("returned_amount"),
        F.when(F.count("*") > 0, total_money(given_back)).alias("refunded"),
    )
    # An unknown amount in an unknown currency may be in another one.
    is_mixed = (F.col("currency") < F.col("highest_code")) | (
        F.col("currency").isNotNull() & F.col("is_open")
    )
    has_customers = F.col("has_customers")
    return (
        population.agg(F.count("*").alias("total_customers"))
        .crossJoin(bought)
        .crossJoin(sold)
        .crossJoin(returned)
        .withColumn("currency", F.when(is_mixed, F.lit(MIXED)).otherwise(F.col("currency")))
        .withColumn("buyers", F.when(has_customers, F.col("buyers")))
        .withColumn("guest_orders", F.when(has_customers, F.col("guest_orders")))
        .withColumn("orphan_revenue", F.when(F.col("orders") > 0, F.col("orphan_revenue")))
        .withColumn("net_revenue", (F.col("total_revenue") - F.col("returned_amount")).cast(MONEY))
        .withColumn("avg_order_value", mean_money("total_revenue", "orders"))
    )
