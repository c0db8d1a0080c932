"""The source table ``returns``."""

import pyspark.sql.functions as F
import pyspark.sql.types as T

from cip_assets.calc.exact import MONEY
from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import CURRENCY, LARGEST_AMOUNT
from cip_assets.contracts.types import Event, Money


class Returns(
    Event,
    grain="one row per return",
    key=["return_id"],
    domain="returns",
    row_rules={
        "customer_id:missing": "customer_id IS NULL AND NOT is_guest",
        "amount:missing": "amount IS NULL AND original_amount IS NULL AND NOT amount_unknown",
    },
):
    """Returned goods."""

    return_id: T.StringType = column("Return id", required=True)
    transaction_id: T.StringType = column("Returned order line; empty if it is not known")
    customer_id: T.StringType = column("Customer who returned the goods; empty for a guest")
    product_id: T.StringType = column("Returned product")
    amount: Money = column(
        "Refund for the goods, in the reporting currency; empty if it is unknown or not converted",
        ge=0,
        le=LARGEST_AMOUNT,
        unit="currency",
    )
    return_reason: T.StringType = column("Reason for the return", required=True)
    return_date: T.DateType = column("Day of the return", required=True)
    order_id: T.StringType = column("Returned order; empty if only the line is given, or neither is known")
    is_guest: T.BooleanType = column("True if the shop does not know who returned the goods", required=True)
    currency: T.StringType = column(
        "Currency of the refund, as an ISO 4217 code; empty if unknown", str_matches=CURRENCY
    )
    original_amount: Money = column(
        "Refund for the goods in the currency of the refund; empty if not given",
        ge=0,
        le=LARGEST_AMOUNT,
        unit="currency",
    )
    refunded: Money = column(
        "All money given back for the return, with shipping and tax, in the currency of amount, or of original_amount "
        "if amount is empty; empty if unknown",
        ge=0,
        le=LARGEST_AMOUNT,
        unit="currency",
    )
    amount_unknown: T.BooleanType = column(
        "True if the amount may be missing; the return counts all the same", required=True
    )


returns = source(
    Returns,
    event_date="return_date",
    defaults={
        "order_id": lambda: F.lit(None).cast("string"),
        "is_guest": lambda: F.lit(False),
        "currency": lambda: F.lit(None).cast("string"),
        "original_amount": lambda: F.lit(None).cast(MONEY),
        "refunded": lambda: F.lit(None).cast(MONEY),
        "amount_unknown": lambda: F.lit(False),
    },
)
