"""The segments of every customer."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.config.rules import Rules, ValueRule
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.rfm import Rfm
from cip_assets.layers.labels import NO_PURCHASE, UNKNOWN

_RFM = ("recency_days", "frequency", "monetary_value")


class Segments(CustomerSnapshot, grain="one row per customer and snapshot day", domain="customers"):
    """RFM segment and value segment of every customer, whether a buyer or not."""

    rfm_segment: T.StringType = column(
        "Segment by RFM score; 'No purchase' if the customer has never bought, 'Unknown' if it depends on an unknown "
        "spend",
        required=True,
    )
    value_segment: T.StringType = column(
        "Segment by recency, frequency and spend; 'No purchase' if the customer has never bought, 'Unknown' if it "
        "depends on an unknown spend",
        *_RFM,
        required=True,
    )


@table(Segments, population=Population, rfm=Rfm)
def segments(population: DataFrame, rfm: DataFrame, rules: Rules) -> DataFrame:
    scores = rfm.select("customer_id", "recency_days", "frequency", "monetary_value", "rfm_segment")

    def fits(rule: ValueRule) -> Column:
        return (
            (F.col("recency_days") <= rule.max_recency_days)
            & (F.col("frequency") >= rule.min_frequency)
            & (F.col("monetary_value") >= rule.min_monetary)
        )

    is_high, is_loyal = fits(rules.value_segments.high_value), fits(rules.value_segments.loyal)
    value_segment = (
        F.when(F.col("frequency").isNull(), F.lit(NO_PURCHASE))
        .when(is_high, F.lit("High Value"))
        .when(is_high.isNull(), F.lit(UNKNOWN))
        .when(is_loyal, F.lit("Loyal"))
        .when(is_loyal.isNull(), F.lit(UNKNOWN))
        .when(F.col("recency_days") > rules.churn.risk_after_days, F.lit("Churn Risk"))
        .otherwise(F.lit("Regular"))
    )
    return (
        population.select("customer_id")
        .join(scores, "customer_id", "left")
        .withColumn("value_segment", value_segment)
        .withColumn("rfm_segment", F.coalesce("rfm_segment", F.lit(NO_PURCHASE)))
    )
