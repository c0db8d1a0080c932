"""What the customers of each cell bought and gave back, by category and top product."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.exact import total_money
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import Money
from cip_assets.layers.cells import CELL, CellSnapshot, in_cells
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.labels import UNKNOWN
from cip_assets.layers.marts.customer_360 import Customer360
from cip_assets.layers.marts.kpi_top_products import KpiTopProducts

TOP_PRODUCTS = 10
"""The products that are told apart, by their rank in kpi_top_products."""


class CellProducts(
    CellSnapshot,
    grain="one row per region, segment, cohort month, category, top product and snapshot day",
    key=[*CELL, "category", "product_id"],
    domain="products",
):
    """Order lines, and those that were returned, by cell and category, and the sales of the ten top products, which the
    dashboard adds up.
    """

    category: T.StringType = column(
        "Product category; 'Unknown' if the product is missing from products",
        "products.category",
        required=True,
    )
    product_id: T.StringType = column(
        "Product id of a top product; empty for all others together", "transactions.product_id"
    )
    order_lines: T.LongType = column("Order lines", "transactions.transaction_id", required=True, ge=1)
    returned_lines: T.LongType = column(
        "Order lines with a return", "returns.transaction_id", required=True, ge=0
    )
    revenue: Money = column(
        "Revenue from the top product; empty for the others", "transactions.amount", ge=0, unit="currency"
    )
    orders: T.LongType = column(
        "Orders with the top product; empty for the others", "transactions.order_id", ge=1
    )


@table(
    CellProducts,
    transactions=Transactions,
    returns=Returns,
    products=Products,
    kpi_top_products=KpiTopProducts,
    purchases=Purchases,
    customer_360=Customer360,
)
def cell_products(
    transactions: DataFrame,
    returns: DataFrame,
    products: DataFrame,
    kpi_top_products: DataFrame,
    purchases: DataFrame,
    customer_360: DataFrame,
    as_of: date,
) -> DataFrame:
    returned = until(returns, "return_date", as_of).select("transaction_id").distinct()
    top = kpi_top_products.where(F.col("rank") <= TOP_PRODUCTS).select("product_id", "rank")
    lines = (
        until(transactions, "transaction_date", as_of)
        .select("transaction_id", "order_id", "customer_id", "product_id", "amount")
        .join(returned.withColumn("is_returned", F.lit(True)), "transaction_id", "left")
        .join(F.broadcast(products.select("product_id", "category")), "product_id", "left")
        .join(F.broadcast(top), "product_id", "left")
        .withColumn("category", F.coalesce("category", F.lit(UNKNOWN)))
    )
    is_top = F.col("rank").isNotNull()
    named = lines.withColumns({name: F.when(is_top, F.col(name)) for name in ("product_id", "order_id")})
    return (
        in_cells(named, customer_360, purchases)
        .groupBy(*CELL, "category", "product_id")
        .agg(
            F.count("*").alias("order_lines"),
            F.count("is_returned").alias("returned_lines"),
            total_money("amount").alias("revenue"),
            F.countDistinct("order_id").alias("orders"),
        )
        .withColumns(
            {name: F.when(F.col("product_id").isNotNull(), F.col(name)) for name in ("revenue", "orders")}
        )
    )
