"""Customer 360: one row for each customer."""

from collections.abc import Mapping
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.broadcast import with_row
from cip_assets.calc.exact import MONEY, RATIO, ratio
from cip_assets.calc.given import with_given
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.features.churn import Churn
from cip_assets.layers.features.churn_model import ChurnModel
from cip_assets.layers.features.clv import Clv
from cip_assets.layers.features.engagement import Engagement
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.preferences import Preferences
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns
from cip_assets.layers.features.rfm import Rfm
from cip_assets.layers.features.segments import Segments
from cip_assets.layers.features.support import Support
from cip_assets.layers.labels import WITHHELD


class Customer360(
    DaySnapshot, grain="one row per customer and snapshot day", key=["customer_id"], domain="customers"
):
    """Everything known about each customer on the snapshot day. If nothing happened, counts and sums are 0; averages,
    scores and dates are empty. What comes from orders, returns, tickets or web activity is empty for all customers if
    no customer has any, and what comes from an unknown amount is empty.
    """

    customer_id: T.StringType = column("Customer id", required=True)
    recency_days: T.IntegerType = column("Days since the last purchase", unit="days", ge=0)
    frequency: T.LongType = column("Number of orders; empty if no order names a customer", ge=0)
    monetary_value: Money = column(
        "Total spend; empty if an amount is unknown or no order names a customer", ge=0, unit="currency"
    )
    avg_order_value: Money = column("monetary_value / frequency", unit="currency", ge=0)
    payment_method: T.StringType = column("Most used payment method")
    total_returns: T.LongType = column("Number of returns", ge=0)
    returned_amount: Money = column("Total refunded for goods", ge=0, unit="currency")
    return_rate: Ratio = column(
        "Share of the customer's orders that had a return",
        "returned_orders",
        "frequency",
        ge=0,
        le=1,
    )
    net_revenue: Money = column(
        "monetary_value - returned_amount",
        "monetary_value",
        "returned_amount",
        unit="currency",
    )
    total_sessions: T.LongType = column("Number of web sessions", ge=0)
    active_days: T.LongType = column("Days with at least one session", ge=0)
    engagement_score: Ratio = column("Engagement score by rank, from 0 (no session) to 100", ge=0, le=100)
    total_tickets: T.LongType = column("Number of support tickets", ge=0)
    avg_resolution_days: Ratio = column(
        "Mean days from opening to resolution of the resolved tickets", unit="days", ge=0
    )
    open_tickets: T.LongType = column("Tickets open on the snapshot day", ge=0)
    top_category: T.StringType = column("Category with the highest spend")
    top_brand: T.StringType = column("Brand with the highest spend")
    r_score: T.IntegerType = column("Recency score; 5 is the most recent", ge=1, le=5)
    f_score: T.IntegerType = column("Frequency score; 5 is the most frequent", ge=1, le=5)
    m_score: T.IntegerType = column(
        "Monetary score; 5 is the highest spend. Empty if the spend of a buyer is unknown", ge=1, le=5
    )
    rfm_segment: T.StringType = column(
        "Segment by RFM score; 'No purchase' if the customer has never bought, 'Unknown' if it depends on an unknown "
        "spend, or no order names a customer",
        required=True,
    )
    value_segment: T.StringType = column(
        "Segment by recency, frequency and spend; 'No purchase' if the customer has never bought, 'Unknown' if it "
        "depends on an unknown spend, or no order names a customer",
        required=True,
    )
    is_churn_risk: T.BooleanType = column(
        "True if recency_days exceeds the limit in the rules; empty if no order names a customer"
    )
    churn_probability: Ratio = column(
        "Probability of no purchase within the churn window; empty if withheld or if the customer has never bought",
        ge=0,
        le=1,
    )
    churn_band: T.StringType = column("Band of the churn probability: Low, Medium or High")
    churn_model: T.StringType = column(
        "Model behind churn_probability; 'withheld' if none passed the last backtest", "churn.churn_model"
    )
    churn_reasons: T.StringType = column(
        "Churn signals in the customer's history, separated by '; '; blank if there are none"
    )
    p_alive: Ratio = column(
        "Probability of not having dropped out by the snapshot day; always 1 for one-time buyers", ge=0, le=1
    )
    expected_purchases_90: Ratio = column("Purchase days expected in the next 90 days", ge=0)
    clv_12m: Money = column(
        "Expected spend over the next 12 months, discounted; empty if an amount of any buyer is unknown",
        unit="currency",
        ge=0,
    )
    purchase_model: T.StringType = column(
        "Model behind p_alive, expected_purchases_90 and clv_12m; 'withheld' if it failed the last backtest",
        "clv.purchase_model",
        "is_purchase_model_withheld",
    )
    historic_value: Money = column(
        "Spend minus refunds",
        "historic_value",
        "monetary_value",
        "returned_amount",
        unit="currency",
    )
    first_purchase_date: T.DateType = column("First purchase day")
    last_purchase_date: T.DateType = column("Last purchase day")
    purchase_days: T.LongType = column(
        "Days with at least one purchase; empty if no order names a customer", ge=0
    )
    last_session_date: T.DateType = column("Day of the last session")
    last_ticket_date: T.DateType = column("Day on which the latest ticket was opened")
    first_name: T.StringType = column("First name", pii=True)
    last_name: T.StringType = column("Last name", pii=True)
    email: T.StringType = column("Email address", pii=True)
    is_email_plausible: T.BooleanType = column(
        "False if the email address is invalid; empty if there is none"
    )
    gender: T.StringType = column("Gender")
    date_of_birth: T.DateType = column("Date of birth", pii=True)
    signup_date: T.DateType = column("Sign-up day")
    region: T.StringType = column("Sales region")
    customer_segment: T.StringType = column("Customer segment, from the source")


