"""Features: one row per customer and as-of day, computed from what was known by that day."""

from collections.abc import Sequence

import pyspark.sql.types as T
from pandera.pyspark import DataFrameModel

from cip_assets.contracts.table import AS_OF, Declare, Money, Ratio, column, contract


class _AsOf(DataFrameModel):
    as_of_date: T.DateType = column("Day D: the row uses nothing dated after it", required=True)


class _PerCustomer(_AsOf):
    customer_id: T.StringType = column("Customer", required=True)


_RFM = ("recency_days", "frequency", "monetary_value")
_CUT_POINTS = ("metric", "p20", "p40", "p60", "p80")


def _feature(
    name: str,
    grain: str = "one row per customer and as-of day",
    key: str = "customer_id",
    *,
    domain: str,
    inputs: Sequence[str],
) -> Declare:
    return contract(
        f"features/{name}",
        grain=grain,
        key=[AS_OF, key],
        domain=domain,
        partition_column=AS_OF,
        inputs=inputs,
    )


@_feature(
    "population",
    domain="customers",
    inputs=[
        "cleaned/customers",
        "cleaned/transactions",
        "cleaned/returns",
        "cleaned/support_tickets",
        "cleaned/web_activity",
    ],
)
class Population(_PerCustomer):
    """The customers known at D: signed up by D, or with an event by D, or with an unknown sign-up date."""

    signup_date: T.DateType = column("Day the customer signed up; empty where unknown")


@_feature(
    "purchases",
    "one row per buyer and as-of day, orphans included",
    domain="sales",
    inputs=["cleaned/transactions", "cleaned/customers"],
)
class Purchases(_PerCustomer):
    """What each buyer bought by D. A buyer that the customers table lacks is kept and flagged."""

    is_orphan: T.BooleanType = column(
        "True where the customers table does not know the buyer",
        "transactions.customer_id",
        "customers.customer_id",
        required=True,
    )
    first_purchase_date: T.DateType = column("Day of the first purchase", "transaction_date", required=True)
    last_purchase_date: T.DateType = column(
        "Day of the last purchase by D", "transaction_date", required=True
    )
    recency_days: T.IntegerType = column(
        "D minus the last purchase day", "transaction_date", required=True, unit="days", ge=0
    )
    frequency: T.LongType = column("Distinct transactions", "transaction_id", required=True, ge=1)
    purchase_days: T.LongType = column(
        "Distinct days with a purchase", "transaction_date", required=True, ge=1
    )
    paid_days: T.LongType = column(
        "Purchase days whose amounts add up to more than 0", "amount", "transaction_date", required=True, ge=0
    )
    paid_repeat_days: T.LongType = column(
        "Those of them after the first purchase day", "amount", "transaction_date", required=True, ge=0
    )
    monetary_value: Money = column("Sum of the amounts", "amount", required=True, ge=0, unit="currency")
    avg_order_value: Money = column(
        "monetary_value / frequency, rounded half up",
        "amount",
        "transaction_id",
        required=True,
        unit="currency",
    )
    mean_repeat_value: Ratio = column(
        "Mean of the per-day totals of the paid days after the first purchase day; empty without one",
        "amount",
        "transaction_date",
        unit="currency per purchase day",
        ge=0,
    )


@_feature(
    "preferences",
    "one row per buyer and as-of day, orphans included",
    domain="sales",
    inputs=["cleaned/transactions", "cleaned/products"],
)
class Preferences(_PerCustomer):
    """What each buyer prefers. Ties go to the first in alphabetical order."""

    payment_method: T.StringType = column(
        "Most used payment method, by transactions", "payment_method", "transaction_id", required=True
    )
    top_category: T.StringType = column(
        "Category with the highest spend", "category", "amount", required=True
    )
    top_brand: T.StringType = column("Brand with the highest spend", "brand", "amount", required=True)


@_feature(
    "returns",
    "one row per returning customer and as-of day",
    domain="returns",
    inputs=["cleaned/returns", "cleaned/transactions"],
)
class Returns(_PerCustomer):
    """What each customer returned by D."""

    total_returns: T.LongType = column("Returns", "return_id", required=True, ge=1)
    returned_amount: Money = column("Sum paid back", "amount", required=True, ge=0, unit="currency")
    returned_transactions: T.LongType = column(
        "Distinct transactions of the customer that were returned, in part or whole",
        "transactions.transaction_id",
        "returns.transaction_id",
        required=True,
        ge=0,
    )


