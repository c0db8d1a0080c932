"""What each order sold on a day."""

import pyspark.sql.functions as F
import pyspark.sql.types as T

from cip_assets.calc.currencies import (
    amount_in_own_currency,
    in_own_currency,
    in_reporting_currency,
    is_converted,
)
from cip_assets.calc.exact import total_money
from cip_assets.contracts.contract import column
from cip_assets.contracts.facts import facts
from cip_assets.contracts.types import Facts, Money
from cip_assets.layers.cleaned.transactions import transactions

_IN_CURRENCY = ("currency", "amount", "original_amount")


class OrderDays(
    Facts,
    grain="one row per order, customer, day, payment method and currency",
    key=[
        "order_id",
        "customer_id",
        "is_guest",
        "transaction_date",
        "payment_method",
        "currency",
        "is_converted",
    ],
    domain="sales",
):
    """The order lines of each order, added up by day. Nearly every order has one row. An order whose lines have several
    days, months, customers, payment methods or currencies has several.
    """

    order_id: T.StringType = column("Order", required=True)
    customer_id: T.StringType = column("Customer who bought; empty for a guest")
    is_guest: T.BooleanType = column("True if the shop does not know who bought", required=True)
    transaction_date: T.DateType = column("Day of the purchase", required=True)
    payment_method: T.StringType = column("Payment method", required=True)
    currency: T.StringType = column("Currency of the purchase, as an ISO 4217 code; empty if unknown")
    is_converted: T.BooleanType = column(
        "True if the amounts were converted from another currency", "amount", "original_amount", required=True
    )
    lines: T.LongType = column("Number of order lines", "transaction_id", required=True, ge=1)
    amount: Money = column(
        "Amount paid for the goods, in the reporting currency; empty if that of a line is unknown",
        ge=0,
        unit="currency",
    )
    charged: Money = column(
        "All that the buyer paid, with shipping and tax, in the reporting currency; empty if a line does not say",
        "charged",
        *_IN_CURRENCY,
        ge=0,
        unit="currency",
    )
    amount_in_currency: Money = column(
        "Amount in the currency of the purchase; empty if that of a line is unknown",
        *_IN_CURRENCY,
        ge=0,
        unit="currency",
    )
    charged_in_currency: Money = column(
        "All that the buyer paid, in the currency of the purchase; empty if a line does not say",
        "charged",
        *_IN_CURRENCY,
        ge=0,
        unit="currency",
    )


order_days = facts(
    OrderDays,
    transactions,
    day="transaction_date",
    keys={"is_converted": is_converted},
    sums={
        "lines": lambda: F.count("*"),
        "amount": lambda: total_money("amount"),
        "charged": lambda: total_money(in_reporting_currency("charged")),
        "amount_in_currency": lambda: total_money(amount_in_own_currency()),
        "charged_in_currency": lambda: total_money(in_own_currency("charged")),
    },
)
