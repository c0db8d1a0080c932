"""The customers of a snapshot."""

from datetime import date
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import of_customers_until, until
from cip_assets.calc.given import are_given
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.facts.session_days import SessionDays


class Population(CustomerSnapshot, domain="customers"):
    """Customers who signed up or had an event by the snapshot day, or whose sign-up date is unknown. If no customers
    were delivered, everyone who bought or returned something by the snapshot day; if no order and no return names
    anybody, everyone with a ticket or a session.
    """

    signup_date: T.DateType = column("Sign-up day; empty if unknown")


@table(
    Population,
    customers=Customers,
    order_days=OrderDays,
    returns=Returns,
    support_tickets=SupportTickets,
    session_days=SessionDays,
)
def population(
    customers: DataFrame,
    order_days: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    session_days: DataFrame,
    as_of: date,
) -> DataFrame:
    dated = {
        "transaction_date": order_days,
        "return_date": returns,
        "opened_date": support_tickets,
        "day": session_days,
    }
    seen = reduce(
        DataFrame.union, (until(events, day, as_of).select("customer_id") for day, events in dated.items())
    )
    ids = customers.select("customer_id", "signup_date")
    known = F.col("signup_date").isNull() | (F.col("signup_date") <= F.lit(as_of))
    early = ids.where(~known).join(seen, "customer_id", "left_semi")
    named = ids.where(known).union(early)
    bought, gave_back, asked, visited = (
        of_customers_until(events, day, as_of).select("customer_id") for day, events in dated.items()
    )
    in_orders = bought.union(gave_back)
    given = are_given(customers=customers, orders=in_orders)
    if given["customers"]:
        return named
    others = in_orders if given["orders"] else asked.union(visited)
    return named.union(_without_signup(others.distinct()))


def _without_signup(customers: DataFrame) -> DataFrame:
    return customers.select("customer_id", F.lit(None).cast("date").alias("signup_date"))
