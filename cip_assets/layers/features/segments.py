"""The segments of every customer."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.given import with_given
from cip_assets.config.rules import Rules, ValueRule
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot
from cip_assets.layers.features.churn import Churn
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.rfm import Rfm
from cip_assets.layers.labels import NO_PURCHASE, UNKNOWN

_RFM = ("recency_days", "frequency", "monetary_value")


class Segments(CustomerSnapshot, grain="one row per customer and snapshot day", domain="customers"):
    """RFM segment and value segment of every customer, whether a buyer or not."""

    rfm_segment: T.StringType = column(
        "Segment by RFM score; 'No purchase' if the customer has never bought, 'Unknown' if it depends on an unknown "
        "spend, or no order names a customer",
        required=True,
    )
    value_segment: T.StringType = column(
        "Segment by recency, frequency, spend and churn risk; 'No purchase' if the customer has never bought, "
        "'Unknown' if it depends on an unknown spend or a withheld forecast, or no order names a customer",
        *_RFM,
        "is_churn_risk",
        required=True,
    )


@table(Segments, population=Population, rfm=Rfm, purchases=Purchases, churn=Churn)
def segments(
    population: DataFrame, rfm: DataFrame, purchases: DataFrame, churn: DataFrame, rules: Rules
) -> DataFrame:
    scores = rfm.select("customer_id", "recency_days", "frequency", "monetary_value", "rfm_segment")

    def fits(rule: ValueRule) -> Column:
        return (
            (F.col("recency_days") <= rule.max_recency_days)
            & (F.col("frequency") >= rule.min_frequency)
            & (F.col("monetary_value") >= rule.min_monetary)
        )

    is_high, is_loyal = fits(rules.value_segments.high_value), fits(rules.value_segments.loyal)
    value_segment = (
        F.when(F.col("frequency").isNull(), without_purchase())
        .when(is_high, F.lit("High Value"))
        .when(is_high.isNull(), F.lit(UNKNOWN))
        .when(is_loyal, F.lit("Loyal"))
        .when(is_loyal.isNull(), F.lit(UNKNOWN))
        .when(F.col("is_churn_risk").isNull(), F.lit(UNKNOWN))
        .when(F.col("is_churn_risk"), F.lit("Churn Risk"))
        .otherwise(F.lit("Regular"))
    )
    scored = (
        population.select("customer_id")
        .join(scores, "customer_id", "left")
        .join(churn.select("customer_id", "is_churn_risk"), "customer_id", "left")
    )
    return (
        with_given(scored, purchases=purchases)
        .withColumn("value_segment", value_segment)
        .withColumn("rfm_segment", F.coalesce("rfm_segment", without_purchase()))
    )


def without_purchase() -> Column:
    """The segment of a customer without a purchase, if ``has_purchases`` says whether anybody is known to have any."""
    return F.when(F.col("has_purchases"), F.lit(NO_PURCHASE)).otherwise(F.lit(UNKNOWN))
