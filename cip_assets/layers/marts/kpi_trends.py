"""The monthly trends behind the four questions."""

from datetime import date
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import is_over, month_grid, of_customers_until, until
from cip_assets.calc.exact import ratio
from cip_assets.calc.given import with_given
from cip_assets.calc.ranking import bin_number, nearest_rank
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.cleaned.web_activity import WebActivity
from cip_assets.layers.features.purchases import Purchases

QUARTILE_LIMITS = (25, 50, 75)
QUARTILES = (1, 2, 3, 4)

_RETURNING = ("transactions.customer_id", "month", "first_purchase_date")
_ACTIVE = ("transactions.customer_id", "web_activity.customer_id")
_CHURNED = ("transactions.customer_id", "month", "transaction_date", "session_id")

_HAS_CUSTOMERS = "has_buyers OR NOT has_orders"
_ZERO_IF = {
    "order_lines": "true",
    "returns": "has_returns",
    "tickets": "has_tickets",
    "sessions": "has_sessions",
    "buyers": _HAS_CUSTOMERS,
    "returning_buyers": _HAS_CUSTOMERS,
    "active_customers": _HAS_CUSTOMERS,
}
"""What is 0 in a month in which nothing happened, if this is true; else it is unknown."""


class KpiTrends(DaySnapshot, grain="one row per month and snapshot day", key=["month"], domain="customers"):
    """Repeat purchases, returns, complaints, and churn by engagement, by month. What comes from returns, tickets or web
    activity is empty in all months if none of them has any, and so are buyers and active customers if no order names a
    customer.
    """

    month: T.DateType = column("Month, by its first day", required=True)
    is_complete: T.BooleanType = column(
        "False if the month ends after the snapshot day", "month", required=True
    )
    buyers: T.LongType = column("Buyers in the month", "transactions.customer_id", ge=0)
    returning_buyers: T.LongType = column(
        "Buyers in the month whose first purchase was in an earlier month", *_RETURNING, ge=0
    )
    repeat_rate: Ratio = column("returning_buyers / buyers", *_RETURNING, ge=0, le=1)
    order_lines: T.LongType = column("Order lines in the month", "transaction_id", required=True, ge=0)
    returns: T.LongType = column("Returns dated in the month", "return_id", ge=0)
    return_ratio: Ratio = column("returns / order_lines", "return_id", "transaction_id", ge=0)
    sessions: T.LongType = column("Web sessions in the month", "session_id", ge=0)
    active_customers: T.LongType = column(
        "Customers with a purchase or a session in the month", *_ACTIVE, ge=0
    )
    tickets: T.LongType = column("Tickets opened in the month", "ticket_id", ge=0)
    complaints_per_100: Ratio = column("Tickets per 100 active customers", "ticket_id", *_ACTIVE, ge=0)
    churn_rate_q1: Ratio = column(
        "Churn rate of the month's buyers in the lowest engagement quartile: share without a purchase in the churn "
        "window after the month; empty until that window is over",
        *_CHURNED,
        ge=0,
        le=1,
    )
    churn_rate_q2: Ratio = column("Churn rate of the second engagement quartile", *_CHURNED, ge=0, le=1)
    churn_rate_q3: Ratio = column("Churn rate of the third engagement quartile", *_CHURNED, ge=0, le=1)
    churn_rate_q4: Ratio = column("Churn rate of the highest engagement quartile", *_CHURNED, ge=0, le=1)
    new_buyers: T.LongType = column(
        "First-time buyers of the month; empty until the repeat window of all of them is over",
        "first_purchase_date",
        ge=0,
    )
    second_orders: T.LongType = column(
        "First-time buyers of the month who bought on another day within the repeat window",
        "first_purchase_date",
        "transaction_date",
        ge=0,
    )
    second_order_rate: Ratio = column(
        "second_orders / new_buyers", "first_purchase_date", "transaction_date", ge=0, le=1
    )


