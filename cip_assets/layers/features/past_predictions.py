"""What was known of a buyer one churn window before D, what each model would have said then, and what came by D."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.analytics.forecasting.gradient_boosting import known, trained, with_challenger
from cip_assets.analytics.forecasting.scores import (
    BASE_RATE,
    CARRY_FORWARD,
    CHALLENGER,
    PURCHASE_MODEL,
    RECENCY,
)
from cip_assets.analytics.forecasting.scoring import predicted
from cip_assets.calc.as_of import until
from cip_assets.calc.exact import MONEY, RATIO, total_money
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money, Ratio
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.cleaned.web_activity import WebActivity
from cip_assets.layers.features.engagement import sessions
from cip_assets.layers.features.purchase_model import purchase_model
from cip_assets.layers.features.purchases import purchases
from cip_assets.layers.features.returns import returns as customer_returns
from cip_assets.layers.features.support import support

CERTAIN = 0.999
"""Carry-forward is sure of itself; a log loss needs less."""

_SEEN = ("transactions.customer_id", "transaction_date", "amount")
_JUDGED = (*_SEEN, "session_id", "ticket_id", "return_id")


class PastPredictions(
    CustomerSnapshot,
    grain="one row per buyer that was known one churn window before D, and as-of day",
    domain="customers",
):
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


@dataclass(frozen=True)
class Events:
    """The cleaned tables that predictions are made from and judged by."""

    transactions: DataFrame
    customers: DataFrame
    returns: DataFrame
    support_tickets: DataFrame
    web_activity: DataFrame


@table(
    PastPredictions,
    transactions=Transactions,
    customers=Customers,
    returns=Returns,
    support_tickets=SupportTickets,
    web_activity=WebActivity,
)
def past_predictions(
    transactions: DataFrame,
    customers: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    """What each model said of the known buyers of D - window, and what came by D.

    No row where nobody had bought by then; no probability of the challenger where a window earlier too few had.
    """
    events = Events(transactions, customers, returns, support_tickets, web_activity)
    window = timedelta(days=rules.churn.window_days)
    day, before = as_of - window, as_of - 2 * window
    buyers = _buyers(events, day, as_of, rules)
    earlier = _buyers(events, before, day, rules)
    classes = _by_recency(events, before, day)
    past = _came(events, before, day).withColumnsRenamed(
        {"came_days": "past_days", "came_spend": "past_spend"}
    )
    judged = with_challenger(buyers, trained(earlier), f"p_{CHALLENGER}").join(past, "customer_id", "left")
    base, of_class = _rates(classes)
    said = {
        PURCHASE_MODEL: F.col("p_active"),
        RECENCY: reduce(
            lambda other, pair: F.when(_recency_class() == pair[0], _probability(pair[1])).otherwise(other),
            sorted(of_class.items()),
            _probability(base),
        ),
        CARRY_FORWARD: F.when(F.col("past_days") > 0, _probability(CERTAIN)).otherwise(
            _probability(1 - CERTAIN)
        ),
        BASE_RATE: _probability(base),
    }
    for name, probability in said.items():
        judged = judged.withColumn(f"p_{name}", probability)
    return (
        judged.fillna(0, ["past_days", "came_days"])
        .withColumn("came_spend", F.coalesce("came_spend", F.lit(0)).cast(MONEY))
        .withColumn("past_spend", F.coalesce("past_spend", F.lit(0)).cast(MONEY))
        .withColumn("predicted_on", F.lit(day))
        .withColumn("window_days", F.lit(rules.churn.window_days))
    )


def _buyers(events: Events, day: date, until_day: date, rules: Rules) -> DataFrame:
    """The known buyers of a day with what was known of them, what the purchase model said, and what came.

    Grain: one row per buyer that customers knows.
    """
    bought = purchases(transactions=events.transactions, customers=events.customers, as_of=day)
    model = purchase_model(purchases=bought, as_of=day, rules=rules)
    buyers = known(
        purchases=bought,
        predictions=predicted(bought, model, day),
        engagement=sessions(events.web_activity, day, rules),
        support=support(support_tickets=events.support_tickets, as_of=day),
        returns=customer_returns(returns=events.returns, transactions=events.transactions, as_of=day),
    )
    return buyers.join(_came(events, day, until_day), "customer_id", "left").fillna({"came_days": 0})


def _came(events: Events, after: date, until_day: date) -> DataFrame:
    """Purchase days and spend of each customer after one day and by another."""
    return (
        until(events.transactions, "transaction_date", until_day)
        .where(F.col("transaction_date") > F.lit(after))
        .groupBy("customer_id", "transaction_date")
        .agg(total_money("amount").alias("amount"))
        .groupBy("customer_id")
        .agg(F.count("*").alias("came_days"), total_money("amount").alias("came_spend"))
    )


def _by_recency(events: Events, day: date, until_day: date) -> DataFrame:
    """The known buyers of a day and those of them that bought again by another, by how long they had been silent."""
    buyers = purchases(transactions=events.transactions, customers=events.customers, as_of=day).where(
        "NOT is_orphan"
    )
    return (
        buyers.join(_came(events, day, until_day), "customer_id", "left")
        .groupBy(_recency_class().alias("class"))
        .agg(F.count("*").alias("n"), F.count("came_days").alias("k"))
    )


def _rates(classes: DataFrame) -> tuple[float, Mapping[int, float]]:
    """The share that bought again: of all, and by class of recency; a half where nobody had bought."""
    rows = classes.collect()
    people, returned = sum(row["n"] for row in rows), sum(row["k"] for row in rows)
    return (returned / people if people else 0.5), {row["class"]: row["k"] / row["n"] for row in rows}


def _recency_class() -> Column:
    """0, 1-2, 3-6, 7-14, ... days: classes that double."""
    return F.length(F.bin(F.col("recency_days") + 1))


def _probability(value: float) -> Column:
    return F.lit(f"{value:.6f}").cast(RATIO)
