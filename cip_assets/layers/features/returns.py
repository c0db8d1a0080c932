"""What each customer returned by D. Only transactions of the same customer count as returned ones."""

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
    CustomerSnapshot, grain="one row per returning customer and as-of day", domain="returns"
):
    """What each customer returned by D."""

    total_returns: T.LongType = column("Returns", "return_id", required=True, ge=1)
    returned_amount: Money = column("Sum paid back", "amount", required=True, ge=0, unit="currency")
    returned_transactions: T.LongType = column(
        "Distinct transactions of the customer that were returned, in part or whole",
        "transactions.transaction_id",
        "returns.transaction_id",
        required=True,
        ge=0,
    )


@table(CustomerReturns, returns=Returns, transactions=Transactions)
def returns(returns: DataFrame, transactions: DataFrame, as_of: date) -> DataFrame:
    came_back = until(returns, "return_date", as_of)
    totals = came_back.groupBy("customer_id").agg(
        F.count("*").alias("total_returns"), total_money("amount").alias("returned_amount")
    )
    pair = ["customer_id", "transaction_id"]
    returned = (
        until(transactions, "transaction_date", as_of)
        .join(came_back.select(*pair).distinct(), pair, "left_semi")
        .groupBy("customer_id")
        .agg(F.count("*").alias("returned_transactions"))
    )
    return totals.join(returned, "customer_id", "left").fillna({"returned_transactions": 0})
