"""Churn of each known buyer."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.broadcast import with_row
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Ratio
from cip_assets.layers.features.challenger import Challenger
from cip_assets.layers.features.churn_model import ChurnModel
from cip_assets.layers.features.clv import Clv
from cip_assets.layers.features.engagement import Engagement
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns
from cip_assets.layers.features.support import Support

_HISTORY = ("first_purchase_date", "last_purchase_date", "purchase_days")


class Churn(CustomerSnapshot, grain="one row per known buyer and snapshot day", domain="customers"):
    """Churn risk by rule, churn probability by the model used, and churn reasons of each known buyer."""

    recency_days: T.IntegerType = column("Days since the last purchase", required=True, unit="days", ge=0)
    is_churn_risk: T.BooleanType = column(
        "True if recency_days exceeds the limit in the rules", "recency_days", required=True
    )
    churn_probability: Ratio = column(
        "Probability of no purchase within the churn window; empty if withheld",
        "clv.p_active",
        "challenger.p_active",
        "churn_model",
        ge=0,
        le=1,
    )
    churn_band: T.StringType = column(
        "Band of the churn probability: Low, Medium or High",
        "clv.p_active",
        "challenger.p_active",
        "churn_model",
        isin=["Low", "Medium", "High"],
    )
    churn_model: T.StringType = column(
        "Model behind churn_probability; 'withheld' if none passed the backtest",
        required=True,
        isin=["purchase_model", "challenger", "withheld"],
    )
    churn_reasons: T.StringType = column(
        "Churn signals in the customer's history, separated by '; '; blank if there are none",
        "recency_days",
        *_HISTORY,
        "recent_sessions",
        "earlier_sessions",
        "open_tickets",
        "returned_orders",
        required=True,
    )


@table(
    Churn,
    purchases=Purchases,
    clv=Clv,
    returns=CustomerReturns,
    support=Support,
    engagement=Engagement,
    challenger=Challenger,
    churn_model=ChurnModel,
)
def churn(
    purchases: DataFrame,
    clv: DataFrame,
    returns: DataFrame,
    support: DataFrame,
    engagement: DataFrame,
    challenger: DataFrame,
    churn_model: DataFrame,
    rules: Rules,
) -> DataFrame:
    bands = rules.churn.bands
    band = (
        F.when(F.col("churn_probability") >= F.lit(bands.high).cast("decimal(18,6)"), F.lit("High"))
        .when(F.col("churn_probability") >= F.lit(bands.medium).cast("decimal(18,6)"), F.lit("Medium"))
        .when(F.col("churn_probability").isNotNull(), F.lit("Low"))
    )
    return (
        with_row(purchases.where("NOT is_orphan"), churn_model.select("churn_model"))
        .join(clv.select("customer_id", F.col("p_active").alias("purchase_model")), "customer_id")
        .join(challenger.select("customer_id", F.col("p_active").alias("challenger")), "customer_id", "left")
        .join(returns.select("customer_id", "returned_orders"), "customer_id", "left")
        .join(support.select("customer_id", "open_tickets"), "customer_id", "left")
        .join(engagement.select("customer_id", "recent_sessions", "earlier_sessions"), "customer_id", "left")
        .withColumn("is_churn_risk", F.col("recency_days") > rules.churn.risk_after_days)
        .withColumn("churn_probability", (F.lit(1) - _p_active()).cast("decimal(18,6)"))
        .withColumn("churn_band", band)
        .withColumn("churn_reasons", F.concat_ws("; ", *_churn_reasons()))
    )


def _p_active() -> Column:
    """The probability of a purchase by the model used; null if all are withheld."""
    return F.when(F.col("churn_model") == "purchase_model", F.col("purchase_model")).when(
        F.col("churn_model") == "challenger", F.col("challenger")
    )


def _churn_reasons() -> list[Column]:
    """The churn signals in a customer's history, in words; null if a signal is absent."""
    # The usual gap is (last - first) / (purchase days - 1). More than twice as long is unusually long.
    span = F.datediff("last_purchase_date", "first_purchase_date")
    is_overdue = (F.col("purchase_days") > 1) & (
        F.col("recency_days") * (F.col("purchase_days") - 1) > 2 * span
    )
    # Less than half as many sessions in the last 30 days as in an average 30 of the 90 days before.
    has_dropped = F.col("recent_sessions") * 6 < F.col("earlier_sessions")
    return [
        F.when(is_overdue, F.lit("unusually long gap since the last purchase")),
        F.when(F.col("purchase_days") == 1, F.lit("bought on one day only")),
        F.when(has_dropped, F.lit("visits have dropped")),
        F.when(F.col("open_tickets") > 0, F.lit("open complaint")),
        F.when(
            F.col("returned_orders") * 2 >= F.col("frequency"),
            F.lit("returned half of purchases or more"),
        ),
    ]
