"""The customers worth most who are about to leave, with what to do first."""

from collections.abc import Mapping, Sequence
from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import days_since, until
from cip_assets.calc.exact import MONEY
from cip_assets.calc.ranking import first_by, placed
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.labels import UNKNOWN
from cip_assets.layers.marts.customer_360 import Customer360
from cip_assets.layers.marts.reason_effects import ReasonEffects

HELD = 2
"""A churn reason held if the z-score of its test is at least this."""

ANSWERS: Mapping[str, str] = {
    "complaints": "Call about the complaints",
    "returns": "Advise on the next choice, because of the returns",
    "visits": "Show what is new",
    "spend per purchase": "Offer more of the same",
    "time since the last purchase": "Remind of the shop",
    "number of purchases": "Make an offer for the next order",
    "time as a customer": "Give a reason to come back",
}
"""What answers each churn reason."""

OTHERWISE = "Ask what is missing"


class ListAtRisk(
    DaySnapshot, grain="one row per listed customer and snapshot day", key=["customer_id"], domain="customers"
):
    """Customers whose churn band is High or Medium, those with the most value at risk first. If tied, the smaller id
    comes first.
    """

    rank: T.IntegerType = column("Place in the list", "churn_probability", required=True, ge=1)
    customer_id: T.StringType = column("Customer id", required=True)
    value_at_risk: Money = column(
        "churn_probability times clv_12m_margin, or clv_12m_net if the costs are unknown",
        "churn_probability",
        "clv_12m_margin",
        "clv_12m_net",
        required=True,
        unit="currency",
    )
    first_action: T.StringType = column(
        "What to do first: solve the oldest open ticket; otherwise, what answers the first churn reason that held",
        "churn_reasons",
        "reason_effects.reason",
        "support_tickets.ticket_id",
        "products.category",
        required=True,
    )
    held_reason: T.StringType = column(
        "The first of the customer's churn reasons that held in the test of reason_effects; empty if none did",
        "churn_reasons",
        "reason_effects.z_score",
    )
    is_worth_contacting: T.BooleanType = same_as(Customer360, "is_worth_contacting", required=True)
    churn_probability: Ratio = same_as(Customer360, "churn_probability", required=True)
    churn_reasons: T.StringType = same_as(Customer360, "churn_reasons")
    last_category: T.StringType = column(
        "Category bought on the last purchase day, the one of the highest amount; if tied, the first in alphabetical "
        "order; empty if unknown",
        "category",
        "transactions.amount",
    )
    open_ticket: T.StringType = column("Id of the oldest open ticket; empty if there is none", "ticket_id")
    last_purchase_date: T.DateType = same_as(Customer360, "last_purchase_date", required=True)
    monetary_value: Money = same_as(Customer360, "monetary_value")
    rfm_segment: T.StringType = same_as(Customer360, "rfm_segment", required=True)
    region: T.StringType = same_as(Customer360, "region")


@csv_file(order_by=["rank"])
@table(
    ListAtRisk,
    customer_360=Customer360,
    reason_effects=ReasonEffects,
    support_tickets=SupportTickets,
    transactions=Transactions,
    products=Products,
)
def list_at_risk(
    customer_360: DataFrame,
    reason_effects: DataFrame,
    support_tickets: DataFrame,
    transactions: DataFrame,
    products: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    held = [
        row["reason"] for row in reason_effects.where(F.col("z_score") >= HELD).select("reason").collect()
    ]
    worth = F.coalesce("clv_12m_margin", "clv_12m_net")
    at_risk = (
        customer_360.where("churn_band IN ('High', 'Medium')")
        .withColumn("value_at_risk", F.round(F.col("churn_probability") * worth, 2).cast(MONEY))
        .where("value_at_risk > 0")
    )
    listed = placed(at_risk, [F.col("value_at_risk").desc(), F.col("customer_id").asc()], rules.lists.rows)
    days = F.broadcast(listed.select("customer_id", F.col("last_purchase_date").alias("transaction_date")))
    return (
        listed.join(_oldest_open(support_tickets, as_of), "customer_id", "left")
        .join(_last_category(transactions.join(days, days.columns), products), "customer_id", "left")
        .withColumn("held_reason", _first_held(held))
        .withColumn("first_action", _action(as_of))
    )


def _oldest_open(tickets: DataFrame, as_of: date) -> DataFrame:
    is_open = F.col("closed_on").isNull() | (F.col("closed_on") > F.lit(as_of))
    open_tickets = until(tickets, "opened_date", as_of).where(is_open)
    oldest = first_by(open_tickets, ["customer_id"], [F.col("opened_date").asc(), F.col("ticket_id").asc()])
    return oldest.select(
        "customer_id", F.col("ticket_id").alias("open_ticket"), "ticket_category", "opened_date"
    )


def _last_category(lines: DataFrame, products: DataFrame) -> DataFrame:
    """The category of the highest amount among the lines of each customer."""
    named = lines.join(products.select("product_id", "category"), "product_id").where(
        F.col("category") != UNKNOWN
    )
    spent = named.groupBy("customer_id", "category").agg(F.sum("amount").alias("amount"))
    best = first_by(spent, ["customer_id"], [F.col("amount").desc_nulls_last(), F.col("category").asc()])
    return best.select("customer_id", F.col("category").alias("last_category"))


def _first_held(held: Sequence[str]) -> Column:
    """The first churn reason of a customer that is one of those that held."""
    parts = [F.split_part("churn_reasons", F.lit("; "), F.lit(place)) for place in range(1, len(ANSWERS) + 1)]
    return (
        F.coalesce(*(F.when(part.isin(held), part) for part in parts)) if held else F.lit(None).cast("string")
    )


def _action(as_of: date) -> Column:
    open_days = days_since(as_of, "opened_date").cast("string")
    solve = F.concat(
        F.lit("Solve ticket "),
        "open_ticket",
        F.lit(" ("),
        "ticket_category",
        F.lit("), open for "),
        open_days,
    )
    answer = F.lit(OTHERWISE)
    for reason, what in ANSWERS.items():
        answer = F.when(F.col("held_reason") == reason, F.lit(what)).otherwise(answer)
    last = F.coalesce(F.concat(F.lit("; last bought: "), "last_category"), F.lit(""))
    return F.coalesce(F.concat(solve, F.lit(" days")), F.concat(answer, last))
