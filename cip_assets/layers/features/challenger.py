"""The predictions of the challenger."""

from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.gradient_boosting import known, trained, with_challenger
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Ratio
from cip_assets.layers.features.clv import Clv
from cip_assets.layers.features.engagement import Engagement
from cip_assets.layers.features.past_predictions import PastPredictions
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns
from cip_assets.layers.features.support import Support


class Challenger(CustomerSnapshot, grain="one row per known buyer and snapshot day", domain="customers"):
    """The challenger's prediction for each known buyer: gradient boosting, trained on the churn window that ended on
    the snapshot day.
    """

    p_active: Ratio = column(
        "Probability of a purchase within the churn window; empty if there was too little data to train on",
        "recency_days",
        "first_purchase_date",
        "last_purchase_date",
        "purchases.purchase_days",
        "purchases.monetary_value",
        "purchases.mean_repeat_value",
        "clv.p_active",
        "clv.expected_purchases_90",
        "engagement.recent_sessions",
        "engagement.earlier_sessions",
        "support.total_tickets",
        "support.open_tickets",
        "returns.total_returns",
        "past_predictions.came_days",
        ge=0,
        le=1,
    )


@table(
    Challenger,
    purchases=Purchases,
    clv=Clv,
    engagement=Engagement,
    support=Support,
    returns=CustomerReturns,
    past_predictions=PastPredictions,
)
def challenger(
    purchases: DataFrame,
    clv: DataFrame,
    engagement: DataFrame,
    support: DataFrame,
    returns: DataFrame,
    past_predictions: DataFrame,
) -> DataFrame:
    buyers = known(purchases, clv, engagement, support, returns)
    return with_challenger(buyers, trained(past_predictions), "p_active")