@_feature(
    "support",
    "one row per customer with a ticket and as-of day",
    domain="support",
    inputs=["cleaned/support_tickets"],
)
class Support(_PerCustomer):
    """Support tickets opened by D, as they stood at D."""

    total_tickets: T.LongType = column("Tickets opened by D", "ticket_id", required=True, ge=1)
    open_tickets: T.LongType = column(
        "Tickets resolved after D, or without a resolution and neither Closed nor Resolved",
        "ticket_id",
        "status",
        "resolved_date",
        required=True,
        ge=0,
    )
    resolved_tickets: T.LongType = column(
        "Tickets resolved by D", "ticket_id", "resolved_date", required=True, ge=0
    )
    avg_resolution_days: Ratio = column(
        "Mean days from opening to resolution, of those resolved by D",
        "opened_date",
        "resolved_date",
        unit="days",
    )
    last_ticket_date: T.DateType = column("Day the latest ticket was opened", "opened_date", required=True)


@_feature(
    "engagement",
    "one row per customer with a session and as-of day",
    domain="web",
    inputs=["cleaned/web_activity"],
)
class Engagement(_PerCustomer):
    """Web activity by D."""

    total_sessions: T.LongType = column("Sessions", "session_id", required=True, ge=1)
    active_days: T.LongType = column("Distinct days with a session", "timestamp", required=True, ge=1)
    last_session_date: T.DateType = column("Day of the latest session", "timestamp", required=True)
    engagement_points: T.LongType = column(
        "Activity weights, halved every half-life, in billionths of a point",
        "activity_type",
        "timestamp",
        required=True,
    )
    recent_sessions: T.LongType = column(
        "Sessions in the last 30 days", "session_id", "timestamp", required=True, ge=0
    )
    earlier_sessions: T.LongType = column(
        "Sessions in the 90 days before those", "session_id", "timestamp", required=True, ge=0
    )
    engagement_score: Ratio = column(
        "Share of the customers with sessions whose points are at or below these, times 100",
        "activity_type",
        "timestamp",
        required=True,
        ge=0,
        le=100,
    )


@_feature(
    "rfm_cut_points",
    "one row per metric and as-of day",
    "metric",
    domain="customers",
    inputs=["features/purchases"],
)
class RfmCutPoints(_AsOf):
    """Nearest-rank percentiles over the buyers that customers knows; the scores follow from them."""

    metric: T.StringType = column(
        "What is cut", required=True, isin=["recency_days", "frequency", "monetary_value"]
    )
    buyers: T.LongType = column("Buyers the percentiles are taken over", "customer_id", required=True, ge=1)
    p20: Money = column("Smallest value with at least 20 % at or below it", *_RFM, required=True)
    p40: Money = column("Smallest value with at least 40 % at or below it", *_RFM, required=True)
    p60: Money = column("Smallest value with at least 60 % at or below it", *_RFM, required=True)
    p80: Money = column("Smallest value with at least 80 % at or below it", *_RFM, required=True)


@_feature(
    "rfm",
    "one row per known buyer and as-of day",
    domain="customers",
    inputs=["features/purchases", "features/rfm_cut_points"],
)
class Rfm(_PerCustomer):
    """Recency, frequency and monetary scores, 1 to 5; 5 is best for all three."""

    recency_days: T.IntegerType = column("D minus the last purchase day", required=True, unit="days", ge=0)
    frequency: T.LongType = column("Distinct transactions", required=True, ge=1)
    monetary_value: Money = column("Sum of the amounts", required=True, ge=0, unit="currency")
    r_score: T.IntegerType = column(
        "6 minus (1 + cut-points that recency_days exceeds)",
        "recency_days",
        *_CUT_POINTS,
        required=True,
        ge=1,
        le=5,
    )
    f_score: T.IntegerType = column(
        "1 + cut-points that frequency exceeds", "frequency", *_CUT_POINTS, required=True, ge=1, le=5
    )
    m_score: T.IntegerType = column(
        "1 + cut-points that monetary_value exceeds",
        "monetary_value",
        *_CUT_POINTS,
        required=True,
        ge=1,
        le=5,
    )
    rfm_segment: T.StringType = column(
        "First segment of the rules that fits the scores", *_RFM, *_CUT_POINTS, required=True
    )


