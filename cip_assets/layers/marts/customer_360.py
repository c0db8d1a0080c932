"""Everything known of each customer at D; predictions that proved worse than the base rate are withheld."""

from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.broadcast import with_row
from cip_assets.calc.exact import ratio
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
    DaySnapshot, grain="one row per known customer and as-of day", key=["customer_id"], domain="customers"
):
    """Everything known of a customer at D. Counts and sums are 0 where nothing happened; averages, scores
    and dates are empty.
    """

    customer_id: T.StringType = column("Customer", required=True)
    recency_days: T.IntegerType = column("D minus the last purchase day", unit="days", ge=0)
    frequency: T.LongType = column("Distinct transactions", required=True, ge=0)
    monetary_value: Money = column("Sum of the amounts bought", required=True, ge=0, unit="currency")
    avg_order_value: Money = column("monetary_value / frequency", unit="currency", ge=0)
    payment_method: T.StringType = column("Most used payment method")
    total_returns: T.LongType = column("Returns", required=True, ge=0)
    returned_amount: Money = column("Sum paid back", required=True, ge=0, unit="currency")
    return_rate: Ratio = column(
        "Distinct returned transactions / transactions", "returned_transactions", "frequency", ge=0, le=1
    )
    net_revenue: Money = column(
        "monetary_value - returned_amount",
        "monetary_value",
        "returned_amount",
        required=True,
        unit="currency",
    )
    total_sessions: T.LongType = column("Web sessions", required=True, ge=0)
    active_days: T.LongType = column("Distinct days with a session", required=True, ge=0)
    engagement_score: Ratio = column("0 (no session) to 100, by rank", required=True, ge=0, le=100)
    total_tickets: T.LongType = column("Support tickets", required=True, ge=0)
    avg_resolution_days: Ratio = column("Mean days to resolution", unit="days", ge=0)
    open_tickets: T.LongType = column("Tickets open at D", required=True, ge=0)
    top_category: T.StringType = column("Category with the highest spend")
    top_brand: T.StringType = column("Brand with the highest spend")
    r_score: T.IntegerType = column("Recency score, 5 is most recent", ge=1, le=5)
    f_score: T.IntegerType = column("Frequency score, 5 is most often", ge=1, le=5)
    m_score: T.IntegerType = column("Monetary score, 5 is most", ge=1, le=5)
    rfm_segment: T.StringType = column("Segment by R, F and M", required=True)
    value_segment: T.StringType = column("Segment by value rules", required=True)
    is_churn_risk: T.BooleanType = column("True where recency_days exceeds the rules' limit", required=True)
    churn_probability: Ratio = column(
        "P(no purchase within the rules' churn window); empty for who never bought", ge=0, le=1
    )
    churn_band: T.StringType = column("Low, Medium or High churn probability")
    churn_model: T.StringType = column(
        "Which model speaks of churn; 'withheld' where none held a window ago", "churn.churn_model"
    )
    churn_reasons: T.StringType = column("What speaks for churn, separated by '; '")
    p_alive: Ratio = column("P(still a customer at D); 1 for one-time buyers by construction", ge=0, le=1)
    expected_purchases_90: Ratio = column("Purchase days expected in the next 90 days", ge=0)
    clv_12m: Money = column("Expected spend over the next 12 months, discounted", unit="currency", ge=0)
    purchase_model: T.StringType = column(
        "Which model of purchases speaks; 'withheld' where its predictions of a window ago did not hold",
        "clv.purchase_model",
        "is_purchase_model_withheld",
    )
    historic_value: Money = column(
        "Purchases minus returns",
        "historic_value",
        "monetary_value",
        "returned_amount",
        required=True,
        unit="currency",
    )
    first_purchase_date: T.DateType = column("Day of the first purchase")
    last_purchase_date: T.DateType = column("Day of the last purchase")
    purchase_days: T.LongType = column("Distinct days with a purchase", required=True, ge=0)
    last_session_date: T.DateType = column("Day of the latest session")
    last_ticket_date: T.DateType = column("Day the latest ticket was opened")
    first_name: T.StringType = column("First name", pii=True)
    last_name: T.StringType = column("Last name", pii=True)
    email: T.StringType = column("E-mail address, as delivered", pii=True)
    is_email_plausible: T.BooleanType = column("False where the e-mail is present and cannot be one")
    gender: T.StringType = column("Gender")
    date_of_birth: T.DateType = column("Date of birth", pii=True)
    signup_date: T.DateType = column("Day the customer signed up")
    region: T.StringType = column("Sales region")
    customer_segment: T.StringType = column("Kind of customer, as the source says")


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
    counts = [
        "frequency",
        "purchase_days",
        "total_returns",
        "returned_transactions",
        "total_sessions",
        "active_days",
        "total_tickets",
        "open_tickets",
    ]
    zero = F.lit(0).cast("decimal(18,2)")
    whole = (
        joined.fillna(dict.fromkeys(counts, 0))
        .fillna({"is_churn_risk": False})
        .withColumn("monetary_value", F.coalesce("monetary_value", zero))
        .withColumn("returned_amount", F.coalesce("returned_amount", zero))
        .withColumn("engagement_score", F.coalesce("engagement_score", F.lit(0).cast("decimal(18,6)")))
        .withColumn("net_revenue", (F.col("monetary_value") - F.col("returned_amount")).cast("decimal(18,2)"))
        .withColumn("historic_value", F.coalesce("historic_value", F.col("net_revenue")))
        .withColumn("return_rate", ratio("returned_transactions", "frequency"))
    )
    proved = with_row(whole, churn_model.select("is_purchase_model_withheld"))
    is_withheld = F.col("is_purchase_model_withheld")
    for name in ("p_alive", "expected_purchases_90", "clv_12m"):
        proved = proved.withColumn(name, F.when(~is_withheld, F.col(name)))
    spoke = F.col("purchase_model").isNotNull() & is_withheld
    return proved.withColumn(
        "purchase_model", F.when(spoke, F.lit(WITHHELD)).otherwise(F.col("purchase_model"))
    )
