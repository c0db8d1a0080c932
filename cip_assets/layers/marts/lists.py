"""The lists to work from, with the number of their rows and their money."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame, Window

from cip_assets.calc.exact import MONEY
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import Table, csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.marts.customer_360 import Customer360
from cip_assets.layers.marts.list_at_risk import ListAtRisk, list_at_risk
from cip_assets.layers.marts.list_complaints import ListComplaints, list_complaints
from cip_assets.layers.marts.list_open_tickets import ListOpenTickets, list_open_tickets
from cip_assets.layers.marts.list_repeated_complaints import ListRepeatedComplaints, list_repeated_complaints
from cip_assets.layers.marts.list_returned_orders import ListReturnedOrders, list_returned_orders
from cip_assets.layers.marts.list_returns import ListReturns, list_returns
from cip_assets.layers.marts.list_second_order import ListSecondOrder, list_second_order

TEAMS = ("marketing", "product", "support")


@dataclass(frozen=True)
class WorkList:
    """A list to work from.

    Attributes:
        table: the table of its rows.
        team: who works from it.
        title: its name for people.
        rule: who or what is in it, in words.
        needs: the column of customer_360 that has no value if the list cannot be known.
        money: the column that is added up; none if the list has no money.
        money_is: what the sum is.
        where: the rows that are added up.
        once_per: the column whose values are added up once each.

    """

    table: Table
    team: str
    title: str
    rule: Callable[[Rules], str]
    needs: str
    money: str | None = None
    money_is: str | None = None
    where: str = "TRUE"
    once_per: str | None = None


LISTS: Sequence[WorkList] = (
    WorkList(
        list_at_risk,
        "marketing",
        "Customers worth most at risk",
        lambda rules: (
            f"The {rules.lists.rows:,} customers with the most value at risk, of those whose churn band is High or "
            "Medium."
        ),
        "churn_probability",
        "value_at_risk",
        "value at risk",
    ),
    WorkList(
        list_second_order,
        "marketing",
        "New customers whose second order is due",
        lambda rules: (
            f"Customers with one purchase day, for whom {rules.lists.closing_days} days or less are left of the "
            f"{rules.repeat.within_days} within which a second order counts."
        ),
        "purchase_days",
        "monetary_value",
        "spent so far",
    ),
    WorkList(
        list_returns,
        "product",
        "Products, categories and reasons with rising returns",
        lambda rules: (
            f"More returns per order line in the last {rules.lists.days} days than in as many days before; "
            "certain rises first."
        ),
        "total_returns",
        "extra_refunds",
        "extra refunds, by product",
        where="kind = 'product'",
    ),
    WorkList(
        list_returned_orders,
        "product",
        "Returns behind the certain rises",
        lambda rules: (
            f"Returns of the last {rules.lists.days} days of a product, category or reason with a certain rise."
        ),
        "total_returns",
        "amount",
        "refunded",
    ),
    WorkList(
        list_open_tickets,
        "support",
        "Tickets open too long",
        lambda rules: f"Tickets that have been open for more than {rules.lists.open_days} days.",
        "total_tickets",
        "monetary_value",
        "spent so far by these customers",
        once_per="customer_id",
    ),
    WorkList(
        list_repeated_complaints,
        "support",
        "Repeated complaints",
        lambda rules: (
            f"Customers with {rules.lists.repeated_tickets} or more tickets of one category in the last "
            f"{rules.lists.days} days."
        ),
        "total_tickets",
        "monetary_value",
        "spent so far by these customers",
        once_per="customer_id",
    ),
    WorkList(
        list_complaints,
        "support",
        "Complaints per order by category",
        lambda rules: (
            f"Tickets per 100 orders of the last {rules.lists.days} days and of as many days before; certain "
            "rises first."
        ),
        "total_tickets",
    ),
)
"""The lists, in the order in which they are shown."""


class Lists(DaySnapshot, grain="one row per list and snapshot day", key=["list_name"], domain="customers"):
    """The lists to work from: who works from each, its rule, and how many rows and how much money it has."""

    place: T.IntegerType = column("Place among the lists", required=True, ge=1)
    list_name: T.StringType = column("Table and file of the list", required=True)
    team: T.StringType = column("Who works from it", required=True, isin=list(TEAMS))
    title: T.StringType = column("Title", required=True)
    rule: T.StringType = column("Who or what is in the list", required=True)
    row_count: T.LongType = column(
        "Number of rows; empty if data that the list needs is missing, or the forecasts are withheld",
        *(f"{each.table.name}.{each.table.contract.key[-1]}" for each in LISTS),
        ge=0,
    )
    money: Money = column(
        "Money of the list; empty if it has none, or an amount is unknown",
        *(f"{each.table.name}.{each.money}" for each in LISTS if each.money),
        unit="currency",
    )
    money_is: T.StringType = column("What the money is; empty if the list has none")


@csv_file(order_by=["place"])
@table(
    Lists,
    list_at_risk=ListAtRisk,
    list_second_order=ListSecondOrder,
    list_returns=ListReturns,
    list_returned_orders=ListReturnedOrders,
    list_open_tickets=ListOpenTickets,
    list_repeated_complaints=ListRepeatedComplaints,
    list_complaints=ListComplaints,
    customer_360=Customer360,
)
def lists(
    list_at_risk: DataFrame,
    list_second_order: DataFrame,
    list_returns: DataFrame,
    list_returned_orders: DataFrame,
    list_open_tickets: DataFrame,
    list_repeated_complaints: DataFrame,
    list_complaints: DataFrame,
    customer_360: DataFrame,
    rules: Rules,
) -> DataFrame:
    rows = (
        list_at_risk,
        list_second_order,
        list_returns,
        list_returned_orders,
        list_open_tickets,
        list_repeated_complaints,
        list_complaints,
    )
    (given,) = customer_360.agg(
        *(F.count(name).alias(name) for name in {each.needs for each in LISTS})
    ).collect()
    counted = reduce(DataFrame.union, (_counted(*each) for each in zip(LISTS, rows, strict=True)))
    found = {row["list_name"]: row for row in counted.collect()}
    described = [
        (
            place,
            each.table.name,
            each.team,
            each.title,
            each.rule(rules),
            row["row_count"] if row["row_count"] or given[each.needs] else None,
            row["money"] if row["row_count"] or given[each.needs] else None,
            each.money_is,
        )
        for place, each in enumerate(LISTS, 1)
        for row in (found[each.table.name],)
    ]
    return customer_360.sparkSession.createDataFrame(
        described,
        "place int, list_name string, team string, title string, rule string, row_count long, money decimal(18,2), "
        "money_is string",
    )


def _counted(work_list: WorkList, rows: DataFrame) -> DataFrame:
    """The number of rows of a list and its money."""
    money = F.lit(None).cast(MONEY)
    if work_list.money:
        once = F.lit(True)
        if work_list.once_per:
            rows = rows.withColumn(
                "_nth", F.row_number().over(Window.partitionBy(work_list.once_per).orderBy("rank"))
            )
            once = F.col("_nth") == 1
        is_counted = once & F.expr(work_list.where)
        amount = F.col(work_list.money)
        unknown = F.count(F.when(is_counted & amount.isNull(), 1))
        money = F.when(unknown == 0, F.coalesce(F.sum(F.when(is_counted, amount)), F.lit(0))).cast(MONEY)
    return rows.agg(
        F.lit(work_list.table.name).alias("list_name"), F.count("*").alias("row_count"), money.alias("money")
    )
