"""The limits of the RFM scores."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame, Window

from cip_assets.calc.broadcast import for_each
from cip_assets.calc.ranking import nearest_rank
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.features.purchases import Purchases

QUINTILES = (20, 40, 60, 80)
RFM_METRICS = ("recency_days", "frequency", "monetary_value")

_RFM = ("recency_days", "frequency", "monetary_value")


class RfmCutPoints(
    DaySnapshot, grain="one row per metric and snapshot day", key=["metric"], domain="customers"
):
    """Nearest-rank percentiles of recency, frequency and monetary value over the known buyers. They are the limits of
    the RFM scores. There is no row for the monetary value if that of a known buyer is unknown.
    """

    metric: T.StringType = column(
        "Metric", required=True, isin=["recency_days", "frequency", "monetary_value"]
    )
    buyers: T.LongType = column("Known buyers", "customer_id", required=True, ge=1)
    p20: Money = column(
        "20th percentile: smallest value with at least 20% of buyers at or below it", *_RFM, required=True
    )
    p40: Money = column("40th percentile", *_RFM, required=True)
    p60: Money = column("60th percentile", *_RFM, required=True)
    p80: Money = column("80th percentile", *_RFM, required=True)


@table(RfmCutPoints, purchases=Purchases)
def rfm_cut_points(purchases: DataFrame) -> DataFrame:
    known = for_each(purchases.where("NOT is_orphan"), "metric", RFM_METRICS)
    of_metric = [F.when(F.col("metric") == name, F.col(name).cast("decimal(18,2)")) for name in RFM_METRICS]
    long = known.select("metric", F.coalesce(*of_metric).alias("value"))
    ranked = nearest_rank(long, "value", QUINTILES, by=["metric"]).withColumnRenamed("group_size", "buyers")
    most = F.max("buyers").over(Window.partitionBy(F.lit(0)))
    return ranked.withColumn("most", most).where("buyers = most")  # fewer: the value of a buyer is unknown
