"""What each known buyer brought so far, net of returns, and what the purchase model expects."""

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


class Clv(CustomerSnapshot, grain="one row per known buyer and as-of day", domain="customers"):
    """Customer value: what was so far, and what the purchase model expects."""

    historic_value: Money = column(
        "Purchases minus returns, by D", "monetary_value", "returned_amount", required=True, unit="currency"
    )
    tenure_days: T.IntegerType = column(
        "D minus the first purchase day", "first_purchase_date", required=True, unit="days", ge=0
    )
    repeat_purchase_days: T.LongType = column(
        "Distinct purchase days after the first", "purchase_days", required=True, ge=0
    )
    p_alive: Ratio = column(
        "P(alive at D); 1 for one-time buyers by BG/NBD's construction",
        *_PREDICTED,
        required=True,
        ge=0,
        le=1,
    )
    p_active: Ratio = column(
        "P(a purchase within the rules' churn window)", *_PREDICTED, required=True, ge=0, le=1
    )
    expected_purchases_30: Ratio = column(
        "Purchase days expected in the next 30 days", *_PREDICTED, required=True, ge=0
    )
    expected_purchases_90: Ratio = column("The same for 90 days", *_PREDICTED, required=True, ge=0)
    expected_purchases_365: Ratio = column("The same for 365 days", *_PREDICTED, required=True, ge=0)
    expected_value: Money = column(
        "Expected value of a purchase day, paid or not",
        *_PREDICTED_VALUE,
        required=True,
        unit="currency",
        ge=0,
    )
    clv_12m: Money = column(
        "Expected spend over the next 12 months, discounted",
        *_PREDICTED_VALUE,
        required=True,
        unit="currency",
        ge=0,
    )
    purchase_model: T.StringType = column("Which model of purchases speaks", "purchase_model", required=True)
    value_model: T.StringType = column("Which model of value speaks", "value_model", required=True)


@table(Clv, purchases=Purchases, returns=CustomerReturns, purchase_model=PurchaseModel)
def clv(purchases: DataFrame, returns: DataFrame, purchase_model: DataFrame, as_of: date) -> DataFrame:
    paid_back = returns.select("customer_id", "returned_amount")
    return (
        with_row(purchases.where("NOT is_orphan"), purchase_model.select("purchase_model", "value_model"))
        .join(paid_back, "customer_id", "left")
        .withColumn(
            "historic_value",
            (F.col("monetary_value") - F.coalesce("returned_amount", F.lit(0))).cast("decimal(18,2)"),
        )
        .withColumn("tenure_days", days_since(as_of, "first_purchase_date"))
        .withColumn("repeat_purchase_days", F.col("purchase_days") - 1)
        .join(predicted(purchases, purchase_model, as_of), "customer_id")
    )
