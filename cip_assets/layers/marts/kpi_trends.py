"""The monthly trends behind the four questions."""

from datetime import date, timedelta
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import is_over, month_grid, until
from cip_assets.calc.carried import Before, from_month, with_months_before
from cip_assets.calc.exact import ratio
from cip_assets.calc.given import are_given
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.facts.session_days import SessionDays
from cip_assets.layers.features.purchases import Purchases

_RETURNING = ("order_days.customer_id", "month", "transaction_date")
_ACTIVE = ("order_days.customer_id", "session_days.customer_id")

_ZERO_IF = {
    "order_lines": "has_orders",
    "returns": "has_returns",
    "tickets": "has_tickets",
    "sessions": "has_sessions",
    "buyers": "has_buyers",
    "returning_buyers": "has_buyers",
    "active_customers": "has_buyers OR has_sessions AND NOT has_orders",
}
"""What is 0 in a month in which nothing happened, if this is true; else it is unknown."""

_SHOWS = {
    "returns": "returns",
    "tickets": "tickets",
    "sessions": "sessions",
    "orders": "order_lines",
    "buyers": "buyers",
}
"""The column that is empty in all months if something was not delivered."""


class KpiTrends(DaySnapshot, grain="one row per month and snapshot day", key=["month"], domain="customers"):
    """Repeat purchases, returns and complaints by month, from the first purchase; without a purchase, from the first
    event. What comes from orders, returns, tickets or web activity is empty in all months if there are none, and so are
    buyers and active customers if no order names a customer.
    """

    month: T.DateType = column("Month, by its first day", required=True)
    is_complete: T.BooleanType = column(
        "False if the month ends after the snapshot day", "month", required=True
    )
    buyers: T.LongType = column("Buyers in the month", "order_days.customer_id", ge=0)
    returning_buyers: T.LongType = column(
        "Buyers in the month whose first purchase was in an earlier month", *_RETURNING, ge=0
    )
    repeat_rate: Ratio = column("returning_buyers / buyers", *_RETURNING, ge=0, le=1)
    order_lines: T.LongType = column("Order lines in the month", "lines", ge=0)
    returns: T.LongType = column("Returns dated in the month", "return_id", ge=0)
    return_ratio: Ratio = column("returns / order_lines", "return_id", "lines", ge=0)
    sessions: T.LongType = column("Web sessions in the month", "sessions", ge=0)
    active_customers: T.LongType = column(
        "Customers with a purchase or a session in the month", *_ACTIVE, ge=0
    )
    tickets: T.LongType = column("Tickets opened in the month", "ticket_id", ge=0)
    complaints_per_100: Ratio = column("Tickets per 100 active customers", "ticket_id", *_ACTIVE, ge=0)
    new_buyers: T.LongType = column(
        "First-time buyers of the month; empty until the repeat window of all of them is over",
        "order_days.customer_id",
        "transaction_date",
        ge=0,
    )
    second_orders: T.LongType = column(
        "First-time buyers of the month who bought on another day within the repeat window",
        "order_days.customer_id",
        "transaction_date",
        ge=0,
    )
    second_order_rate: Ratio = column(
        "second_orders / new_buyers", "order_days.customer_id", "transaction_date", ge=0, le=1
    )


