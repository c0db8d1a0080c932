"""Marts: what people read. Snapshots as of a day, like the features."""

from collections.abc import Sequence

import pyspark.sql.types as T
from pandera.pyspark import DataFrameModel

from cip_assets.contracts.table import AS_OF, Declare, Money, Ratio, column, contract


class _AsOf(DataFrameModel):
    as_of_date: T.DateType = column("Day D: the row uses nothing dated after it", required=True)


def _mart(name: str, grain: str, *key: str, domain: str, inputs: Sequence[str]) -> Declare:
    return contract(
        f"marts/{name}",
        grain=grain,
        key=[AS_OF, *key],
        domain=domain,
        partition_column=AS_OF,
        inputs=inputs,
    )


_RETURNING = ("transactions.customer_id", "month", "first_purchase_date")
_ACTIVE = ("transactions.customer_id", "web_activity.customer_id")
_CHURNED = ("transactions.customer_id", "month", "transaction_date", "session_id")


@_mart(
    "customer_360",
    "one row per known customer and as-of day",
    "customer_id",
    domain="customers",
    inputs=[
        "features/population",
        "features/purchases",
        "features/preferences",
        "features/returns",
        "features/support",
        "features/engagement",
        "features/segments",
        "features/rfm",
        "features/churn",
        "features/clv",
        "features/churn_model",
        "cleaned/customers",
    ],
)
class Customer360(_AsOf):
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


@_mart(
    "cohort_retention",
    "one row per cohort, month since and as-of day",
    "cohort_month",
    "month_number",
    domain="customers",
    inputs=["cleaned/transactions", "features/purchases"],
)
class CohortRetention(_AsOf):
    """Which share of the buyers that started in a month bought again k months later."""

    cohort_month: T.DateType = column(
        "Month of the first purchase, as its first day", "first_purchase_date", required=True
    )
    month_number: T.IntegerType = column(
        "k: months since the cohort month", "first_purchase_date", required=True, ge=0
    )
    cohort_size: T.LongType = column(
        "Buyers whose first purchase fell into the cohort month", "purchases.customer_id", required=True, ge=1
    )
    active_buyers: T.LongType = column(
        "Distinct buyers of the cohort in month k; empty until that month is over", "transactions.customer_id"
    )
    retention_rate: Ratio = column(
        "active_buyers / cohort_size; empty until that month is over",
        "transactions.customer_id",
        "purchases.customer_id",
        ge=0,
        le=1,
    )


@_mart(
    "kpi_totals",
    "one row per as-of day",
    domain="sales",
    inputs=["features/population", "features/purchases", "features/returns"],
)
class KpiTotals(_AsOf):
    """The totals that everything else must add up to."""

    total_customers: T.LongType = column("Known customers", "population.customer_id", required=True, ge=0)
    buyers: T.LongType = column(
        "Distinct buyers, orphans included", "purchases.customer_id", required=True, ge=0
    )
    total_revenue: Money = column(
        "Sum of all amounts, orphans included", "monetary_value", required=True, unit="currency"
    )
    net_revenue: Money = column(
        "total_revenue - returned_amount", "monetary_value", "returned_amount", required=True, unit="currency"
    )
    returned_amount: Money = column("Sum paid back", required=True, unit="currency")
    avg_order_value: Money = column(
        "total_revenue / transactions", "monetary_value", "frequency", unit="currency"
    )
    orphan_revenue: Money = column(
        "Revenue of buyers that customers lacks",
        "monetary_value",
        "is_orphan",
        required=True,
        unit="currency",
    )


@_mart(
    "kpi_activity",
    "one row per activity type and as-of day",
    "activity_type",
    domain="web",
    inputs=["cleaned/web_activity"],
)
class KpiActivity(_AsOf):
    """Web activity by type."""

    activity_type: T.StringType = column("Activity; Unknown where it was not given", required=True)
    sessions: T.LongType = column("Sessions", "session_id", required=True, ge=1)
    customers: T.LongType = column("Distinct customers", "customer_id", required=True, ge=1)
    session_share: Ratio = column("Share of all sessions", "session_id", required=True, ge=0, le=1)


