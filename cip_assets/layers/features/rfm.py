"""RFM scores and segment of each known buyer."""

from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.broadcast import with_row
from cip_assets.calc.ranking import bin_number
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.rfm_cut_points import QUINTILES, RFM_METRICS, RfmCutPoints
from cip_assets.layers.labels import UNKNOWN

_RFM = ("recency_days", "frequency", "monetary_value")
_CUT_POINTS = ("metric", "p20", "p40", "p60", "p80")


class Rfm(CustomerSnapshot, grain="one row per known buyer and snapshot day", domain="customers"):
    """Recency, frequency and monetary scores from 1 to 5 (5 is best for all three), and the segment."""

    recency_days: T.IntegerType = same_as(Purchases, "recency_days", required=True)
    frequency: T.LongType = column("Number of orders", required=True, ge=1)
    monetary_value: Money = same_as(Purchases, "monetary_value")
    r_score: T.IntegerType = column(
        "6 minus (1 + number of cut-points that recency_days exceeds)",
        "recency_days",
        *_CUT_POINTS,
        required=True,
        ge=1,
        le=5,
    )
    f_score: T.IntegerType = column(
        "1 + number of cut-points that frequency exceeds",
        "frequency",
        *_CUT_POINTS,
        required=True,
        ge=1,
        le=5,
    )
    m_score: T.IntegerType = column(
        "1 + number of cut-points that monetary_value exceeds; empty if the spend of a buyer is unknown",
        "monetary_value",
        *_CUT_POINTS,
        ge=1,
        le=5,
    )
    rfm_segment: T.StringType = column(
        "First segment in the rules that matches the scores; 'Unknown' if it depends on an unknown m_score",
        *_RFM,
        *_CUT_POINTS,
        required=True,
    )


@table(Rfm, purchases=Purchases, rfm_cut_points=RfmCutPoints)
def rfm(purchases: DataFrame, rfm_cut_points: DataFrame, rules: Rules) -> DataFrame:
    limits = rfm_cut_points.agg(
        *(
            F.max(F.when(F.col("metric") == metric, F.col(f"p{p}"))).alias(f"{metric}_p{p}")
            for metric in RFM_METRICS
            for p in QUINTILES
        )
    )

    def bins(metric: str) -> Column:
        return bin_number(metric, [f"{metric}_p{p}" for p in QUINTILES])

    return (
        with_row(purchases.where("NOT is_orphan"), limits)
        .withColumn("r_score", (F.lit(6) - bins("recency_days")).cast("int"))
        .withColumn("f_score", bins("frequency"))
        .withColumn("m_score", bins("monetary_value"))
        .withColumn("rfm_segment", _rfm_segment(rules))
    )


def _rfm_segment(rules: Rules) -> Column:
    """The segment of the scores. Without a monetary score, the one that all monetary scores lead to."""
    of_each = [_of_monetary(F.lit(score), rules) for score in range(1, 6)]
    agree = reduce(Column.__and__, (other == of_each[0] for other in of_each[1:]))
    return (
        F.when(F.col("m_score").isNotNull(), _of_monetary(F.col("m_score"), rules))
        .when(agree, of_each[0])
        .otherwise(F.lit(UNKNOWN))
    )


def _of_monetary(m_score: Column, rules: Rules) -> Column:
    """The first segment in the rules whose ranges contain the scores. The rules cover every combination of scores."""
    segment = F.lit(None).cast("string")
    for rule in reversed(rules.rfm_segments):
        fits = (
            F.col("r_score").between(*rule.r) & F.col("f_score").between(*rule.f) & m_score.between(*rule.m)
        )
        segment = F.when(fits, F.lit(rule.name)).otherwise(segment)
    return segment