@_feature(
    "segments",
    "one row per known customer and as-of day",
    domain="customers",
    inputs=["features/population", "features/rfm"],
)
class Segments(_PerCustomer):
    """The segments of every known customer, buyers or not."""

    rfm_segment: T.StringType = column("Segment by R, F and M; 'No purchase' without one", required=True)
    value_segment: T.StringType = column(
        "Segment by value rules; 'No purchase' without one", *_RFM, required=True
    )


_PREDICTED = ("purchase_days", "first_purchase_date", "last_purchase_date", "model")
_PREDICTED_VALUE = (*_PREDICTED, "paid_days", "paid_repeat_days", "mean_repeat_value")
_HISTORY = ("first_purchase_date", "last_purchase_date", "purchase_days")
_VALUES = (*_HISTORY, "paid_days", "paid_repeat_days", "mean_repeat_value")


@_feature(
    "purchase_model",
    "one row per as-of day",
    "purchase_model",
    domain="customers",
    inputs=["features/purchases"],
)
class PurchaseModel(_AsOf):
    """The model of when customers buy and for how much, fitted on every buyer of the day.

    BG/NBD and Gamma-Gamma; where one cannot be fitted, a pooled rate or mean speaks, and the notes say why.
    """

    purchase_model: T.StringType = column(
        "Model of purchases", *_HISTORY, required=True, isin=["bg_nbd", "pooled_rate"]
    )
    value_model: T.StringType = column(
        "Model of their value", *_VALUES, required=True, isin=["gamma_gamma", "pooled_mean"]
    )
    window_days: T.IntegerType = column(
        "Days ahead over which a customer is active or churned", *_HISTORY, required=True, unit="days", ge=1
    )
    buyers: T.LongType = column("Buyers it was fitted on", "customer_id", required=True, ge=0)
    repeat_buyers: T.LongType = column(
        "Those with a second purchase day", "purchase_days", required=True, ge=0
    )
    r: T.DoubleType = column("BG/NBD r, or the pooled rate's", *_HISTORY)
    alpha: T.DoubleType = column("BG/NBD alpha, or the pooled rate's", *_HISTORY, unit="days")
    a: T.DoubleType = column("BG/NBD a", *_HISTORY)
    b: T.DoubleType = column("BG/NBD b", *_HISTORY)
    p: T.DoubleType = column("Gamma-Gamma p", *_VALUES)
    q: T.DoubleType = column("Gamma-Gamma q", *_VALUES)
    gamma: T.DoubleType = column("Gamma-Gamma gamma", *_VALUES, unit="currency per purchase day")
    r_se: T.DoubleType = column("Standard error of r; empty where the data does not tell", *_HISTORY)
    alpha_se: T.DoubleType = column("Standard error of alpha", *_HISTORY, unit="days")
    a_se: T.DoubleType = column("Standard error of a", *_HISTORY)
    b_se: T.DoubleType = column("Standard error of b", *_HISTORY)
    p_se: T.DoubleType = column("Standard error of p", *_VALUES)
    q_se: T.DoubleType = column("Standard error of q", *_VALUES)
    gamma_se: T.DoubleType = column("Standard error of gamma", *_VALUES, unit="currency per purchase day")
    log_likelihood: T.DoubleType = column("BG/NBD log-likelihood", *_HISTORY)
    value_log_likelihood: T.DoubleType = column("Gamma-Gamma log-likelihood", *_VALUES)
    notes: T.StringType = column("What was chosen and why", *_VALUES, required=True)
    model: T.StringType = column("The whole model, as JSON", *_VALUES, required=True)


_SEEN = ("transactions.customer_id", "transaction_date", "amount")
_JUDGED = (*_SEEN, "session_id", "ticket_id", "return_id")


