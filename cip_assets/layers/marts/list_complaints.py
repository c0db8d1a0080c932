"""Complaints per order by ticket category."""

from datetime import date
from fractions import Fraction

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.rises import Counted, certain
from cip_assets.calc.exact import ratio
from cip_assets.calc.orders import by_order
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets.layers.marts.list_returns import counts, in_windows

_COUNTED = ("ticket_id", "order_id")


class ListComplaints(
    DaySnapshot,
    grain="one row per ticket category and snapshot day",
    key=["ticket_category"],
    domain="support",
):
    """Tickets per 100 orders by category, in the window and in the one before: first those whose rise is certain, then
    by extra tickets.
    """

    rank: T.IntegerType = column("Place in the list", *_COUNTED, required=True, ge=1)
    ticket_category: T.StringType = same_as(SupportTickets, "ticket_category", required=True)
    is_certain: T.BooleanType = column(
        "True if the rise is certain, with the confidence of the rules for all rises together",
        *_COUNTED,
        required=True,
    )
    tickets: T.LongType = column("Tickets opened in the window", "ticket_id", required=True, ge=0)
    tickets_before: T.LongType = column("Those of the window before", "ticket_id", required=True, ge=0)
    orders: T.LongType = column("Orders of the window", "order_id", required=True, ge=0)
    orders_before: T.LongType = column("Orders of the window before", "order_id", required=True, ge=0)
    per_100: Ratio = column("Tickets per 100 orders in the window; empty without orders", *_COUNTED, ge=0)
    per_100_before: Ratio = column(
        "Tickets per 100 orders in the window before; empty without orders", *_COUNTED, ge=0
    )


@csv_file(order_by=["rank"])
@table(ListComplaints, support_tickets=SupportTickets, order_days=OrderDays, split_orders=SplitOrders)
def list_complaints(
    support_tickets: DataFrame, order_days: DataFrame, split_orders: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    days = rules.lists.days
    bought = in_windows(order_days, "transaction_date", as_of, days)
    orders = by_order(bought, split_orders, ["order_id"], is_before=F.bool_or)
    (ordered,) = orders.agg(*counts("orders")).collect()
    opened = in_windows(support_tickets, "opened_date", as_of, days).groupBy("ticket_category")
    tickets = {row["ticket_category"]: row for row in opened.agg(*counts("tickets")).collect()}
    rates = {
        category: Counted(row["tickets_before"], ordered["orders_before"], row["tickets"], ordered["orders"])
        for category, row in tickets.items()
    }
    is_certain = dict(zip(rates, certain(list(rates.values()), rules.insights.confidence), strict=True))

    def place(category: str) -> tuple[bool, Fraction, str]:
        rate = rates[category]
        expected = Fraction(rate.events_before * rate.exposure, max(rate.exposure_before, 1))
        return not is_certain[category], expected - rate.events, category

    rows = [
        (
            number,
            category,
            is_certain[category],
            rate.events,
            rate.events_before,
            rate.exposure,
            rate.exposure_before,
        )
        for number, category in enumerate(sorted(rates, key=place), 1)
        for rate in (rates[category],)
    ]
    listed = support_tickets.sparkSession.createDataFrame(
        rows,
        "rank int, ticket_category string, is_certain boolean, tickets long, tickets_before long, orders long, "
        "orders_before long",
    )
    return listed.withColumns(
        {
            "per_100": ratio("100 * tickets", "orders"),
            "per_100_before": ratio("100 * tickets_before", "orders_before"),
        }
    )
