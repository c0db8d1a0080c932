"""The backtest by customer: predictions of one churn window ago, and what happened since."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.analytics.forecasting.gradient_boosting import known, sample, trained, with_challenger
from cip_assets.analytics.forecasting.scores import (
    BASE_RATE,
    CARRY_FORWARD,
    CHALLENGER,
    PURCHASE_MODEL,
    RECENCY,
)
from cip_assets.analytics.forecasting.scoring import predicted
from cip_assets.calc.exact import RATIO
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money, Ratio
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.facts.session_days import SessionDays
from cip_assets.layers.features.engagement import sessions
from cip_assets.layers.features.past_purchases import PastPurchases
from cip_assets.layers.features.purchase_model import purchase_model
from cip_assets.layers.features.returns import totals
from cip_assets.layers.features.support import support

CERTAIN = 0.999
"""How certain carry-forward is that the last window repeats: less than 1, because of the log loss."""

_HISTORY = ("first_purchase_date", "last_purchase_date", "purchase_days")
_VALUES = (*_HISTORY, "paid_days", "paid_repeat_days", "mean_repeat_value")
_KNOWN = (*_VALUES, "monetary_value", "came_days", "sessions", "ticket_id", "return_id")


class PastPredictions(
    CustomerSnapshot,
    grain="one row per known buyer of one churn window ago and snapshot day",
    domain="customers",
):
    """What was known about each buyer one churn window ago (the prediction day), what each model and baseline would
    have predicted then, and what the buyer did since.

    The models are fitted as of the prediction day, and the challenger on the window before it. This table is used to
    choose the churn model, and to train the challenger of the snapshot day.
    """

    predicted_on: T.DateType = column(
        "Prediction day: the snapshot day minus the churn window", "day", required=True
    )
    window_days: T.IntegerType = column(
        "Days from the prediction day to the snapshot day", "day", required=True, unit="days", ge=1
    )
    recency_days: T.IntegerType = column(
        "Days since the last purchase, on the prediction day", required=True, ge=0
    )
    tenure_days: T.IntegerType = column(
        "Days since the first purchase, on the prediction day", "first_purchase_date", required=True, ge=0
    )
    purchase_days: T.LongType = column("Purchase days by the prediction day", required=True, ge=1)
    monetary_value: Money = column(
        "Spend by the prediction day; empty if an amount is unknown", unit="currency", ge=0
    )
    mean_repeat_value: Ratio = column(
        "Mean daily total of the paid days after the first purchase day, by the prediction day",
        unit="currency per paid day",
        ge=0,
    )
    recent_sessions: T.LongType = column(
        "Sessions in the 30 days up to the prediction day", "sessions", required=True, ge=0
    )
    earlier_sessions: T.LongType = column(
        "Sessions in the 90 days before those", "sessions", required=True, ge=0
    )
    total_tickets: T.LongType = column(
        "Tickets opened by the prediction day", "ticket_id", required=True, ge=0
    )
    open_tickets: T.LongType = column(
        "Tickets open on the prediction day", "ticket_id", "status", "resolved_date", required=True, ge=0
    )
    total_returns: T.LongType = column("Returns by the prediction day", "return_id", required=True, ge=0)
    p_active: Ratio = column(
        "Probability of a purchase in the window, by the purchase model", *_HISTORY, required=True, ge=0, le=1
    )
    expected_purchases_90: Ratio = column(
        "Purchase days that the purchase model expected in 90 days", *_HISTORY, required=True, ge=0
    )
    expected_value: Money = column(
        "Value of a purchase day that the purchase model expected; empty if an amount of any buyer is unknown",
        *_VALUES,
        unit="currency",
        ge=0,
    )
    past_days: T.LongType = column(
        "Purchase days in the window before the prediction day, carried forward as a baseline",
        required=True,
        ge=0,
    )
    past_spend: Money = column(
        "Spend in the window before the prediction day, carried forward as a baseline; empty if an amount is unknown",
        unit="currency",
        ge=0,
    )
    p_purchase_model: Ratio = column(
        "Probability of a purchase, by the purchase model", *_HISTORY, required=True, ge=0, le=1
    )
    p_challenger: Ratio = column(
        "Probability of a purchase, by the challenger; empty if there was too little data to train on",
        *_KNOWN,
        ge=0,
        le=1,
    )
    p_recency: Ratio = column(
        "Probability of a purchase, by recency alone: the share of buyers with a similar recency who bought again in "
        "the window before",
        "recency_days",
        "came_days",
        required=True,
        ge=0,
        le=1,
    )
    p_carry_forward: Ratio = column(
        "Probability of a purchase if the window before repeats", "past_days", required=True, ge=0, le=1
    )
    p_base_rate: Ratio = column(
        "Base rate: the share of all buyers who bought again in the window before",
        "came_days",
        required=True,
        ge=0,
        le=1,
    )
    came_days: T.LongType = column("Actual purchase days in the window", required=True, ge=0)
    came_spend: Money = column(
        "Actual spend in the window; empty if an amount is unknown", unit="currency", ge=0
    )


@dataclass(frozen=True)
class Events:
    """The tables that show what else was known about a buyer."""

    returns: DataFrame
    support_tickets: DataFrame
    session_days: DataFrame


@table(
    PastPredictions,
    past_purchases=PastPurchases,
    returns=Returns,
    support_tickets=SupportTickets,
    session_days=SessionDays,
)
def past_predictions(
    past_purchases: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    session_days: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    """The predictions for the known buyers of D - window, and their actual purchases until D.

    There is no row if nobody had bought by then. The challenger has no probability if too few had bought one window
    earlier to train it.
    """
    events = Events(returns, support_tickets, session_days)
    window = timedelta(days=rules.churn.window_days)
    day, before = as_of - window, as_of - 2 * window
    then, earlier = (past_purchases.where(F.col("day") == F.lit(each)) for each in (day, before))
    learned = trained(_buyers(earlier, sample(earlier), events, before, rules))
    predictions = with_challenger(_buyers(then, then, events, day, rules), learned, f"p_{CHALLENGER}")
    base, of_class = _rates(_by_recency(earlier))
    probabilities = {
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
    for name, probability in probabilities.items():
        predictions = predictions.withColumn(f"p_{name}", probability)
    return predictions.withColumn("predicted_on", F.lit(day)).withColumn(
        "window_days", F.lit(rules.churn.window_days)
    )


def _buyers(every: DataFrame, chosen: DataFrame, events: Events, day: date, rules: Rules) -> DataFrame:
    """The chosen known buyers of a day: what was known about them, the predictions of the purchase model fitted on
    every buyer, and their purchases in the windows before and after.

    Grain: one row per known buyer.
    """
    model = purchase_model(purchases=every, as_of=day, rules=rules)
    buyers = known(
        purchases=chosen,
        predictions=predicted(chosen, model, day),
        engagement=sessions(events.session_days, day, rules),
        support=support(support_tickets=events.support_tickets, as_of=day),
        returns=totals(events.returns, day),
    )
    return buyers.join(
        chosen.select("customer_id", "past_days", "past_spend", "came_days", "came_spend"), "customer_id"
    )


def _by_recency(purchases: DataFrame) -> DataFrame:
    """The known buyers of a day (n) and those who bought again in the window after it (k), by recency class."""
    return (
        purchases.where("NOT is_orphan")
        .groupBy(_recency_class().alias("class"))
        .agg(F.count("*").alias("n"), F.count(F.when(F.col("came_days") > 0, 1)).alias("k"))
    )


def _rates(classes: DataFrame) -> tuple[float, Mapping[int, float]]:
    """The share that bought again, of all buyers and by recency class; 0.5 if there was no buyer."""
    rows = classes.collect()
    buyers, again = sum(row["n"] for row in rows), sum(row["k"] for row in rows)
    return (again / buyers if buyers else 0.5), {row["class"]: row["k"] / row["n"] for row in rows}


def _recency_class() -> Column:
    """The classes 0, 1-2, 3-6, 7-14, ... days, each twice as wide as the one before."""
    return F.length(F.bin(F.col("recency_days") + 1))


def _probability(value: float) -> Column:
    return F.lit(f"{value:.6f}").cast(RATIO)
