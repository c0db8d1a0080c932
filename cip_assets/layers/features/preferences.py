"""Each buyer's most used payment method, and the category and brand with the highest spend."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.exact import total_money
from cip_assets.calc.ranking import first_by
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.labels import UNKNOWN


class Preferences(
    CustomerSnapshot, grain="one row per buyer and as-of day, orphans included", domain="sales"
):
    """What each buyer prefers. Ties go to the first in alphabetical order."""

    payment_method: T.StringType = column(
        "Most used payment method, by transactions", "payment_method", "transaction_id", required=True
    )
    top_category: T.StringType = column(
        "Category with the highest spend", "category", "amount", required=True
    )
    top_brand: T.StringType = column("Brand with the highest spend", "brand", "amount", required=True)


@table(Preferences, transactions=Transactions, products=Products)
def preferences(transactions: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    bought = until(transactions, "transaction_date", as_of)
    catalogue = products.select("product_id", "category", "brand")
    described = bought.join(catalogue, "product_id", "left")

    def favourite(frame: DataFrame, name: str, weight: Column) -> DataFrame:
        named = frame.withColumn(name, F.coalesce(name, F.lit(UNKNOWN)))
        weighed = named.groupBy("customer_id", name).agg(weight.alias("weight"))
        order = [F.col("weight").desc(), F.col(name).asc()]
        return first_by(weighed, ["customer_id"], order).select("customer_id", name)

    spend = total_money("amount")
    return (
        favourite(bought, "payment_method", F.count("*"))
        .join(favourite(described, "category", spend), "customer_id")
        .join(favourite(described, "brand", spend), "customer_id")
        .withColumnsRenamed({"category": "top_category", "brand": "top_brand"})
    )
