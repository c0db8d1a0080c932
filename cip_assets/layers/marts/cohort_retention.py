"""Retention by cohort."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.sbg import fit_activity
from cip_assets.calc.as_of import is_over, month_grid, until
from cip_assets.calc.exact import ratio
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.purchases import Purchases

YEAR = 12
_RATES = ("retention_rate", "expected_rate", "expected_rate_a_year_later")
_OBSERVED = ("cohort_month", "month_number", "cohort_size", "active_buyers", "retention_rate")


class CohortRetention(
    DaySnapshot,
    grain="one row per cohort, month number and snapshot day",
    key=["cohort_month", "month_number"],
    domain="customers",
):
    """Share of each cohort that bought in the k-th month after the cohort's month, and the share to expect then and a
    year later.

    What is expected is one curve for all cohorts, level x S(k), where S is the shifted beta-geometric of Fader and
    Hardie (2007). It is fitted on all complete months after the first.
    """

    cohort_month: T.DateType = column(
        "Month of the first purchase, by its first day", "first_purchase_date", required=True
    )
    month_number: T.IntegerType = column(
        "k: months after the cohort's month", "first_purchase_date", required=True, ge=0
    )
    cohort_size: T.LongType = column(
        "Buyers whose first purchase was in the cohort's month", "purchases.customer_id", required=True, ge=1
    )
    active_buyers: T.LongType = column(
        "Buyers of the cohort who bought in month k; empty until that month is complete",
        "order_days.customer_id",
    )
    retention_rate: Ratio = column(
        "active_buyers / cohort_size; empty until month k is complete",
        "order_days.customer_id",
        "purchases.customer_id",
        ge=0,
        le=1,
    )
    expected_rate: Ratio = column(
        "Retention rate of month k by the curve of all cohorts; empty without six months to fit it on",
        "order_days.customer_id",
        "purchases.customer_id",
        ge=0,
        le=1,
    )
    expected_rate_a_year_later: Ratio = column(
        "Retention rate of month k + 12 by the same curve",
        "order_days.customer_id",
        "purchases.customer_id",
        ge=0,
        le=1,
    )


@table(CohortRetention, order_days=OrderDays, purchases=Purchases)
def cohort_retention(order_days: DataFrame, purchases: DataFrame, as_of: date) -> DataFrame:
    starts = purchases.select(
        "customer_id", F.trunc("first_purchase_date", "month").cast("date").alias("cohort_month")
    )
    sizes = starts.groupBy("cohort_month").agg(F.count("*").alias("cohort_size"))
    active = (
        until(order_days, "transaction_date", as_of)
        .select("customer_id", "month")
        .distinct()
        .join(starts, "customer_id")
        .groupBy("cohort_month", "month")
        .agg(F.count("*").alias("active"))
    )
    months = month_grid(starts.withColumnRenamed("cohort_month", "month"), as_of)
    rates = (
        sizes.join(months, F.col("month") >= F.col("cohort_month"))
        .join(active, ["cohort_month", "month"], "left")
        .withColumn("month_number", F.months_between("month", "cohort_month").cast("int"))
        .withColumn("active_buyers", F.when(is_over(as_of), F.coalesce("active", F.lit(0))).cast("bigint"))
        .withColumn("retention_rate", ratio("active_buyers", "cohort_size"))
    ).select(*_OBSERVED)
    # A row for each pair of months, collected so that the orders are read once.
    rows = sorted(tuple(row) for row in rates.collect())
    curve = _curve((number, active, size) for _, number, size, active, _ in rows if active is not None)
    return order_days.sparkSession.createDataFrame(
        [(*row, curve.get(row[1]), curve.get(row[1] + YEAR)) for row in rows],
        "cohort_month date, month_number int, cohort_size bigint, active_buyers bigint, "
        f"{', '.join(f'{name} decimal(18,6)' for name in _RATES)}",
    )


def _curve(complete: Iterable[tuple[int, int, int]]) -> Mapping[int, Decimal]:
    """The expected rate by month number, to a year after the last one; empty if it cannot be fitted.

    Args:
        complete: month number, active buyers and size of each complete month of a cohort.

    """
    active: dict[int, int] = {}
    size: dict[int, int] = {}
    for number, buyers, members in complete:
        active[number] = active.get(number, 0) + buyers
        size[number] = size.get(number, 0) + members
    last = max(size, default=0)
    months = range(1, last + 1)
    fit = fit_activity([active.get(k, 0) for k in months], [size.get(k, 0) for k in months])
    if fit is None:
        return {}
    # One month more, because the last one of a cohort may not be complete.
    ahead = range(1, last + YEAR + 2)
    return {0: Decimal(1)} | {
        k: Decimal(f"{rate:.6f}") for k, rate in zip(ahead, fit.activity(list(ahead)), strict=True)
    }
