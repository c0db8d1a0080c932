"""Goods that came back."""

import pyspark.sql.types as T

from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import LARGEST_AMOUNT
from cip_assets.contracts.types import Event, Money


class Returns(Event, grain="one row per return", key=["return_id"], domain="returns"):
    """Goods that came back."""

    return_id: T.StringType = column("Return, an opaque id", required=True)
    transaction_id: T.StringType = column("Transaction that is returned")
    customer_id: T.StringType = column("Customer who returned", required=True)
    product_id: T.StringType = column("Product returned")
    amount: Money = column("What was paid back", required=True, ge=0, le=LARGEST_AMOUNT, unit="currency")
    return_reason: T.StringType = column("Reason given", required=True)
    return_date: T.DateType = column("Day of the return", required=True)


returns = source(Returns, event_date="return_date")
