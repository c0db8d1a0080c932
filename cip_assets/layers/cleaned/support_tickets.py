"""The source table ``support_tickets``."""

import pyspark.sql.types as T

from cip_assets.config.rules import LATEST_DAY
from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.types import Event


class SupportTickets(
    Event,
    grain="one row per ticket",
    key=["ticket_id"],
    domain="support",
    row_rules={"resolved_date:before_opened_date": "resolved_date < opened_date"},
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


support_tickets = source(SupportTickets, event_date="opened_date")
