"""Customers who complained again about the same."""

from datetime import date, timedelta

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.ranking import placed
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.marts.customer_360 import Customer360


class ListRepeatedComplaints(
    DaySnapshot,
    grain="one row per listed customer, ticket category and snapshot day",
    key=["customer_id", "ticket_category"],
    domain="support",
):
    """Customers with several tickets of one category in the window, those with the most tickets first. If tied, the
    smaller id comes first, then the category.
    """

    rank: T.IntegerType = column("Place in the list", "ticket_id", required=True, ge=1)
    customer_id: T.StringType = column("Customer id", required=True)
    ticket_category: T.StringType = same_as(SupportTickets, "ticket_category", required=True)
    tickets: T.LongType = column("Tickets opened in the window", "ticket_id", required=True, ge=2)
    open_tickets: T.LongType = column(
        "Those of them that are open", "ticket_id", "closed_on", required=True, ge=0
    )
    last_ticket_date: T.DateType = column("Day of the latest one", "opened_date", required=True)
    monetary_value: Money = column(
        "Total spend of the customer; empty if the customer or an amount is unknown", ge=0, unit="currency"
    )
    churn_band: T.StringType = same_as(Customer360, "churn_band")


@csv_file(order_by=["rank"])
@table(ListRepeatedComplaints, support_tickets=SupportTickets, customer_360=Customer360)
def list_repeated_complaints(
    support_tickets: DataFrame, customer_360: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    start = as_of - timedelta(days=rules.lists.days)
    is_open = F.col("closed_on").isNull() | (F.col("closed_on") > F.lit(as_of))
    repeated = (
        until(support_tickets, "opened_date", as_of)
        .where(F.col("opened_date") > F.lit(start))
        .groupBy("customer_id", "ticket_category")
        .agg(
            F.count("*").alias("tickets"),
            F.count(F.when(is_open, 1)).alias("open_tickets"),
            F.max("opened_date").alias("last_ticket_date"),
        )
        .where(F.col("tickets") >= rules.lists.repeated_tickets)
    )
    order = [F.col("tickets").desc(), F.col("customer_id").asc(), F.col("ticket_category").asc()]
    return placed(repeated, order, rules.lists.rows).join(
        customer_360.select("customer_id", "monetary_value", "churn_band"), "customer_id", "left"
    )
