"""What the customers of each cell did by month."""

from datetime import date
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import of_customers_until, until
from cip_assets.calc.exact import MONEY, total_money
from cip_assets.calc.given import with_given
from cip_assets.calc.orders import by_order
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import Money
from cip_assets.layers.cells import CELL, CellSnapshot, in_cells
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.facts.session_days import SessionDays
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets.layers.marts.customer_360 import Customer360

_BOUGHT = ("order_days.customer_id", "transaction_date")
_COUNTS = ("orders", "order_lines", "returns", "tickets", "active_customers", "buyers", "second_orders")


class CellMonths(
    CellSnapshot,
    grain="one row per region, segment, cohort month, month and snapshot day",
    key=[*CELL, "month"],
    domain="customers",
):
    """The counts behind kpi_monthly_revenue, kpi_trends and cohort_retention by cell, for the dashboard to add up.
    There is a row if someone in the cell did something in the month, and a count of what was not delivered is 0.
    """

    month: T.DateType = column("Month, by its first day", required=True)
    revenue: Money = column(
        "Revenue; empty if an amount is unknown, or if no orders were delivered",
        "order_days.amount",
        ge=0,
        unit="currency",
    )
    orders: T.LongType = column(
        "Orders, once for each customer of an order; empty if none were delivered",
        "order_days.order_id",
        ge=0,
    )
    order_lines: T.LongType = column("Order lines; empty if no orders were delivered", "lines", ge=0)
    buyers: T.LongType = column(
        "Buyers, without guests; empty if no order names a customer", "order_days.customer_id", ge=0
    )
    new_buyers: T.LongType = column(
        "First-time buyers; empty until the repeat window of all of them is over, and outside the cohort's month",
        *_BOUGHT,
        ge=0,
    )
    second_orders: T.LongType = column(
        "First-time buyers who bought on another day within the repeat window; empty as new_buyers are",
        *_BOUGHT,
        ge=0,
    )
    returns: T.LongType = column("Returns", "return_id", required=True, ge=0)
    tickets: T.LongType = column("Tickets opened", "ticket_id", required=True, ge=0)
    active_customers: T.LongType = column(
        "Customers with a purchase or a session",
        "order_days.customer_id",
        "session_days.customer_id",
        required=True,
        ge=0,
    )


@table(
    CellMonths,
    order_days=OrderDays,
    split_orders=SplitOrders,
    returns=Returns,
    support_tickets=SupportTickets,
    session_days=SessionDays,
    purchases=Purchases,
    customer_360=Customer360,
)
def cell_months(
    order_days: DataFrame,
    split_orders: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    session_days: DataFrame,
    purchases: DataFrame,
    customer_360: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    one, none = F.lit(1), F.lit(0)
    sold = until(order_days, "transaction_date", as_of)
    by = ["customer_id", "order_id", "month"]
    orders = by_order(sold, split_orders, by, amount=total_money, lines=F.sum)
    bought = sold.where("customer_id IS NOT NULL")
    visited = of_customers_until(session_days, "day", as_of)
    active = (
        bought.select("customer_id", "month", one.alias("bought"))
        .union(visited.select("customer_id", "month", none.alias("bought")))
        .groupBy("customer_id", "month")
        .agg(F.max("bought").alias("bought"))
    )
    within = rules.repeat.within_days
    came_again = (
        bought.select("customer_id", "transaction_date")
        .join(purchases.select("customer_id", "first_purchase_date"), "customer_id")
        .where(F.col("transaction_date") > F.col("first_purchase_date"))
        .where(F.col("transaction_date") <= F.date_add("first_purchase_date", within))
        .select("customer_id", F.trunc("first_purchase_date", "month").cast("date").alias("month"))
        .distinct()
    )
    rows = [
        _counting(orders, F.col("amount"), orders=one, order_lines=F.col("lines")),
        _counting(active, active_customers=one, buyers=F.col("bought")),
        _counting(came_again, second_orders=one),
        _counting(until(returns, "return_date", as_of), returns=one),
        _counting(until(support_tickets, "opened_date", as_of), tickets=one),
    ]
    counted = (
        in_cells(reduce(DataFrame.union, rows), customer_360, purchases)
        .groupBy(*CELL, "month")
        .agg(
            total_money("amount").alias("revenue"),
            *(F.sum(name).cast("bigint").alias(name) for name in _COUNTS),
        )
    )
    are_repeats_over = F.date_add(F.last_day("month"), within) <= F.lit(as_of)
    is_judged = are_repeats_over & (F.col("month") == F.col("cohort_month"))
    return (
        with_given(counted, orders=sold, buyers=purchases)
        .withColumns(
            {name: F.when(F.col("has_orders"), F.col(name)) for name in ("revenue", "orders", "order_lines")}
        )
        .withColumn("buyers", F.when(F.col("has_buyers"), F.col("buyers")))
        .withColumn("new_buyers", F.when(is_judged, F.col("buyers")))
        .withColumn("second_orders", F.when(is_judged, F.col("second_orders")))
    )


def _counting(events: DataFrame, amount: Column | None = None, **counts: Column) -> DataFrame:
    """What each event adds to the figures of its customer and month."""
    return events.select(
        "customer_id",
        "month",
        (F.lit(0) if amount is None else amount).cast(MONEY).alias("amount"),
        *(counts.get(name, F.lit(0)).cast("bigint").alias(name) for name in _COUNTS),
    )
