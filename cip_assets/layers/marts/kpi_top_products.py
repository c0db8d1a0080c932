"""The top products."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.exact import total_money
from cip_assets.calc.given import with_given
from cip_assets.calc.ranking import top
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.labels import UNKNOWN


class KpiTopProducts(DaySnapshot, grain="one row per rank and snapshot day", key=["rank"], domain="products"):
    """Products with the highest revenue. If tied, the smaller id comes first. There is no row if a product's revenue is
    unknown.
    """

    rank: T.IntegerType = column(
        "Rank by revenue; 1 is the highest", "amount", "product_id", required=True, ge=1
    )
    product_id: T.StringType = column("Product id", required=True)
    product_name: T.StringType = column(
        "Product name; 'Unknown' if the product is missing from products", required=True
    )
    category: T.StringType = column(
        "Product category; 'Unknown' if the product is missing from products", required=True
    )
    brand: T.StringType = column("Brand; 'Unknown' if the product is missing from products", required=True)
    revenue: Money = column("Revenue from the product", "amount", required=True, ge=0, unit="currency")
    units: T.LongType = column("Units sold", "quantity", required=True, ge=1)
    orders: T.LongType = column("Orders with the product", "order_id", required=True, ge=1)
    buyers: T.LongType = column(
        "Buyers of the product, without guests; empty if no order names a customer", "customer_id", ge=0
    )


@csv_file(order_by=["rank"])
@table(KpiTopProducts, transactions=Transactions, products=Products)
def kpi_top_products(transactions: DataFrame, products: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    lines = until(transactions, "transaction_date", as_of)
    sold = (
        lines.where("product_id IS NOT NULL")
        .groupBy("product_id")
        .agg(
            total_money("amount").alias("revenue"),
            F.sum("quantity").cast("bigint").alias("units"),
        )
    )
    best = top(sold, "revenue", "product_id", rules.top_n)
    # Orders and buyers are counted for these products only, because to tell all of them apart takes much memory.
    counted = (
        lines.join(F.broadcast(best.select("product_id")), "product_id", "left_semi")
        .groupBy("product_id")
        .agg(
            F.countDistinct("order_id").alias("orders"),
            F.countDistinct("customer_id").alias("buyers"),
        )
    )
    described = products.select("product_id", "product_name", "category", "brand")
    whole = best.join(counted, "product_id").join(described, "product_id", "left")
    given = with_given(whole, buyers=lines.where("customer_id IS NOT NULL"))
    return given.withColumn("buyers", F.when(F.col("has_buyers"), F.col("buyers"))).fillna(
        UNKNOWN, ["product_name", "category", "brand"]
    )
