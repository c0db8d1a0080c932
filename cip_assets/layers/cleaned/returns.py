"""The source table ``returns``."""

import pyspark.sql.types as T

from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import LARGEST_AMOUNT
from cip_assets.contracts.types import Event, Money


class Returns(Event, grain="one row per return", key=["return_id"], domain="returns"):
    """Returned goods."""

    return_id: T.StringType = column("Return id", required=True)
    transaction_id: T.StringType = column("Returned transaction")
    customer_id: T.StringType = column("Customer who returned the goods", required=True)
    product_id: T.StringType = column("Returned product")
    amount: Money = column("Refund", required=True, ge=0, le=LARGEST_AMOUNT, unit="currency")
    return_reason: T.StringType = column("Reason for the return", required=True)
    return_date: T.DateType = column("Day of the return", required=True)


returns = source(Returns, event_date="return_date")
