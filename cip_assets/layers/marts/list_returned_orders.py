"""The returns behind the certain rises of list_returns."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.ranking import placed
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.labels import UNKNOWN
from cip_assets.layers.marts.list_returns import KINDS, ListReturns, in_windows


class ListReturnedOrders(
    DaySnapshot, grain="one row per listed return and snapshot day", key=["return_id"], domain="returns"
):
    """The returns of the window that a certain rise in list_returns counts, the highest refund first. If tied, the
    smaller id comes first.
    """

    rank: T.IntegerType = column("Place in the list", "amount", required=True, ge=1)
    return_id: T.StringType = column("Return id", required=True)
    behind: T.StringType = column(
        "What is rising, of product, category and reason, separated by '; '",
        "list_returns.kind",
        required=True,
    )
    order_id: T.StringType = same_as(Returns, "order_id")
    transaction_id: T.StringType = same_as(Returns, "transaction_id")
    customer_id: T.StringType = same_as(Returns, "customer_id")
    product_id: T.StringType = same_as(Returns, "product_id")
    product_name: T.StringType = column(
        "Product name; 'Unknown' if it is missing from products", required=True
    )
    category: T.StringType = column(
        "Product category; 'Unknown' if it is missing from products", required=True
    )
    return_reason: T.StringType = same_as(Returns, "return_reason", required=True)
    amount: Money = same_as(Returns, "amount")
    return_date: T.DateType = same_as(Returns, "return_date", required=True)


@csv_file(order_by=["rank"])
@table(ListReturnedOrders, returns=Returns, products=Products, list_returns=ListReturns)
def list_returned_orders(
    returns: DataFrame, products: DataFrame, list_returns: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    recent = (
        in_windows(returns, "return_date", as_of, rules.lists.days)
        .where("NOT is_before")
        .join(products.select("product_id", "product_name", "category"), "product_id", "left")
        .fillna(UNKNOWN, ["product_name", "category"])
    )
    places = dict(zip(KINDS, ("product_id", "category", "return_reason"), strict=True))
    for kind, place in places.items():
        rising = list_returns.where(F.col("is_certain") & (F.col("kind") == kind))
        named = rising.select(F.col("value").alias(place), F.col("kind").alias(f"is_{kind}"))
        recent = recent.join(F.broadcast(named), place, "left")
    behind = F.concat_ws("; ", *(f"is_{kind}" for kind in places))
    listed = recent.withColumn("behind", behind).where("behind <> ''")
    return placed(listed, [F.col("amount").desc_nulls_last(), F.col("return_id").asc()], rules.lists.rows)
