"""The support tickets of each customer."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.exact import ratio
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Ratio
from cip_assets.layers.cleaned.support_tickets import SupportTickets


class Support(
    CustomerSnapshot, grain="one row per customer with a ticket and snapshot day", domain="support"
):
    """Support tickets opened by the snapshot day, with their status on that day."""

    total_tickets: T.LongType = column("Tickets opened by the snapshot day", "ticket_id", required=True, ge=1)
    open_tickets: T.LongType = column(
        "Tickets that were not closed by the snapshot day",
        "ticket_id",
        "closed_on",
        required=True,
        ge=0,
    )
    resolved_tickets: T.LongType = column(
        "Tickets resolved by the snapshot day", "ticket_id", "resolved_date", required=True, ge=0
    )
    avg_resolution_days: Ratio = column(
        "Mean days from opening to resolution of the resolved tickets",
        "opened_date",
        "resolved_date",
        unit="days",
    )
    last_ticket_date: T.DateType = column(
        "Day on which the latest ticket was opened", "opened_date", required=True
    )


@table(Support, support_tickets=SupportTickets)
def support(support_tickets: DataFrame, as_of: date) -> DataFrame:
    opened = until(support_tickets, "opened_date", as_of)
    resolved = F.col("resolved_date") <= F.lit(as_of)
    is_open = F.col("closed_on").isNull() | (F.col("closed_on") > F.lit(as_of))
    days = F.when(resolved, F.datediff("resolved_date", "opened_date"))
    tickets = opened.groupBy("customer_id").agg(
        F.count("*").alias("total_tickets"),
        F.count(F.when(is_open, 1)).alias("open_tickets"),
        F.count(F.when(resolved, 1)).alias("resolved_tickets"),
        F.coalesce(F.sum(days), F.lit(0)).cast("bigint").alias("resolution_days"),
        F.max("opened_date").alias("last_ticket_date"),
    )
    return tickets.withColumn("avg_resolution_days", ratio("resolution_days", "resolved_tickets"))
