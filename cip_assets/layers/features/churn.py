"""Churn of each known buyer."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.broadcast import with_row
from cip_assets.calc.ranking import nearest_rank
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Ratio
from cip_assets.layers.features.forecast import Forecast
from cip_assets.layers.features.purchases import Purchases

_FORECAST = ("churn_probability", "churn_probability_low", "churn_probability_high")


class Churn(CustomerSnapshot, grain="one row per known buyer and snapshot day", domain="customers"):
    """Churn of each known buyer: its probability, what follows from it, and why. A buyer who buys nothing within the
    churn window has churned. There is one definition: bands and the risk flag are cut from the probability.
    """

    recency_days: T.IntegerType = same_as(Purchases, "recency_days", required=True)
    churn_probability: Ratio = column(
        "Probability of no purchase within the churn window; empty if withheld", ge=0, le=1
    )
    churn_probability_low: Ratio = same_as(Forecast, "churn_probability_low")
    churn_probability_high: Ratio = same_as(Forecast, "churn_probability_high")
    churn_band: T.StringType = column(
        "High and Medium: the buyers with the highest churn probabilities, in the shares of the rules; Low: the others",
        "churn_probability",
        isin=["Low", "Medium", "High"],
    )
    is_churn_risk: T.BooleanType = column(
        "True if churn_band is High; empty if withheld", "churn_probability"
    )
    is_worth_contacting: T.BooleanType = column(
        "True if churn_probability times clv_12m_margin (clv_12m_net if the costs are unknown) times the save rate "
        "of the rules exceeds the cost of a contact; empty if either is unknown",
        "churn_probability",
        "clv_12m_margin",
        "clv_12m_net",
    )
    churn_reasons: T.StringType = same_as(Forecast, "churn_reasons")
    forecast_model: T.StringType = column(
        "Model behind the row; 'withheld' if none beat the base rate", required=True
    )


@table(Churn, purchases=Purchases, forecast=Forecast)
def churn(purchases: DataFrame, forecast: DataFrame, rules: Rules) -> DataFrame:
    bands, churn = rules.churn.bands, rules.churn
    percents = [bands.medium, bands.high]
    cuts = nearest_rank(forecast, "churn_probability", percents).agg(
        *(F.max(f"p{percent}").alias(f"p{percent}") for percent in percents)
    )
    probability = F.col("churn_probability")
    worth = F.coalesce("clv_12m_margin", "clv_12m_net")
    at_stake = probability * worth * F.lit(f"{churn.save_rate:.6f}").cast("decimal(7,6)")
    return (
        with_row(purchases.where("NOT is_orphan").select("customer_id", "recency_days"), cuts)
        .join(
            forecast.select(
                "customer_id", *_FORECAST, "clv_12m_margin", "clv_12m_net", "churn_reasons", "forecast_model"
            ),
            "customer_id",
        )
        .withColumn(
            "churn_band",
            F.when(probability > F.col(f"p{bands.high}"), F.lit("High"))
            .when(probability > F.col(f"p{bands.medium}"), F.lit("Medium"))
            .when(probability.isNotNull(), F.lit("Low")),
        )
        .withColumn("is_churn_risk", F.col("churn_band") == "High")
        .withColumn(
            "is_worth_contacting", at_stake > F.lit(f"{churn.contact_cost:.2f}").cast("decimal(18,2)")
        )
    )
