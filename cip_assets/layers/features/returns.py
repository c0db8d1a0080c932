"""The returns of each customer."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import of_customers_until
from cip_assets.calc.exact import total_money
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.transactions import Transactions


class CustomerReturns(
    CustomerSnapshot, grain="one row per customer with a return and snapshot day", domain="returns"
):
    """Returns of each customer by the snapshot day."""

    total_returns: T.LongType = column("Number of returns", "return_id", required=True, ge=1)
    returned_amount: Money = column(
        "Total refunded for goods; empty if an amount is unknown", "amount", ge=0, unit="currency"
    )
    returned_orders: T.LongType = column(
        "The customer's own orders that had a return, in part or in full",
        "transactions.order_id",
        "transactions.transaction_id",
        "returns.order_id",
        "returns.transaction_id",
        required=True,
        ge=0,
    )


@table(CustomerReturns, returns=Returns, transactions=Transactions)
def returns(returns: DataFrame, transactions: DataFrame, as_of: date) -> DataFrame:
    known_returns = of_customers_until(returns, "return_date", as_of)
    bought = of_customers_until(transactions, "transaction_date", as_of)

    def returned_by(place: str) -> DataFrame:
        """The orders that a return names by their line or by themselves."""
        named = known_returns.select("customer_id", place).distinct()
        return bought.join(named, ["customer_id", place], "left_semi").select("customer_id", "order_id")

    returned = (
        returned_by("transaction_id")
        .union(returned_by("order_id"))
        .distinct()
        .groupBy("customer_id")
        .agg(F.count("*").alias("returned_orders"))
    )
    return totals(returns, as_of).join(returned, "customer_id", "left").fillna({"returned_orders": 0})


def totals(returns: DataFrame, as_of: date) -> DataFrame:
    """All columns except the returned orders, which need the order lines."""
    return (
        of_customers_until(returns, "return_date", as_of)
        .groupBy("customer_id")
        .agg(F.count("*").alias("total_returns"), total_money("amount").alias("returned_amount"))
    )