@_mart(
    "kpi_revenue_segment",
    "one row per segmentation, segment and as-of day",
    "segmentation",
    "segment",
    domain="sales",
    inputs=["marts/customer_360"],
)
class KpiRevenueSegment(_AsOf):
    """Customers and revenue by segment. Orphan revenue is in kpi_totals."""

    segmentation: T.StringType = column(
        "By what", required=True, isin=["rfm_segment", "value_segment", "customer_segment", "region"]
    )
    segment: T.StringType = column(
        "The segment; Unknown where the customer has none",
        "rfm_segment",
        "value_segment",
        "customer_segment",
        "region",
        required=True,
    )
    customers: T.LongType = column("Known customers", "customer_id", required=True, ge=1)
    buyers: T.LongType = column("Those with a purchase", "customer_id", "frequency", required=True, ge=0)
    revenue: Money = column("Sum of the amounts", "monetary_value", required=True, ge=0, unit="currency")
    net_revenue: Money = column("revenue minus returns", required=True, unit="currency")
    revenue_share: Ratio = column("Share of the revenue of known customers", "monetary_value", ge=0, le=1)


@_mart(
    "kpi_monthly_revenue",
    "one row per month and as-of day",
    "month",
    domain="sales",
    inputs=["cleaned/transactions"],
)
class KpiMonthlyRevenue(_AsOf):
    """Revenue by month, from the first purchase to D; the last month is cut at D."""

    month: T.DateType = column("Month, as its first day", required=True)
    monthly_revenue: Money = column("Sum of the amounts", "amount", required=True, ge=0, unit="currency")
    orders: T.LongType = column("Transactions", "transaction_id", required=True, ge=0)
    buyers: T.LongType = column("Distinct buyers", "customer_id", required=True, ge=0)
    is_complete: T.BooleanType = column(
        "False for the month that D cuts: its figures are of a part of it", "month", required=True
    )


@_mart(
    "kpi_top_customers",
    "one row per rank and as-of day",
    "rank",
    domain="customers",
    inputs=["marts/customer_360"],
)
class KpiTopCustomers(_AsOf):
    """The customers with the highest spend; ties go to the smaller id."""

    rank: T.IntegerType = column(
        "1 is the highest spend", "monetary_value", "customer_id", required=True, ge=1
    )
    customer_id: T.StringType = column("Customer", required=True)
    monetary_value: Money = column("Sum of the amounts", required=True, ge=0, unit="currency")
    frequency: T.LongType = column("Distinct transactions", required=True, ge=1)
    last_purchase_date: T.DateType = column("Day of the last purchase", required=True)
    rfm_segment: T.StringType = column("Segment by R, F and M", required=True)


@_mart(
    "kpi_top_products",
    "one row per rank and as-of day",
    "rank",
    domain="products",
    inputs=["cleaned/transactions", "cleaned/products"],
)
class KpiTopProducts(_AsOf):
    """The products with the highest revenue; ties go to the smaller id."""

    rank: T.IntegerType = column("1 is the highest revenue", "amount", "product_id", required=True, ge=1)
    product_id: T.StringType = column("Product", required=True)
    product_name: T.StringType = column("Name; Unknown where products lacks it", required=True)
    category: T.StringType = column("Category; Unknown where products lacks it", required=True)
    brand: T.StringType = column("Brand; Unknown where products lacks it", required=True)
    revenue: Money = column("Sum of the amounts", "amount", required=True, ge=0, unit="currency")
    units: T.LongType = column("Units sold", "quantity", required=True, ge=1)
    orders: T.LongType = column("Transactions", "transaction_id", required=True, ge=1)
    buyers: T.LongType = column("Distinct buyers", "customer_id", required=True, ge=1)


