"""The preferences of each buyer."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import of_customers_until
from cip_assets.calc.carried import Before, by_key
from cip_assets.calc.exact import cents, total_money
from cip_assets.calc.orders import by_order
from cip_assets.calc.ranking import heaviest
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets.layers.labels import UNKNOWN


class Preferences(
    CustomerSnapshot, grain="one row per buyer, including orphans, and snapshot day", domain="sales"
):
    """Each buyer's favorite payment method, category and brand. If tied, the first in alphabetical order counts.
    Category and brand are empty if an amount is unknown.
    """

    payment_method: T.StringType = column(
        "Payment method used in the most orders", "payment_method", "order_id", required=True
    )
    top_category: T.StringType = column("Category with the highest spend", "category", "transactions.amount")
    top_brand: T.StringType = column("Brand with the highest spend", "brand", "transactions.amount")


@table(
    Preferences,
    carried=("order_days", "split_orders", "transactions", "products"),
    order_days=OrderDays,
    split_orders=SplitOrders,
    transactions=Transactions,
    products=Products,
)
def preferences(
    order_days: DataFrame,
    split_orders: DataFrame,
    transactions: DataFrame,
    products: DataFrame,
    as_of: date,
    before: Before | None = None,
) -> DataFrame:
    described_products = products.select("product_id", "category", "brand")

    def favorites(order_days: DataFrame, transactions: DataFrame) -> DataFrame:
        orders = by_order(
            of_customers_until(order_days, "transaction_date", as_of),
            split_orders,
            ["customer_id", "order_id", "payment_method"],
        )
        bought = of_customers_until(transactions, "transaction_date", as_of)
        described = bought.join(described_products, "product_id", "left")
        spend = total_money("amount")
        return (
            _favorite(orders, "payment_method", F.count("*"), "weight")
            .join(_favorite(described, "category", spend, cents("weight")), "customer_id")
            .join(_favorite(described, "brand", spend, cents("weight")), "customer_id")
            .withColumnsRenamed({"category": "top_category", "brand": "top_brand"})
        )

    return by_key(
        before,
        "customer_id",
        as_of,
        favorites,
        order_days=(order_days, "transaction_date"),
        transactions=(transactions, "transaction_date"),
    )


def _favorite(frame: DataFrame, name: str, weight: Column, whole: str) -> DataFrame:
    """The value of a column with the highest weight for each customer."""
    named = frame.withColumn(name, F.coalesce(name, F.lit(UNKNOWN)))
    return heaviest(
        named.groupBy("customer_id", name).agg(weight.alias("weight")), "customer_id", name, whole
    )
