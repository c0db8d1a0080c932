"""Web activity by type."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.exact import ratio
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.facts.session_days import SessionDays
from cip_assets.layers.labels import UNKNOWN


class KpiActivity(
    DaySnapshot, grain="one row per activity type and snapshot day", key=["activity_type"], domain="web"
):
    """Sessions and customers by activity type."""

    activity_type: T.StringType = column("Activity type; 'Unknown' if there is none", required=True)
    sessions: T.LongType = column("Number of sessions", "sessions", required=True, ge=1)
    customers: T.LongType = column("Customers with such a session", "customer_id", required=True, ge=1)
    session_share: Ratio = column("Share of all sessions", "sessions", required=True, ge=0, le=1)


@csv_file(order_by=["activity_type"])
@table(KpiActivity, session_days=SessionDays)
def kpi_activity(session_days: DataFrame, as_of: date) -> DataFrame:
    named = until(session_days, "day", as_of).withColumn(
        "activity_type", F.coalesce("activity_type", F.lit(UNKNOWN))
    )
    by_type = named.groupBy("activity_type").agg(
        F.sum("sessions").cast("bigint").alias("sessions"), F.countDistinct("customer_id").alias("customers")
    )
    every = named.agg(F.sum("sessions").cast("bigint").alias("all_sessions"))
    return by_type.crossJoin(every).withColumn("session_share", ratio("sessions", "all_sessions"))
