"""The forecast model of a snapshot, and the backtest by which it was chosen."""

import json
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.apart import apart
from cip_assets.analytics.forecasting.discounting import Discounting
from cip_assets.analytics.forecasting.forecast import ForecastModel
from cip_assets.analytics.forecasting.history import Events, History, Numbers
from cip_assets.analytics.forecasting.judgment import Judgment
from cip_assets.analytics.forecasting.learning import learned
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.kept import Kept
from cip_assets.calc.as_of import of_customers_until, until
from cip_assets.calc.exact import cents, total_money
from cip_assets.calc.orders import by_order
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.facts.session_days import SessionDays
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets.layers.labels import WITHHELD

MOST_BUYERS = 20_000
"""Buyers to learn from and to judge by, chosen by the hash of their ids. Their rates are known to within a few tenths
of a percent, and more would cost more without changing a forecast visibly.
"""

MANY_BUYERS = 2_000
"""From so many on, the fits take longer than the start of a process of their own."""

EPOCH = date(1970, 1, 1)

_TOO_FAR_OFF = (
    "the forecasts for the windows that are over were further off than a shop of this size may be (orders_bias, "
    "spend_bias); to publish such forecasts, raise forecast.max_bias in the business rules"
)

_HISTORY = ("transaction_date", "order_days.amount", "sessions", "ticket_id", "return_id")


class ForecastModelTable(
    DaySnapshot,
    grain="one row per snapshot day",
    key=["forecast_model"],
    domain="customers",
    row_rules={
        "orders_within_band": "abs(orders_bias) > allowed_orders_bias",
        "spend_within_band": "abs(spend_bias) > allowed_spend_bias",
    },
    remedies={"orders_within_band": _TOO_FAR_OFF, "spend_within_band": _TOO_FAR_OFF},
):
    """The model behind every forecast: the candidate that did best in the windows that are over, learned again on the
    snapshot day.

    It is learned from and judged by a sample of known buyers. A window has as many days as the churn window, and the
    newest ended on the snapshot day. Nothing that is learned for a window was dated in it or after it.
    """

    forecast_model: T.StringType = column(
        "Candidate, and how its level is set; 'withheld' if none certainly beat the base rate, 'none' without buyers",
        *_HISTORY,
        required=True,
    )
    sampled_buyers: T.LongType = column(
        "Known buyers in the sample", "purchases.customer_id", required=True, ge=0
    )
    windows: T.IntegerType = column("Windows that it was judged by", *_HISTORY, required=True, ge=0)
    window_days: T.IntegerType = column("Length of a window", required=True, unit="days", ge=1)
    is_withheld: T.BooleanType = column(
        "True if no candidate certainly beat the base rate; then there are no forecasts",
        *_HISTORY,
        required=True,
    )
    level: Ratio = column(
        "By how much faster buyers come than the model says, carried from the windows that are over",
        *_HISTORY,
        ge=0,
    )
    spend_level: Ratio = column(
        "By how much more a purchase day is worth than the value model says, carried in the same way",
        *_HISTORY,
        ge=0,
    )
    value_model: T.StringType = column(
        "Model of the value of a paid day; empty if an amount is unknown", *_HISTORY
    )
    orders_bias: Ratio = column(
        "Purchase days expected in all windows together, divided by those that came, minus 1", *_HISTORY
    )
    allowed_orders_bias: Ratio = column(
        "Limit of orders_bias: that of the rules, plus 3 standard errors, which are larger in a small shop; empty if "
        "fewer than 200 purchase days came",
        *_HISTORY,
        ge=0,
    )
    spend_bias: Ratio = column(
        "Spend expected in all windows together, divided by what came, minus 1; empty if an amount is unknown",
        *_HISTORY,
    )
    allowed_spend_bias: Ratio = column("Limit of spend_bias, found in the same way", *_HISTORY, ge=0)
    orders_coverage: Ratio = column(
        "Share of buyers whose orders lay in their interval in the newest window; the intervals are from the others",
        *_HISTORY,
        ge=0,
        le=1,
    )
    spend_coverage: Ratio = column("The same for spend", *_HISTORY, ge=0, le=1)
    error_band: T.StringType = column(
        "How far the forecasts of the windows were off, in words", *_HISTORY, required=True
    )
    lowest_reason_z: Ratio = column(
        "Lowest z-score of a churn reason in the newest window. Below -3, buyers who had the reason certainly churned "
        "less than others, other things equal",
        *_HISTORY,
        ge=-3,
    )
    notes: T.StringType = column("Model used, and why", *_HISTORY, required=True)
    fits: T.StringType = column(
        "The purchase processes and the value model that were fitted on the snapshot day, as JSON",
        *_HISTORY,
        required=True,
    )
    model: T.StringType = column("The complete model, as JSON; empty without one", *_HISTORY)
    judged: T.StringType = column(
        "The backtest, the calibration and the test of the reasons, as JSON", *_HISTORY, required=True
    )