@_mart(
    "kpi_trends",
    "one row per month and as-of day",
    "month",
    domain="customers",
    inputs=[
        "cleaned/transactions",
        "cleaned/returns",
        "cleaned/support_tickets",
        "cleaned/web_activity",
        "features/purchases",
    ],
)
class KpiTrends(_AsOf):
    """The four questions, month by month."""

    month: T.DateType = column("Month, as its first day", required=True)
    is_complete: T.BooleanType = column("False for the month that D cuts", "month", required=True)
    buyers: T.LongType = column(
        "Distinct buyers of the month", "transactions.customer_id", required=True, ge=0
    )
    returning_buyers: T.LongType = column(
        "Those whose first purchase was in an earlier month", *_RETURNING, required=True, ge=0
    )
    repeat_rate: Ratio = column("returning_buyers / buyers", *_RETURNING, ge=0, le=1)
    transactions: T.LongType = column("Transactions of the month", "transaction_id", required=True, ge=0)
    returns: T.LongType = column("Returns of the month", "return_id", required=True, ge=0)
    return_ratio: Ratio = column("returns / transactions", "return_id", "transaction_id", ge=0)
    active_customers: T.LongType = column(
        "Customers with a purchase or a session", *_ACTIVE, required=True, ge=0
    )
    tickets: T.LongType = column("Tickets opened in the month", "ticket_id", required=True, ge=0)
    complaints_per_100: Ratio = column("Tickets per 100 active customers", "ticket_id", *_ACTIVE, ge=0)
    churn_rate_q1: Ratio = column(
        "Of the month's buyers in the least engaged quarter: share without a purchase in the following "
        "churn window; empty until that window is over",
        *_CHURNED,
        ge=0,
        le=1,
    )
    churn_rate_q2: Ratio = column("The same for the second quarter", *_CHURNED, ge=0, le=1)
    churn_rate_q3: Ratio = column("The same for the third quarter", *_CHURNED, ge=0, le=1)
    churn_rate_q4: Ratio = column("The same for the most engaged quarter", *_CHURNED, ge=0, le=1)
    new_buyers: T.LongType = column(
        "Customers whose first purchase was in the month; empty until all had the time for a second",
        "first_purchase_date",
        ge=0,
    )
    second_orders: T.LongType = column(
        "Those that bought on another day within the rules' repeat.within_days",
        "first_purchase_date",
        "transaction_date",
        ge=0,
    )
    second_order_rate: Ratio = column(
        "second_orders / new_buyers", "first_purchase_date", "transaction_date", ge=0, le=1
    )


_MEASURED = (
    "second_order_rate",
    "return_ratio",
    "complaints_per_100",
    "churn_rate_q1",
    "churn_rate_q4",
    "is_complete",
)


@_mart(
    "insights",
    "one row per question and as-of day",
    "question",
    domain="customers",
    inputs=["marts/kpi_trends"],
)
class Insights(_AsOf):
    """The four questions answered: are repeat purchases declining, returns rising, complaints rising, and does
    engagement foretell churn?
    """

    question: T.StringType = column(
        "Which question",
        *_MEASURED,
        required=True,
        isin=["repeat_purchases", "returns", "complaints", "engagement"],
    )
    measure: T.StringType = column("The columns of kpi_trends that answer it", *_MEASURED, required=True)
    direction: T.StringType = column(
        "What the interval says; for engagement, of the churn of the least engaged over that of the most engaged",
        *_MEASURED,
        required=True,
        isin=["rising", "declining", "no change", "too early to say"],
    )
    answer: T.StringType = column("The answer in words, with its size", *_MEASURED, required=True)
    before: Ratio = column("Mean of the months compared with, or of the most engaged", *_MEASURED)
    now: Ratio = column("Mean of the months compared, or of the least engaged", *_MEASURED)
    change: Ratio = column("now - before", *_MEASURED)
    low: Ratio = column("Low end of the 99 % interval of the change, by Student's t over months", *_MEASURED)
    high: Ratio = column("High end of it", *_MEASURED)
    compared: T.IntegerType = column("Pairs of months compared", *_MEASURED, required=True, ge=0)
    basis: T.StringType = column("What was compared with what", *_MEASURED, required=True)


