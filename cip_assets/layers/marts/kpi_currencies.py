"""Totals by currency."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.currencies import amount_in_own_currency, in_own_currency
from cip_assets.calc.exact import MONEY, total_money
from cip_assets.calc.given import with_given
from cip_assets.calc.orders import by_order
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets.layers.labels import UNKNOWN

_SOLD = ("order_days.amount_in_currency",)
_RETURNED = ("returns.amount", "returns.original_amount")
_GIVEN_BY = {
    "orders": "orders",
    "order_lines": "orders",
    "total_revenue": "orders",
    "charged": "orders",
    "returned_amount": "returns",
    "refunded": "returns",
}
"""Without what each column is unknown."""


class KpiCurrencies(
    DaySnapshot, grain="one row per currency and snapshot day", key=["currency"], domain="sales"
):
    """Orders, revenue and refunds in each currency, before any conversion."""

    currency: T.StringType = column("ISO 4217 code; 'Unknown' if there is none", required=True)
    orders: T.LongType = column(
        "Orders with a line in the currency; empty if there are no orders", "order_id", ge=0
    )
    order_lines: T.LongType = column("Number of order lines; empty if there are no orders", "lines", ge=0)
    total_revenue: Money = column(
        "Revenue in the currency; empty if an amount is unknown or there are no orders",
        *_SOLD,
        ge=0,
        unit="currency",
    )
    charged: Money = column(
        "All that buyers paid in the currency; empty if a line does not say",
        "charged_in_currency",
        ge=0,
        unit="currency",
    )
    returned_amount: Money = column(
        "Refunded for goods in the currency; empty if an amount is unknown or no return was delivered",
        *_RETURNED,
        ge=0,
        unit="currency",
    )
    refunded: Money = column(
        "All money given back in the currency; empty if an amount is unknown or no return was delivered",
        "refunded",
        *_RETURNED,
        ge=0,
        unit="currency",
    )
    net_revenue: Money = column("total_revenue - returned_amount", *_SOLD, *_RETURNED, unit="currency")


@csv_file(order_by=["currency"])
@table(KpiCurrencies, order_days=OrderDays, split_orders=SplitOrders, returns=Returns)
def kpi_currencies(
    order_days: DataFrame, split_orders: DataFrame, returns: DataFrame, as_of: date
) -> DataFrame:
    given_back = until(returns, "return_date", as_of)
    days = until(order_days, "transaction_date", as_of).select(
        "currency",
        "order_id",
        "lines",
        F.col("amount_in_currency").alias("amount"),
        F.col("charged_in_currency").alias("all_money"),
    )
    sold = by_order(
        days, split_orders, ["currency", "order_id"], lines=F.sum, amount=total_money, all_money=total_money
    )
    returned = given_back.select(
        "currency",
        F.lit(None).cast("string").alias("order_id"),
        F.lit(0).cast("bigint").alias("lines"),
        amount_in_own_currency().alias("amount"),
        F.when(F.col("refunded").isNull(), amount_in_own_currency())
        .otherwise(in_own_currency("refunded"))
        .alias("all_money"),
    )
    named = F.coalesce("currency", F.lit(UNKNOWN)).alias("currency")
    is_sold, nothing = F.col("lines") > 0, F.lit(0).cast(MONEY)
    totals = (
        sold.union(returned)
        .groupBy(named)
        .agg(
            F.count("order_id").alias("orders"),
            F.sum("lines").cast("bigint").alias("order_lines"),
            total_money(F.when(is_sold, F.col("amount")).otherwise(nothing)).alias("total_revenue"),
            total_money(F.when(is_sold, F.col("all_money")).otherwise(nothing)).alias("charged"),
            total_money(F.when(~is_sold, F.col("amount")).otherwise(nothing)).alias("returned_amount"),
            total_money(F.when(~is_sold, F.col("all_money")).otherwise(nothing)).alias("refunded"),
        )
    )
    given = with_given(totals, orders=days, returns=given_back)
    for name, source in _GIVEN_BY.items():
        given = given.withColumn(name, F.when(F.col(f"has_{source}"), F.col(name)))
    return given.withColumn("net_revenue", (F.col("total_revenue") - F.col("returned_amount")).cast(MONEY))