_ZERO_IF_GIVEN: Mapping[str, tuple[str, T.DataType]] = {
    "monetary_value": ("purchases", MONEY),
    "purchase_days": ("purchases", T.LongType()),
    "is_churn_risk": ("purchases", T.BooleanType()),
    "frequency": ("purchases", T.LongType()),
    "total_returns": ("returns", T.LongType()),
    "returned_orders": ("returns", T.LongType()),
    "returned_amount": ("returns", MONEY),
    "total_tickets": ("support", T.LongType()),
    "open_tickets": ("support", T.LongType()),
    "total_sessions": ("engagement", T.LongType()),
    "active_days": ("engagement", T.LongType()),
    "engagement_score": ("engagement", RATIO),
}
"""What is 0 or false for a customer to whom nothing happened, with its source and its type."""

_COUNT_OF = {
    "purchases": "frequency",
    "returns": "total_returns",
    "support": "total_tickets",
    "engagement": "total_sessions",
}
"""The column of each source that is empty only if nothing happened."""


@csv_file(order_by=["customer_id"], with_day=True)
@table(
    Customer360,
    population=Population,
    purchases=Purchases,
    preferences=Preferences,
    returns=CustomerReturns,
    support=Support,
    engagement=Engagement,
    segments=Segments,
    rfm=Rfm,
    churn=Churn,
    clv=Clv,
    churn_model=ChurnModel,
    customers=Customers,
)
def customer_360(
    population: DataFrame,
    customers: DataFrame,
    purchases: DataFrame,
    preferences: DataFrame,
    returns: DataFrame,
    support: DataFrame,
    engagement: DataFrame,
    rfm: DataFrame,
    segments: DataFrame,
    churn: DataFrame,
    clv: DataFrame,
    churn_model: DataFrame,
) -> DataFrame:
    scores = ["r_score", "f_score", "m_score"]
    parts = [
        customers.drop("signup_date", "source_file", "source_version", "source_line", "delivery_date"),
        purchases.drop("as_of_date", "is_orphan"),
        preferences.drop("as_of_date"),
        returns.drop("as_of_date"),
        support.drop("as_of_date", "resolved_tickets"),
        engagement.drop("as_of_date", "engagement_points"),
        rfm.select("customer_id", *scores),
        segments.drop("as_of_date"),
        churn.drop("as_of_date", "recency_days"),
        clv.drop("as_of_date", "tenure_days", "repeat_purchase_days"),
    ]
    joined = reduce(
        lambda left, right: left.join(right, "customer_id", "left"), parts, population.drop("as_of_date")
    )
    given = with_given(joined, purchases=purchases, returns=returns, support=support, engagement=engagement)
    zeros = {
        name: F.when(F.col(_COUNT_OF[source]).isNotNull(), F.col(name)).when(
            F.col(f"has_{source}"), F.lit(0).cast(zero)
        )
        for name, (source, zero) in _ZERO_IF_GIVEN.items()
    }
    net_revenue = F.col("monetary_value") - F.col("returned_amount")
    whole = (
        given.withColumns(zeros)
        .withColumn("net_revenue", net_revenue.cast(MONEY))
        .withColumn(
            "historic_value", F.when(F.col("has_returns"), F.coalesce("historic_value", "net_revenue"))
        )
        .withColumn("return_rate", ratio("returned_orders", "frequency"))
    )
    shown = with_row(whole, churn_model.select("is_purchase_model_withheld"))
    is_withheld = F.col("is_purchase_model_withheld")
    for name in ("p_alive", "expected_purchases_90", "clv_12m"):
        shown = shown.withColumn(name, F.when(~is_withheld, F.col(name)))
    has_model = F.col("purchase_model").isNotNull()
    return shown.withColumn(
        "purchase_model", F.when(has_model & is_withheld, F.lit(WITHHELD)).otherwise(F.col("purchase_model"))
    )