@csv_file(order_by=["month"], months=["month"])
@table(
    KpiTrends,
    transactions=Transactions,
    returns=Returns,
    support_tickets=SupportTickets,
    web_activity=WebActivity,
    purchases=Purchases,
)
def kpi_trends(
    transactions: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
    purchases: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    sold = until(transactions, "transaction_date", as_of)
    lines = sold.groupBy("month").agg(F.count("*").alias("order_lines"))
    bought = of_customers_until(transactions, "transaction_date", as_of)
    starts = purchases.select(
        "customer_id", F.trunc("first_purchase_date", "month").cast("date").alias("start")
    )
    buyer_months = bought.select("customer_id", "month").distinct()
    buyers = (
        buyer_months.join(starts, "customer_id")
        .groupBy("month")
        .agg(
            F.count("*").alias("buyers"),
            F.count(F.when(F.col("start") < F.col("month"), 1)).alias("returning_buyers"),
        )
    )
    sessions = (
        until(web_activity, "timestamp", as_of)
        .groupBy("customer_id", "month")
        .agg(F.count("*").alias("sessions"))
    )
    active = (
        buyer_months.union(sessions.select("customer_id", "month"))
        .distinct()
        .groupBy("month")
        .agg(F.count("*").alias("active_customers"))
    )
    returned = until(returns, "return_date", as_of).groupBy("month").agg(F.count("*").alias("returns"))
    tickets = until(support_tickets, "opened_date", as_of).groupBy("month").agg(F.count("*").alias("tickets"))
    churned = _churn_by_engagement(bought, buyer_months, sessions, as_of, rules)
    second_orders = _second_orders(bought, purchases, as_of, rules)
    visits = sessions.groupBy("month").agg(F.sum("sessions").cast("bigint").alias("sessions"))
    parts = [lines, buyers, active, returned, tickets, visits, churned, second_orders]
    joined = reduce(lambda left, right: left.join(right, "month", "left"), parts, month_grid(lines, as_of))
    given = with_given(
        joined, returns=returned, tickets=tickets, sessions=sessions, orders=lines, buyers=buyer_months
    )
    for name, known in _ZERO_IF.items():
        given = given.withColumn(name, F.when(F.expr(known), F.coalesce(name, F.lit(0).cast("bigint"))))
    for rate in (f"churn_rate_q{quartile}" for quartile in QUARTILES):
        given = given.withColumn(rate, F.when(F.col("has_sessions"), F.col(rate)))
    return (
        given.withColumn("is_complete", is_over(as_of))
        .withColumn("repeat_rate", ratio("returning_buyers", "buyers"))
        .withColumn("return_ratio", ratio("returns", "order_lines"))
        .withColumn("complaints_per_100", ratio("100 * tickets", "active_customers"))
    )


def _second_orders(bought: DataFrame, purchases: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """Share of each month's first-time buyers who bought on another day within the repeat window.

    Grain: one row per month with first-time buyers whose repeat windows are all over by D.
    """
    within = rules.repeat.within_days
    firsts = purchases.select("customer_id", "first_purchase_date").withColumn(
        "month", F.trunc("first_purchase_date", "month").cast("date")
    )
    matured = firsts.where(F.date_add(F.last_day("month"), within) <= F.lit(as_of))
    later = bought.select("customer_id", "transaction_date").distinct()
    days = F.datediff("transaction_date", "first_purchase_date")
    repeated = (
        matured.join(later, "customer_id")
        .where((days > 0) & (days <= within))
        .select("customer_id")
        .distinct()
        .withColumn("again", F.lit(1))
    )
    counted = (
        matured.join(repeated, "customer_id", "left")
        .groupBy("month")
        .agg(F.count("*").alias("new_buyers"), F.count("again").alias("second_orders"))
    )
    return counted.withColumn("second_order_rate", ratio("second_orders", "new_buyers"))


def _churn_by_engagement(
    bought: DataFrame, buyer_months: DataFrame, sessions: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    """Churn rate of each month's buyers, by quartile of their sessions in that month.

    Engagement is measured in the month and churn in the window after it, so they do not overlap.
    Grain: one row per month whose window is over, with ``churn_rate_q1`` to ``churn_rate_q4``.
    """
    window_end = F.date_add(F.last_day("month"), rules.churn.window_days)
    cohort = buyer_months.where(window_end <= F.lit(as_of))
    seen = cohort.join(sessions, ["customer_id", "month"], "left").fillna({"sessions": 0})
    cuts = nearest_rank(seen, "sessions", QUARTILE_LIMITS, by=["month"])
    purchase_days = bought.select(F.col("customer_id").alias("buyer"), "transaction_date").distinct()
    bought_again = (
        cohort.join(
            purchase_days,
            (F.col("customer_id") == F.col("buyer"))
            & (F.col("transaction_date") > F.last_day("month"))
            & (F.col("transaction_date") <= window_end),
            "left_semi",
        )
    ).withColumn("again", F.lit(1))
    judged = (
        seen.join(cuts, "month")
        .join(bought_again, ["customer_id", "month"], "left")
        .withColumn("quartile", bin_number("sessions", [f"p{p}" for p in QUARTILE_LIMITS]))
    )
    counted = judged.groupBy("month").agg(
        *(F.count(F.when(F.col("quartile") == q, 1)).alias(f"buyers_{q}") for q in QUARTILES),
        *(
            F.count(F.when((F.col("quartile") == q) & F.col("again").isNull(), 1)).alias(f"churned_{q}")
            for q in QUARTILES
        ),
    )
    rates = (ratio(f"churned_{q}", f"buyers_{q}").alias(f"churn_rate_q{q}") for q in QUARTILES)
    return counted.select("month", *rates)
