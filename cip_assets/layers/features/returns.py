"""The returns of each customer."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
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
    returned_amount: Money = column("Total refunded", "amount", required=True, ge=0, unit="currency")
    returned_transactions: T.LongType = column(
        "The customer's own transactions that had a return, in part or in full",
        "transactions.transaction_id",
        "returns.transaction_id",
        required=True,
        ge=0,
    )


@table(CustomerReturns, returns=Returns, transactions=Transactions)
def returns(returns: DataFrame, transactions: DataFrame, as_of: date) -> DataFrame:
    known_returns = until(returns, "return_date", as_of)
    totals = known_returns.groupBy("customer_id").agg(
        F.count("*").alias("total_returns"), total_money("amount").alias("returned_amount")
    )
    pair = ["customer_id", "transaction_id"]
    returned = (
        until(transactions, "transaction_date", as_of)
        .join(known_returns.select(*pair).distinct(), pair, "left_semi")
        .groupBy("customer_id")
        .agg(F.count("*").alias("returned_transactions"))
    )
    return totals.join(returned, "customer_id", "left").fillna({"returned_transactions": 0})