@csv_file(order_by=["month"], months=["month"])
@table(
    KpiTrends,
    carried=("order_days", "returns", "support_tickets", "session_days"),
    order_days=OrderDays,
    returns=Returns,
    support_tickets=SupportTickets,
    session_days=SessionDays,
    purchases=Purchases,
)
def kpi_trends(
    order_days: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    session_days: DataFrame,
    purchases: DataFrame,
    as_of: date,
    rules: Rules,
    before: Before | None = None,
) -> DataFrame:
    start = _first_open_month(before.day, rules) if before else None
    sold = until(from_month(order_days, start), "transaction_date", as_of)
    returned = until(from_month(returns, start), "return_date", as_of)
    opened = until(from_month(support_tickets, start), "opened_date", as_of)
    visited = until(from_month(session_days, start), "day", as_of)
    bought = sold.where("customer_id IS NOT NULL")
    lines = sold.groupBy("month").agg(F.sum("lines").cast("bigint").alias("order_lines"))
    parts = [
        lines,
        returned.groupBy("month").agg(F.count("*").alias("returns")),
        opened.groupBy("month").agg(F.count("*").alias("tickets")),
        _of_customers(bought, visited, purchases, as_of, rules),
    ]
    given = are_given(returns=returned, tickets=opened, sessions=visited, orders=sold, buyers=bought)
    if before:
        given_then = _were_given(before)
        given = {name: found or given_then[name] for name, found in given.items()}
        if given != given_then:  # what was unknown in months that are over is known now
            return kpi_trends.transform(
                order_days, returns, support_tickets, session_days, purchases, as_of, rules
            )
    others = reduce(DataFrame.union, (events.select("month") for events in (returned, opened, visited)))
    months = month_grid(with_months_before(lines.select("month"), before, start), as_of, instead=others)
    joined = reduce(lambda left, right: left.join(right, "month", "left"), parts, from_month(months, start))
    months_known = with_months_before(joined, before, start).withColumns(
        {f"has_{name}": F.lit(found) for name, found in given.items()}
    )
    for name, known in _ZERO_IF.items():
        value = F.coalesce(name, F.lit(0).cast("bigint"))
        months_known = months_known.withColumn(name, F.when(F.expr(known), value))
    return (
        months_known.withColumn("is_complete", is_over(as_of))
        .withColumn("repeat_rate", ratio("returning_buyers", "buyers"))
        .withColumn("return_ratio", ratio("returns", "order_lines"))
        .withColumn("complaints_per_100", ratio("100 * tickets", "active_customers"))
        .withColumn("second_order_rate", ratio("second_orders", "new_buyers"))
    )


def _first_open_month(day: date, rules: Rules) -> date:
    """The first month whose repeat window was not over on a day. Those before say the same forever."""
    judged = day - timedelta(days=rules.repeat.within_days)
    return (judged + timedelta(days=1)).replace(day=1)


def _were_given(before: Before) -> dict[str, bool]:
    """What was delivered by the older day: then the months have figures of it."""
    row = before.rows.agg(*(F.count(shown).alias(name) for name, shown in _SHOWS.items())).collect()[0]
    return {name: row[name] > 0 for name in _SHOWS}


def _of_customers(
    bought: DataFrame, visited: DataFrame, purchases: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    """What is counted of the customers of each month.

    Grain: one row per month with a purchase or a session.
    """
    one, none = F.lit(1), F.lit(0)
    active = (
        bought.select(
            "customer_id", "month", one.alias("bought"), F.lit(None).cast("bigint").alias("sessions")
        )
        .union(visited.select("customer_id", "month", none, "sessions"))
        .groupBy("customer_id", "month")
        .agg(F.max("bought").alias("bought"), F.sum("sessions").alias("sessions"))
    )
    counted = active.groupBy("month").agg(
        F.count("*").alias("active_customers"),
        F.sum("bought").cast("bigint").alias("buyers"),
        F.sum("sessions").cast("bigint").alias("sessions"),
    )
    firsts = purchases.select("customer_id", "first_purchase_date", _first_month())
    first_time = firsts.groupBy("month").agg(F.count("*").alias("first_time"))
    first, within = F.col("first_purchase_date"), rules.repeat.within_days
    came_again = (
        bought.select("customer_id", "transaction_date")
        .join(firsts, "customer_id")
        .where((F.col("transaction_date") > first) & (F.col("transaction_date") <= F.date_add(first, within)))
        .select("customer_id", "month")
        .distinct()
        .groupBy("month")
        .agg(F.count("*").alias("came_again"))
    )
    is_judged = F.date_add(F.last_day("month"), within) <= F.lit(as_of)
    return (
        counted.join(first_time, "month", "left")
        .join(came_again, "month", "left")
        .select(
            "month",
            "active_customers",
            "buyers",
            (F.col("buyers") - F.coalesce("first_time", none)).alias("returning_buyers"),
            "sessions",
            F.when(is_judged, F.col("first_time")).alias("new_buyers"),
            F.when(is_judged & (F.col("first_time") > 0), F.coalesce("came_again", none)).alias(
                "second_orders"
            ),
        )
    )


def _first_month() -> Column:
    return F.trunc("first_purchase_date", "month").cast("date").alias("month")
