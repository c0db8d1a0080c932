"""Features: one row per customer and as-of day, computed from what was known by that day."""

import pyspark.sql.types as T
from pandera.pyspark import DataFrameModel

from cip_assets.contracts.base import Declare, Money, Ratio, column, contract


class _AsOf(DataFrameModel):
    as_of_date: T.DateType = column("Day D: the row uses nothing dated after it", required=True)


class _PerCustomer(_AsOf):
    customer_id: T.StringType = column("Customer", required=True)


def _feature(
    name: str, grain: str = "one row per customer and as-of day", key: str = "customer_id"
) -> Declare:
    return contract(f"features/{name}", grain=grain, key=["as_of_date", key], partition_column="as_of_date")


@_feature("population")
class Population(_PerCustomer):
    """The customers known at D: signed up by D, or with an event by D, or with an unknown sign-up date."""

    signup_date: T.DateType = column("Day the customer signed up; empty where unknown")


@_feature("purchases", "one row per buyer and as-of day, orphans included")
class Purchases(_PerCustomer):
    """What each buyer bought by D. A buyer that the customers table lacks is kept and flagged."""

    is_orphan: T.BooleanType = column("True where the customers table does not know the buyer", required=True)
    first_purchase_date: T.DateType = column("Day of the first purchase", required=True)
    last_purchase_date: T.DateType = column("Day of the last purchase by D", required=True)
    recency_days: T.IntegerType = column("D minus the last purchase day", required=True, unit="days", ge=0)
    frequency: T.LongType = column("Distinct transactions", required=True, ge=1)
    purchase_days: T.LongType = column("Distinct days with a purchase", required=True, ge=1)
    monetary_value: Money = column("Sum of the amounts", required=True, ge=0, unit="currency")
    avg_order_value: Money = column(
        "monetary_value / frequency, rounded half up", required=True, unit="currency"
    )


@_feature("preferences", "one row per buyer and as-of day, orphans included")
class Preferences(_PerCustomer):
    """What each buyer prefers. Ties go to the first in alphabetical order."""

    payment_method: T.StringType = column("Most used payment method, by transactions", required=True)
    top_category: T.StringType = column("Category with the highest spend", required=True)
    top_brand: T.StringType = column("Brand with the highest spend", required=True)


@_feature("returns", "one row per returning customer and as-of day")
class Returns(_PerCustomer):
    """What each customer returned by D."""

    total_returns: T.LongType = column("Returns", required=True, ge=1)
    returned_amount: Money = column("Sum paid back", required=True, ge=0, unit="currency")
    returned_transactions: T.LongType = column(
        "Distinct transactions of the customer that were returned, in part or whole", required=True, ge=0
    )


@_feature("support", "one row per customer with a ticket and as-of day")
class Support(_PerCustomer):
    """Support tickets opened by D, as they stood at D."""

    total_tickets: T.LongType = column("Tickets opened by D", required=True, ge=1)
    open_tickets: T.LongType = column(
        "Tickets resolved after D, or without a resolution and neither Closed nor Resolved",
        required=True,
        ge=0,
    )
    resolved_tickets: T.LongType = column("Tickets resolved by D", required=True, ge=0)
    avg_resolution_days: Ratio = column(
        "Mean days from opening to resolution, of those resolved by D", unit="days"
    )
    last_ticket_date: T.DateType = column("Day the latest ticket was opened", required=True)


@_feature("engagement", "one row per customer with a session and as-of day")
class Engagement(_PerCustomer):
    """Web activity by D."""

    total_sessions: T.LongType = column("Sessions", required=True, ge=1)
    active_days: T.LongType = column("Distinct days with a session", required=True, ge=1)
    last_session_date: T.DateType = column("Day of the latest session", required=True)
    engagement_points: T.LongType = column(
        "Activity weights, halved every half-life, in billionths of a point", required=True
    )
    engagement_score: Ratio = column(
        "Share of the customers with sessions whose points are at or below these, times 100",
        required=True,
        ge=0,
        le=100,
    )


@_feature("rfm_cut_points", "one row per metric and as-of day", "metric")
class RfmCutPoints(_AsOf):
    """Nearest-rank percentiles over the buyers that customers knows; the scores follow from them."""

    metric: T.StringType = column(
        "What is cut", required=True, isin=["recency_days", "frequency", "monetary_value"]
    )
    buyers: T.LongType = column("Buyers the percentiles are taken over", required=True, ge=1)
    p20: Money = column("Smallest value with at least 20 % at or below it", required=True)
    p40: Money = column("Smallest value with at least 40 % at or below it", required=True)
    p60: Money = column("Smallest value with at least 60 % at or below it", required=True)
    p80: Money = column("Smallest value with at least 80 % at or below it", required=True)


@_feature("rfm", "one row per known buyer and as-of day")
class Rfm(_PerCustomer):
    """Recency, frequency and monetary scores, 1 to 5; 5 is best for all three."""

    recency_days: T.IntegerType = column("D minus the last purchase day", required=True, unit="days", ge=0)
    frequency: T.LongType = column("Distinct transactions", required=True, ge=1)
    monetary_value: Money = column("Sum of the amounts", required=True, ge=0, unit="currency")
    r_score: T.IntegerType = column(
        "6 minus (1 + cut-points that recency_days exceeds)", required=True, ge=1, le=5
    )
    f_score: T.IntegerType = column("1 + cut-points that frequency exceeds", required=True, ge=1, le=5)
    m_score: T.IntegerType = column("1 + cut-points that monetary_value exceeds", required=True, ge=1, le=5)
    rfm_segment: T.StringType = column("First segment of the rules that fits the scores", required=True)


@_feature("segments", "one row per known customer and as-of day")
class Segments(_PerCustomer):
    """The segments of every known customer, buyers or not."""

    rfm_segment: T.StringType = column("Segment by R, F and M; 'No purchase' without one", required=True)
    value_segment: T.StringType = column("Segment by value rules; 'No purchase' without one", required=True)


@_feature("churn", "one row per known buyer and as-of day")
class Churn(_PerCustomer):
    """The churn rule."""

    recency_days: T.IntegerType = column("D minus the last purchase day", required=True, unit="days", ge=0)
    is_churn_risk: T.BooleanType = column("True where recency_days exceeds the rules' limit", required=True)


@_feature("clv", "one row per known buyer and as-of day")
class Clv(_PerCustomer):
    """Customer value so far."""

    historic_value: Money = column("Purchases minus returns, by D", required=True, unit="currency")
    tenure_days: T.IntegerType = column("D minus the first purchase day", required=True, unit="days", ge=0)
    repeat_purchase_days: T.LongType = column("Distinct purchase days after the first", required=True, ge=0)
