"""The source table ``support_tickets``."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame, WindowSpec

from cip_assets.config.rules import LATEST_DAY
from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.types import Event

CLOSING = ("Closed", "Resolved")
"""The statuses that close a ticket, also without a resolution date."""


class SupportTickets(
    Event,
    grain="one row per ticket",
    key=["ticket_id"],
    domain="support",
    row_rules={
        "resolved_date:before_opened_date": "resolved_date < opened_date",
        "closed_on:before_opened_date": "closed_on < opened_date",
    },
):
    """Support tickets."""

    ticket_id: T.StringType = column("Ticket id", required=True)
    customer_id: T.StringType = column("Customer who opened the ticket", required=True)
    ticket_category: T.StringType = column("Ticket category", required=True)
    priority: T.StringType = column("Priority", required=True)
    status: T.StringType = column("Status when delivered", required=True)
    opened_date: T.DateType = column("Day on which the ticket was opened", required=True)
    resolved_date: T.DateType = column(
        "Day on which the ticket was resolved; empty if it is not", le=LATEST_DAY
    )
    closed_on: T.DateType = column(
        "Day from which the ticket counts as closed: the resolution date; without one, the first delivery that called "
        "it Closed or Resolved after one that did not; the opening day if none did not; empty if it is open",
        "resolved_date",
        "status",
        "opened_date",
        "delivery_date",
    )


def _with_closed_on(lines: DataFrame, of_id: WindowSpec | None) -> DataFrame:
    """The lines with the day from which the ticket counts as closed, according to this line and older ones."""
    is_open = F.col("resolved_date").isNull() & ~F.col("status").isin(*CLOSING)
    since = F.col("opened_date")  # nobody knows when, so it never counts as open
    if of_id is not None:
        lines = lines.withColumn("_open", F.max(F.when(is_open, F.col("delivery_date"))).over(of_id))
        is_after = ~is_open & (F.col("delivery_date") > F.col("_open"))
        first = F.min(F.when(is_after, F.col("delivery_date"))).over(of_id)
        lines = lines.withColumn("_closed", F.coalesce(first, F.col("delivery_date")))
        told = F.greatest("_closed", "opened_date")
        since = F.when(F.col("_open").isNotNull(), told).otherwise(since)
    closed_on = F.coalesce("resolved_date", F.when(~is_open, since))
    return lines.withColumn("closed_on", closed_on).drop("_open", "_closed")


support_tickets = source(SupportTickets, event_date="opened_date", over_lines={"closed_on": _with_closed_on})