@table(
    ForecastModelTable,
    purchases=Purchases,
    order_days=OrderDays,
    split_orders=SplitOrders,
    session_days=SessionDays,
    support_tickets=SupportTickets,
    returns=Returns,
)
def forecast_model(
    purchases: DataFrame,
    order_days: DataFrame,
    split_orders: DataFrame,
    session_days: DataFrame,
    support_tickets: DataFrame,
    returns: DataFrame,
    as_of: date,
    rules: Rules,
    kept: Kept | None = None,
) -> DataFrame:
    (shop,) = purchases.agg(F.count("monetary_value").alias("known"), F.count("*").alias("every")).collect()
    is_money_known = shop["known"] == shop["every"]
    history = sampled(
        purchases, order_days, split_orders, session_days, support_tickets, returns, as_of, is_money_known
    )
    past = Past(
        history, (as_of - EPOCH).days, rules.churn.window_days, is_money_known=is_money_known, fits=kept
    )
    discounting = Discounting(rules.clv.annual_discount_rate, rules.clv.horizon_months)
    known = (past, discounting, rules.forecast.max_bias)
    lesson = apart(learned, *known) if history.buyers >= MANY_BUYERS else learned(*known)
    if kept:
        kept.used.update(lesson.fits)
    return purchases.sparkSession.createDataFrame(
        [_row(past, lesson.model, lesson.judgment)], _types_of(forecast_model.contract.spark_schema)
    )


def _row(past: Past, model: ForecastModel | None, judgment: Judgment) -> tuple[Any, ...]:
    name = judgment.chosen or "none"
    windows = [
        {**row, "predicted_on": (EPOCH + timedelta(days=past.day(row["origin"]))).isoformat()}
        for row in judgment.by_window
    ]
    found = {
        "forecast_model": WITHHELD if judgment.is_withheld else name,
        "sampled_buyers": past.history.buyers,
        "windows": len(judgment.origins),
        "window_days": past.window_days,
        "is_withheld": judgment.is_withheld,
        "level": model and _rounded(model.level),
        "spend_level": model and _rounded(model.spend_level),
        "value_model": model.spend.name if model and model.spend else None,
        **{key: _rounded(value) for key, value in judgment.figures.items()},
        "error_band": judgment.error_band,
        "notes": " ".join([*judgment.notes, *(model.spend.notes if model and model.spend else ())]),
        "fits": json.dumps(judgment.fits),
        "model": None if model is None or judgment.is_withheld else json.dumps(model.to_dict()),
        "judged": json.dumps(
            {
                "chosen": judgment.chosen,
                "backtest": judgment.overall,
                "windows": windows,
                "calibration": judgment.calibration,
                "reasons": [asdict(tested) for tested in judgment.reasons],
            },
            allow_nan=False,
        ),
    }
    schema = forecast_model.contract.spark_schema
    return tuple(found[field.name] for field in schema if field.name in found)


def _types_of(schema: T.StructType) -> T.StructType:
    return T.StructType([field for field in schema if field.name != "as_of_date"])


def _rounded(value: float | None) -> Any:
    return None if value is None else Decimal(f"{value:.6f}")


def sampled(
    purchases: DataFrame,
    order_days: DataFrame,
    split_orders: DataFrame,
    session_days: DataFrame,
    support_tickets: DataFrame,
    returns: DataFrame,
    as_of: date,
    is_money_known: bool,
) -> History:
    """The histories of a sample of the known buyers. Buyers and events are in a fixed order."""
    chosen = (
        purchases.where("NOT is_orphan")
        .select("customer_id")
        .orderBy(F.md5("customer_id"), "customer_id")
        .limit(MOST_BUYERS)
    )
    ids = chosen.toArrow()["customer_id"].combine_chunks().sort()
    names = [(name,) for name in ids.to_pylist()]
    chosen = F.broadcast(purchases.sparkSession.createDataFrame(names, "customer_id string"))

    def of_sample(events: DataFrame) -> DataFrame:
        return events.join(chosen, "customer_id", "left_semi")

    orders = by_order(
        of_sample(of_customers_until(order_days, "transaction_date", as_of)),
        split_orders,
        ["customer_id", "order_id"],
        transaction_date=F.min,
        amount=total_money,
    )
    bought = (
        orders.groupBy("customer_id", "transaction_date")
        .agg(total_money("amount").alias("amount"))
        .select("customer_id", F.col("transaction_date").alias("day"), F.expr(cents("amount")).alias("value"))
    )
    visits = of_sample(until(session_days, "day", as_of)).groupBy("customer_id", "day")
    tickets = of_sample(until(support_tickets, "opened_date", as_of)).select(
        "customer_id", F.col("opened_date").alias("day"), F.datediff("closed_on", F.lit(EPOCH)).alias("value")
    )
    given_back = of_sample(of_customers_until(returns, "return_date", as_of)).select(
        "customer_id", F.col("return_date").alias("day"), F.lit(1).alias("value")
    )
    money = _events(bought, ids, unknown=np.nan)
    values = money.value / 100 if is_money_known else np.full(len(money.value), np.nan)
    return History(
        len(ids),
        Events(money.buyer, money.day, values),
        _events(visits.agg(F.sum("sessions").alias("value")), ids),
        _events(tickets, ids, unknown=np.inf),
        _events(given_back, ids),
    )


def _events(rows: DataFrame, ids: pa.Array, unknown: float = np.nan) -> Events:
    """The events, sorted by buyer, day and value."""
    found = rows.select(
        "customer_id",
        F.datediff(F.col("day").cast("date"), F.lit(EPOCH)).cast("bigint").alias("day"),
        F.col("value").cast("bigint").alias("value"),
    ).toArrow()
    return events_of(found, ids, unknown)


def events_of(found: pa.Table, ids: pa.Array, unknown: float = np.nan) -> Events:
    """The events of rows with a ``customer_id``, the number of a ``day`` and a ``value``, sorted in the same way."""
    buyer: Numbers = pc.index_in(found["customer_id"], ids).to_numpy().astype(np.int64)
    day: Numbers = found["day"].to_numpy().astype(np.int64)
    value = found["value"].cast(pa.float64(), safe=False).fill_null(unknown).to_numpy()
    order = np.lexsort((value, day, buyer))
    return Events(buyer[order], day[order], value[order])