@_feature(
    "past_predictions",
    "one row per buyer that was known one churn window before D, and as-of day",
    domain="customers",
    inputs=[
        "cleaned/transactions",
        "cleaned/customers",
        "cleaned/returns",
        "cleaned/support_tickets",
        "cleaned/web_activity",
    ],
)
class PastPredictions(_PerCustomer):
    """What was known of a buyer one churn window before D, what each model would have said then, and what came by D.

    The models are fitted as of that day, the challenger on the window before it. Models are judged by this table,
    and the challenger that speaks at D learns from it.
    """

    predicted_on: T.DateType = column("The day of the predictions, D minus the window", *_SEEN, required=True)
    window_days: T.IntegerType = column("Days from it to D", *_SEEN, required=True, unit="days", ge=1)
    recency_days: T.IntegerType = column("Days since the last purchase, then", *_SEEN, required=True, ge=0)
    tenure_days: T.IntegerType = column("Days since the first purchase, then", *_SEEN, required=True, ge=0)
    purchase_days: T.LongType = column("Distinct days with a purchase by then", *_SEEN, required=True, ge=1)
    monetary_value: Money = column("Spend by then", *_SEEN, required=True, unit="currency", ge=0)
    mean_repeat_value: Ratio = column(
        "Mean spend of a paid purchase day after the first, by then",
        *_SEEN,
        unit="currency per purchase day",
        ge=0,
    )
    recent_sessions: T.LongType = column(
        "Sessions of the last 30 days, then", "session_id", required=True, ge=0
    )
    earlier_sessions: T.LongType = column(
        "Sessions of the 90 days before those", "session_id", required=True, ge=0
    )
    total_tickets: T.LongType = column("Tickets opened by then", "ticket_id", required=True, ge=0)
    open_tickets: T.LongType = column(
        "Tickets open then", "ticket_id", "status", "resolved_date", required=True, ge=0
    )
    total_returns: T.LongType = column("Returns by then", "return_id", required=True, ge=0)
    p_active: Ratio = column(
        "P(a purchase in the window) by the purchase model", *_SEEN, required=True, ge=0, le=1
    )
    expected_purchases_90: Ratio = column(
        "Purchase days it expected in 90 days", *_SEEN, required=True, unit="days", ge=0
    )
    expected_value: Money = column(
        "Value it expected of a purchase day", *_SEEN, required=True, unit="currency", ge=0
    )
    past_days: T.LongType = column(
        "Purchase days in the window before, carried forward as a baseline", *_SEEN, required=True, ge=0
    )
    past_spend: Money = column(
        "Spend in the window before, carried forward", *_SEEN, required=True, unit="currency", ge=0
    )
    p_purchase_model: Ratio = column("P(a purchase) by the purchase model", *_SEEN, required=True, ge=0, le=1)
    p_challenger: Ratio = column(
        "P(a purchase) by gradient boosting; empty where it had too few to learn from", *_JUDGED, ge=0, le=1
    )
    p_recency: Ratio = column(
        "P(a purchase) by recency alone: how many that had been silent so long bought again last time",
        *_SEEN,
        required=True,
        ge=0,
        le=1,
    )
    p_carry_forward: Ratio = column(
        "P(a purchase) if the window before repeats", *_SEEN, required=True, ge=0, le=1
    )
    p_base_rate: Ratio = column(
        "P(a purchase) knowing nothing of the customer: the share that bought again last time",
        *_SEEN,
        required=True,
        ge=0,
        le=1,
    )
    came_days: T.LongType = column("Purchase days that came in the window", *_SEEN, required=True, ge=0)
    came_spend: Money = column("Spend that came in the window", *_SEEN, required=True, unit="currency", ge=0)


_SAID = ("p_purchase_model", "p_challenger", "p_base_rate", "came_days")


@_feature(
    "churn_model",
    "one row per as-of day",
    "churn_model",
    domain="customers",
    inputs=["features/past_predictions"],
)
class ChurnModel(_AsOf):
    """Which model speaks of churn at D, judged by its predictions of one churn window ago."""

    churn_model: T.StringType = column(
        "The model with the lower Brier score; 'withheld' where none held",
        *_SAID,
        required=True,
        isin=["purchase_model", "challenger", "withheld"],
    )
    is_purchase_model_withheld: T.BooleanType = column(
        "True where the purchase model did worse than the base rate, or its calibration broke",
        "p_purchase_model",
        "p_base_rate",
        "came_days",
        required=True,
    )
    customers: T.LongType = column("Buyers it was judged by", "customer_id", required=True, ge=0)
    notes: T.StringType = column("What was chosen and why", *_SAID, required=True)


