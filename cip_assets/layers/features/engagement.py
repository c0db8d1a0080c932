"""Web activity and engagement score of each customer."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import days_since, until
from cip_assets.calc.exact import ratio
from cip_assets.calc.ranking import at_or_below
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Ratio
from cip_assets.layers.facts.session_days import SessionDays

RECENT_DAYS = 30
POINT = 1_000_000_000
"""Engagement points are counted in billionths, so that their sum is exact."""


class Engagement(
    CustomerSnapshot, grain="one row per customer with a session and snapshot day", domain="web"
):
    """Sessions by the snapshot day, and the engagement score."""

    total_sessions: T.LongType = column("Number of sessions", "sessions", required=True, ge=1)
    active_days: T.LongType = column("Days with at least one session", "day", required=True, ge=1)
    last_session_date: T.DateType = column("Day of the last session", "day", required=True)
    engagement_points: T.LongType = column(
        "Sum of the activity weights, each halved every half-life, in billionths of a point",
        "activity_type",
        "day",
        required=True,
    )
    recent_sessions: T.LongType = column(
        "Sessions in the last 30 days", "sessions", "day", required=True, ge=0
    )
    earlier_sessions: T.LongType = column(
        "Sessions in the 90 days before those", "sessions", "day", required=True, ge=0
    )
    engagement_score: Ratio = column(
        "Share of customers with sessions who have as many points or fewer, times 100",
        "activity_type",
        "day",
        required=True,
        ge=0,
        le=100,
    )


@table(Engagement, session_days=SessionDays)
def engagement(session_days: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    found = sessions(session_days, as_of, rules)
    ranks = at_or_below(found, "engagement_points")
    return found.join(ranks, "engagement_points").withColumn(
        "engagement_score", ratio("100 * at_or_below", "group_size")
    )


def sessions(session_days: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """All columns of engagement except the score, which compares customers with each other."""
    half_life = rules.engagement.half_life_days
    ages: list[tuple[int, int]] = []
    while factor := round(POINT * 0.5 ** (len(ages) / half_life)):
        ages.append((len(ages), factor))
    factors = session_days.sparkSession.createDataFrame(ages, "age_days int, factor bigint")
    weight = F.lit(0)
    for activity, points in rules.engagement.weights.items():
        weight = F.when(F.col("activity_type") == activity, F.lit(points)).otherwise(weight)
    return (
        until(session_days, "day", as_of)
        .groupBy("customer_id", "day")
        .agg(
            F.sum("sessions").alias("sessions"),
            F.sum(weight * F.col("sessions")).cast("bigint").alias("weight"),
        )
        .withColumn("age_days", days_since(as_of, "day"))
        .join(F.broadcast(factors), "age_days", "left")
        .withColumn("points", F.col("weight") * F.coalesce("factor", F.lit(0)))
        .groupBy("customer_id")
        .agg(
            F.sum("sessions").cast("bigint").alias("total_sessions"),
            F.count("*").alias("active_days"),
            F.max("day").alias("last_session_date"),
            F.sum("points").cast("bigint").alias("engagement_points"),
            _sessions_between(0, RECENT_DAYS).alias("recent_sessions"),
            _sessions_between(RECENT_DAYS, 4 * RECENT_DAYS).alias("earlier_sessions"),
        )
    )


def _sessions_between(youngest: int, oldest: int) -> Column:
    inside = (F.col("age_days") >= youngest) & (F.col("age_days") < oldest)
    return F.coalesce(F.sum(F.when(inside, F.col("sessions"))), F.lit(0)).cast("bigint")
