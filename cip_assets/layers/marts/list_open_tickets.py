"""Tickets that have been open too long."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import days_since, until
from cip_assets.calc.ranking import placed
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.marts.customer_360 import Customer360


class ListOpenTickets(
    DaySnapshot, grain="one row per listed ticket and snapshot day", key=["ticket_id"], domain="support"
):
    """Tickets that have been open for more days than the rules allow, the oldest first. If tied, the smaller id comes
    first.
    """

    rank: T.IntegerType = column("Place in the list", "opened_date", required=True, ge=1)
    ticket_id: T.StringType = column("Ticket id", required=True)
    open_days: T.IntegerType = column(
        "Days since the ticket was opened", "opened_date", required=True, unit="days"
    )
    ticket_category: T.StringType = same_as(SupportTickets, "ticket_category", required=True)
    priority: T.StringType = same_as(SupportTickets, "priority", required=True)
    opened_date: T.DateType = same_as(SupportTickets, "opened_date", required=True)
    customer_id: T.StringType = same_as(SupportTickets, "customer_id", required=True)
    monetary_value: Money = column(
        "Total spend of the customer; empty if the customer or an amount is unknown", ge=0, unit="currency"
    )
    churn_band: T.StringType = same_as(Customer360, "churn_band")


@csv_file(order_by=["rank"])
@table(ListOpenTickets, support_tickets=SupportTickets, customer_360=Customer360)
def list_open_tickets(
    support_tickets: DataFrame, customer_360: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    is_open = F.col("closed_on").isNull() | (F.col("closed_on") > F.lit(as_of))
    waiting = (
        until(support_tickets, "opened_date", as_of)
        .where(is_open)
        .withColumn("open_days", days_since(as_of, "opened_date"))
        .where(F.col("open_days") > rules.lists.open_days)
    )
    listed = placed(waiting, [F.col("opened_date").asc(), F.col("ticket_id").asc()], rules.lists.rows)
    return listed.join(
        customer_360.select("customer_id", "monetary_value", "churn_band"), "customer_id", "left"
    )