@_mart(
    "segment_migration",
    "one row per segment a churn window ago, segment at D, and as-of day",
    "from_segment",
    "to_segment",
    domain="customers",
    inputs=["features/segments", "features/population", "cleaned/transactions", "cleaned/customers"],
)
class SegmentMigration(_AsOf):
    """How customers moved between RFM segments over the last churn window."""

    from_segment: T.StringType = column(
        "Segment at `since`; 'Not yet a customer' for who signed up later",
        "transactions.customer_id",
        "transaction_date",
        "amount",
        "population.signup_date",
        required=True,
    )
    to_segment: T.StringType = column("Segment at D", "rfm_segment", required=True)
    since: T.DateType = column("The earlier day, D minus the churn window", "transaction_date", required=True)
    customers: T.LongType = column("Customers that made the move", "customer_id", required=True, ge=1)
    from_customers: T.LongType = column("Customers in from_segment then", "customer_id", required=True, ge=1)
    share: Ratio = column("customers / from_customers", "customer_id", required=True, ge=0, le=1)


_PREDICTED = ("p_purchase_model", "p_challenger", "p_recency", "p_carry_forward", "p_base_rate")
_BACKTESTED = (*_PREDICTED, "came_days")


@_mart(
    "model_backtest",
    "one row per model or baseline and as-of day",
    "model",
    domain="customers",
    inputs=["features/past_predictions"],
)
class ModelBacktest(_AsOf):
    """Predictions of the day one churn window before D, judged by what came until D.

    Beside the purchase model and the challenger stand three baselines: recency alone (the share that bought again
    last time, by how long they had been silent), the last window carried forward, and the base rate. None knows
    anything of the window.
    """

    model: T.StringType = column(
        "Who speaks",
        *_PREDICTED,
        required=True,
        isin=["purchase_model", "challenger", "recency", "carry_forward", "base_rate"],
    )
    predicted_on: T.DateType = column("The day of the predictions", required=True)
    window_days: T.IntegerType = column("Days after it", required=True, unit="days", ge=1)
    customers: T.LongType = column("Known buyers of that day", "customer_id", required=True, ge=1)
    bought_share: Ratio = column(
        "Share of them that bought in the window", "came_days", required=True, ge=0, le=1
    )
    brier: Ratio = column(
        "Mean squared error of the probability to buy; less is better",
        *_BACKTESTED,
        required=True,
        ge=0,
        le=1,
    )
    log_loss: Ratio = column("Mean log loss of it; less is better", *_BACKTESTED, required=True, ge=0)
    auc: Ratio = column(
        "P(who bought has a higher probability than who did not); 0.5 is a coin", *_BACKTESTED, ge=0, le=1
    )
    spearman: Ratio = column(
        "Rank correlation of the probability and the purchase days that came", *_BACKTESTED, ge=-1, le=1
    )
    calibration_error: Ratio = column(
        "How far what was said of a tenth is from what came, on average over the customers",
        *_BACKTESTED,
        required=True,
        ge=0,
        le=1,
    )
    mae_purchases: Ratio = column(
        "Mean error of the expected purchase days; empty where a model expects none",
        "expected_purchases_90",
        "past_days",
        *_BACKTESTED,
        ge=0,
    )
    top_decile_spend_share: Ratio = column(
        "Share of the window's spend by who was expected to spend most, the top tenth",
        "expected_purchases_90",
        "expected_value",
        "past_spend",
        "came_spend",
        ge=0,
        le=1,
    )


@_mart(
    "model_calibration",
    "one row per model, tenth of the customers by probability, and as-of day",
    "model",
    "decile",
    domain="customers",
    inputs=["features/past_predictions"],
)
class ModelCalibration(_AsOf):
    """The customers of the backtest in ten parts by probability: how many were said to buy, and how many did."""

    model: T.StringType = column(
        "Who speaks",
        "p_purchase_model",
        "p_challenger",
        required=True,
        isin=["purchase_model", "challenger"],
    )
    decile: T.IntegerType = column(
        "1 is the least likely to buy", *_BACKTESTED[:2], required=True, ge=1, le=10
    )
    customers: T.LongType = column("Customers in it", "customer_id", required=True, ge=1)
    predicted: Ratio = column("Mean probability to buy", *_BACKTESTED[:2], required=True, ge=0, le=1)
    actual: Ratio = column("Share that bought", "came_days", required=True, ge=0, le=1)
