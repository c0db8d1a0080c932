"""The source table ``transactions``."""

import pyspark.sql.functions as F
import pyspark.sql.types as T

from cip_assets.calc.exact import MONEY
from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import CURRENCY, LARGEST_AMOUNT, LARGEST_QUANTITY
from cip_assets.contracts.types import Event, Money


class Transactions(
    Event,
    grain="one row per order line",
    key=["transaction_id"],
    domain="sales",
    row_rules={
        "customer_id:missing": "customer_id IS NULL AND NOT is_guest",
        "amount:missing": "amount IS NULL AND original_amount IS NULL AND NOT amount_unknown",
    },
):
    """Order lines: who bought what, when and for how much."""

    transaction_id: T.StringType = column("Id of the order line", required=True)
    customer_id: T.StringType = column("Customer who bought; empty for a guest")
    product_id: T.StringType = column("Product bought")
    quantity: T.IntegerType = column("Units bought", required=True, ge=1, le=LARGEST_QUANTITY, unit="units")
    price: Money = column("Price of one unit", ge=0, le=LARGEST_AMOUNT, unit="currency")
    amount: Money = column(
        "Amount paid for the goods, in the reporting currency; empty if it is unknown or not converted",
        ge=0,
        le=LARGEST_AMOUNT,
        unit="currency",
    )
    payment_method: T.StringType = column("Payment method", required=True)
    transaction_date: T.DateType = column("Day of the purchase", required=True)
    order_id: T.StringType = column("Order of the line; the line's own id if it is not given", required=True)
    is_guest: T.BooleanType = column("True if the shop does not know who bought", required=True)
    currency: T.StringType = column(
        "Currency of the purchase, as an ISO 4217 code; empty if unknown", str_matches=CURRENCY
    )
    original_amount: Money = column(
        "Amount in the currency of the purchase; empty if not given", ge=0, le=LARGEST_AMOUNT, unit="currency"
    )
    charged: Money = column(
        "The line's share of all that the buyer paid for the order, with shipping and tax, in the currency of amount, "
        "or of original_amount if amount is empty; empty if unknown",
        ge=0,
        le=LARGEST_AMOUNT,
        unit="currency",
    )
    amount_unknown: T.BooleanType = column(
        "True if the amount may be missing; the order counts all the same", required=True
    )


transactions = source(
    Transactions,
    event_date="transaction_date",
    defaults={
        "order_id": lambda: F.col("transaction_id"),
        "is_guest": lambda: F.lit(False),
        "currency": lambda: F.lit(None).cast("string"),
        "original_amount": lambda: F.lit(None).cast(MONEY),
        "charged": lambda: F.lit(None).cast(MONEY),
        "amount_unknown": lambda: F.lit(False),
    },
)
