"""The source table ``products``."""

import pyspark.sql.types as T

from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import LARGEST_AMOUNT
from cip_assets.contracts.types import Delivered, Money


class Products(Delivered, grain="one row per product", key=["product_id"], domain="products"):
    """Product catalog, from the newest full delivery."""

    product_id: T.StringType = column("Product id", required=True)
    product_name: T.StringType = column("Product name", required=True)
    category: T.StringType = column("Product category", required=True)
    brand: T.StringType = column("Brand", required=True)
    cost_price: Money = column("Cost of one unit", ge=0, le=LARGEST_AMOUNT, unit="currency")
    selling_price: Money = column("List price of one unit", ge=0, le=LARGEST_AMOUNT, unit="currency")


products = source(Products)