@_feature(
    "challenger",
    "one row per known buyer and as-of day",
    domain="customers",
    inputs=[
        "features/purchases",
        "features/clv",
        "features/engagement",
        "features/support",
        "features/returns",
        "features/past_predictions",
    ],
)
class Challenger(_PerCustomer):
    """What gradient boosting says of a buyer, after learning from the churn window that ended at D."""

    p_active: Ratio = column(
        "P(a purchase within the rules' churn window); empty where there was too little to learn from",
        "recency_days",
        "first_purchase_date",
        "last_purchase_date",
        "purchases.purchase_days",
        "purchases.monetary_value",
        "purchases.mean_repeat_value",
        "clv.p_active",
        "clv.expected_purchases_90",
        "engagement.recent_sessions",
        "engagement.earlier_sessions",
        "support.total_tickets",
        "support.open_tickets",
        "returns.total_returns",
        "past_predictions.came_days",
        ge=0,
        le=1,
    )


@_feature(
    "churn",
    "one row per known buyer and as-of day",
    domain="customers",
    inputs=[
        "features/purchases",
        "features/clv",
        "features/returns",
        "features/support",
        "features/engagement",
        "features/challenger",
        "features/churn_model",
    ],
)
class Churn(_PerCustomer):
    """The churn rule, and how likely a buyer is not to buy again soon."""

    recency_days: T.IntegerType = column("D minus the last purchase day", required=True, unit="days", ge=0)
    is_churn_risk: T.BooleanType = column(
        "True where recency_days exceeds the rules' limit", "recency_days", required=True
    )
    churn_probability: Ratio = column(
        "P(no purchase within the rules' churn window), by the model that speaks; empty where it is withheld",
        "clv.p_active",
        "challenger.p_active",
        "churn_model",
        ge=0,
        le=1,
    )
    churn_band: T.StringType = column(
        "Band of the probability, by the rules",
        "clv.p_active",
        "challenger.p_active",
        "churn_model",
        isin=["Low", "Medium", "High"],
    )
    churn_model: T.StringType = column(
        "Which model speaks of churn; 'withheld' where none held in the backtest",
        required=True,
        isin=["purchase_model", "challenger", "withheld"],
    )
    churn_reasons: T.StringType = column(
        "What of the history speaks for churn, separated by '; '; empty text where nothing does",
        "recency_days",
        *_HISTORY,
        "recent_sessions",
        "earlier_sessions",
        "open_tickets",
        "returned_transactions",
        required=True,
    )


@_feature(
    "clv",
    "one row per known buyer and as-of day",
    domain="customers",
    inputs=["features/purchases", "features/returns", "features/purchase_model"],
)
class Clv(_PerCustomer):
    """Customer value: what was so far, and what the purchase model expects."""

    historic_value: Money = column(
        "Purchases minus returns, by D", "monetary_value", "returned_amount", required=True, unit="currency"
    )
    tenure_days: T.IntegerType = column(
        "D minus the first purchase day", "first_purchase_date", required=True, unit="days", ge=0
    )
    repeat_purchase_days: T.LongType = column(
        "Distinct purchase days after the first", "purchase_days", required=True, ge=0
    )
    p_alive: Ratio = column(
        "P(alive at D); 1 for one-time buyers by BG/NBD's construction",
        *_PREDICTED,
        required=True,
        ge=0,
        le=1,
    )
    p_active: Ratio = column(
        "P(a purchase within the rules' churn window)", *_PREDICTED, required=True, ge=0, le=1
    )
    expected_purchases_30: Ratio = column(
        "Purchase days expected in the next 30 days", *_PREDICTED, required=True, ge=0
    )
    expected_purchases_90: Ratio = column("The same for 90 days", *_PREDICTED, required=True, ge=0)
    expected_purchases_365: Ratio = column("The same for 365 days", *_PREDICTED, required=True, ge=0)
    expected_value: Money = column(
        "Expected value of a purchase day, paid or not",
        *_PREDICTED_VALUE,
        required=True,
        unit="currency",
        ge=0,
    )
    clv_12m: Money = column(
        "Expected spend over the next 12 months, discounted",
        *_PREDICTED_VALUE,
        required=True,
        unit="currency",
        ge=0,
    )
    purchase_model: T.StringType = column("Which model of purchases speaks", "purchase_model", required=True)
    value_model: T.StringType = column("Which model of value speaks", "value_model", required=True)
