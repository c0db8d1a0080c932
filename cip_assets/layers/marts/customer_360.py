"""Customer 360: one row for each customer."""

from collections.abc import Mapping
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.exact import MONEY, RATIO, ratio
from cip_assets.calc.given import with_given
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.features.churn import Churn
from cip_assets.layers.features.clv import Clv
from cip_assets.layers.features.engagement import Engagement
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.preferences import Preferences
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns
from cip_assets.layers.features.rfm import Rfm
from cip_assets.layers.features.segments import Segments
from cip_assets.layers.features.support import Support


class Customer360(
    DaySnapshot, grain="one row per customer and snapshot day", key=["customer_id"], domain="customers"
):
    """Everything known about each customer on the snapshot day. If nothing happened, counts and sums are 0; averages,
    scores and dates are empty. What comes from orders, returns, tickets or web activity is empty for all customers if
    no customer has any, and what comes from an unknown amount is empty.
    """

    customer_id: T.StringType = column("Customer id", required=True)
    recency_days: T.IntegerType = same_as(Purchases, "recency_days")
    frequency: T.LongType = column("Number of orders; empty if no order names a customer", ge=0)
    monetary_value: Money = column(
        "Total spend; empty if an amount is unknown or no order names a customer", ge=0, unit="currency"
    )
    avg_order_value: Money = same_as(Purchases, "avg_order_value")
    payment_method: T.StringType = same_as(Preferences, "payment_method")
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
    avg_resolution_days: Ratio = same_as(Support, "avg_resolution_days")
    open_tickets: T.LongType = same_as(Support, "open_tickets")
    top_category: T.StringType = same_as(Preferences, "top_category")
    top_brand: T.StringType = same_as(Preferences, "top_brand")
    r_score: T.IntegerType = column("Recency score; 5 is the most recent", ge=1, le=5)
    f_score: T.IntegerType = column("Frequency score; 5 is the most frequent", ge=1, le=5)
    m_score: T.IntegerType = column(
        "Monetary score; 5 is the highest spend. Empty if the spend of a buyer is unknown", ge=1, le=5
    )
    rfm_segment: T.StringType = same_as(Segments, "rfm_segment", required=True)
    value_segment: T.StringType = same_as(Segments, "value_segment", required=True)
    churn_probability: Ratio = column(
        "Probability of no purchase within the churn window; empty if withheld or if the customer has never bought",
        ge=0,
        le=1,
    )
    churn_probability_low: Ratio = same_as(Churn, "churn_probability_low")
    churn_probability_high: Ratio = same_as(Churn, "churn_probability_high")
    churn_band: T.StringType = same_as(Churn, "churn_band")
    is_churn_risk: T.BooleanType = column(
        "True if churn_band is High; false if the customer has never bought, empty if withheld or no order names a "
        "customer"
    )
    is_worth_contacting: T.BooleanType = same_as(Churn, "is_worth_contacting")
    churn_reasons: T.StringType = same_as(Churn, "churn_reasons")
    p_alive: Ratio = same_as(Clv, "p_alive")
    expected_orders: Ratio = same_as(Clv, "expected_orders")
    orders_low: Ratio = same_as(Clv, "orders_low")
    orders_high: Ratio = same_as(Clv, "orders_high")
    expected_purchases_90: Ratio = same_as(Clv, "expected_purchases_90")
    expected_spend: Money = same_as(Clv, "expected_spend")
    spend_low: Money = same_as(Clv, "spend_low")
    spend_high: Money = same_as(Clv, "spend_high")
    clv_12m: Money = same_as(Clv, "clv_12m")
    clv_12m_low: Money = same_as(Clv, "clv_12m_low")
    clv_12m_high: Money = same_as(Clv, "clv_12m_high")
    clv_12m_net: Money = same_as(Clv, "clv_12m_net")
    clv_12m_margin: Money = same_as(Clv, "clv_12m_margin")
    clv_horizon: Money = same_as(Clv, "clv_horizon")
    forecast_model: T.StringType = column(
        "Model behind all forecasts of the row; 'withheld' if none beat the base rate", "churn.forecast_model"
    )
    historic_value: Money = column(
        "Spend minus refunds",
        "historic_value",
        "monetary_value",
        "returned_amount",
        unit="currency",
    )
    first_purchase_date: T.DateType = same_as(Purchases, "first_purchase_date")
    last_purchase_date: T.DateType = same_as(Purchases, "last_purchase_date")
    purchase_days: T.LongType = column(
        "Days with at least one purchase; empty if no order names a customer", ge=0
    )
    last_session_date: T.DateType = same_as(Engagement, "last_session_date")
    last_ticket_date: T.DateType = same_as(Support, "last_ticket_date")
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
        clv.drop("as_of_date", "tenure_days", "repeat_purchase_days", "forecast_model"),
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
    return (
        given.withColumns(zeros)
        .withColumn("net_revenue", net_revenue.cast(MONEY))
        .withColumn(
            "historic_value", F.when(F.col("has_returns"), F.coalesce("historic_value", "net_revenue"))
        )
        .withColumn("return_rate", ratio("returned_orders", "frequency"))
    )
