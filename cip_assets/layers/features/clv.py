"""Customer value so far, and as the purchase model expects it."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.scoring import predicted
from cip_assets.calc.as_of import days_since
from cip_assets.calc.broadcast import with_row
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money, Ratio
from cip_assets.layers.features.purchase_model import PurchaseModel
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns

_PREDICTED = ("purchase_days", "first_purchase_date", "last_purchase_date", "model")
_PREDICTED_VALUE = (*_PREDICTED, "paid_days", "paid_repeat_days", "mean_repeat_value")


class Clv(CustomerSnapshot, grain="one row per known buyer and snapshot day", domain="customers"):
    """Value of each known buyer so far, net of returns, and the purchases and spend that the purchase model expects."""

    historic_value: Money = column(
        "Spend minus refunds, by the snapshot day; empty if an amount is unknown",
        "monetary_value",
        "returned_amount",
        unit="currency",
    )
    tenure_days: T.IntegerType = column(
        "Days from the first purchase to the snapshot day",
        "first_purchase_date",
        required=True,
        unit="days",
        ge=0,
    )
    repeat_purchase_days: T.LongType = column(
        "Purchase days after the first", "purchase_days", required=True, ge=0
    )
    p_alive: Ratio = column(
        "Probability of not having dropped out by the snapshot day; always 1 for one-time buyers",
        *_PREDICTED,
        required=True,
        ge=0,
        le=1,
    )
    p_active: Ratio = column(
        "Probability of a purchase within the churn window", *_PREDICTED, required=True, ge=0, le=1
    )
    expected_purchases_30: Ratio = column(
        "Purchase days expected in the next 30 days", *_PREDICTED, required=True, ge=0
    )
    expected_purchases_90: Ratio = column(
        "Purchase days expected in the next 90 days", *_PREDICTED, required=True, ge=0
    )
    expected_purchases_365: Ratio = column(
        "Purchase days expected in the next 365 days", *_PREDICTED, required=True, ge=0
    )
    expected_value: Money = column(
        "Expected value of a purchase day, whether paid or not; empty if an amount of any buyer is unknown",
        *_PREDICTED_VALUE,
        unit="currency",
        ge=0,
    )
    clv_12m: Money = column(
        "Expected spend over the next 12 months, discounted; empty if an amount of any buyer is unknown",
        *_PREDICTED_VALUE,
        unit="currency",
        ge=0,
    )
    purchase_model: T.StringType = column("Purchase model used", "purchase_model", required=True)
    value_model: T.StringType = column(
        "Value model used; empty if an amount of any buyer is unknown", "value_model"
    )


@table(Clv, purchases=Purchases, returns=CustomerReturns, purchase_model=PurchaseModel)
def clv(purchases: DataFrame, returns: DataFrame, purchase_model: DataFrame, as_of: date) -> DataFrame:
    refunds = returns.select("customer_id", "total_returns", "returned_amount")
    refunded = F.when(F.col("total_returns").isNull(), F.lit(0)).otherwise(F.col("returned_amount"))
    return (
        with_row(purchases.where("NOT is_orphan"), purchase_model.select("purchase_model", "value_model"))
        .join(refunds, "customer_id", "left")
        .withColumn("historic_value", (F.col("monetary_value") - refunded).cast("decimal(18,2)"))
        .withColumn("tenure_days", days_since(as_of, "first_purchase_date"))
        .withColumn("repeat_purchase_days", F.col("purchase_days") - 1)
        .join(predicted(purchases, purchase_model, as_of), "customer_id")
    )
