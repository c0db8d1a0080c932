"""The forecast of each known buyer."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.analytics.forecasting.forecast import ForecastModel
from cip_assets.analytics.forecasting.history import LONG_AGO, Known
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.reasons import in_words
from cip_assets.calc.as_of import days_since
from cip_assets.calc.exact import MONEY, RATIO, cents
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money, Ratio
from cip_assets.layers.features.engagement import Engagement
from cip_assets.layers.features.forecast_model import ForecastModelTable
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns
from cip_assets.layers.features.shop_margin import ShopMargin
from cip_assets.layers.features.support import Support

ROWS_AT_ONCE = 250_000
"""Buyers to score at once. Many, because the work is shared among buyers with the same history."""

MILLIONTHS, CENTS = 10**6, 10**2
MOST = 999_999_999_000_000_000
"""The most parts that a column can hold, less what a float may be off."""

SHARES = ("p_alive", "churn_probability", "churn_probability_low", "churn_probability_high")
COUNTS = (
    "expected_orders",
    "orders_low",
    "orders_high",
    "expected_purchases_30",
    "expected_purchases_90",
    "expected_purchases_365",
)
AMOUNTS = (
    "expected_value",
    "expected_spend",
    "spend_low",
    "spend_high",
    "clv_12m",
    "clv_12m_low",
    "clv_12m_high",
    "clv_12m_net",
    "clv_12m_margin",
    "clv_horizon",
)

_MODEL = ("forecast_model.model",)
_HISTORY = ("purchase_days", "first_purchase_date", "last_purchase_date", *_MODEL)
_KNOWN = (
    *_HISTORY,
    "recent_sessions",
    "earlier_sessions",
    "last_session_date",
    "total_tickets",
    "total_returns",
)
_VALUE = (*_KNOWN, "monetary_value", "paid_days", "paid_repeat_days", "mean_repeat_value")

OFF = "(0.01 + 0.005 * expected_purchases_365 + 0.000001 * expected_value)"
"""By how much a product of rounded figures may be off."""


class Forecast(
    CustomerSnapshot,
    grain="one row per known buyer and snapshot day",
    domain="customers",
    row_rules={
        "comes_at_least_once": "1 - churn_probability > expected_orders + 0.000001",
        "churn_in_its_band": "NOT churn_probability BETWEEN churn_probability_low AND churn_probability_high",
        "orders_in_their_interval": "NOT expected_orders BETWEEN orders_low AND orders_high",
        "spend_in_its_interval": "NOT expected_spend BETWEEN spend_low AND spend_high",
        "value_in_its_interval": "NOT clv_12m BETWEEN clv_12m_low AND clv_12m_high",
        "horizons_in_order": "expected_purchases_30 > expected_purchases_90 "
        "OR expected_purchases_90 > expected_purchases_365",
        "value_of_the_purchases": f"clv_12m > expected_purchases_365 * expected_value + {OFF}",
        "net_of_returns": "clv_12m_net > clv_12m",
        "all_or_nothing": "(churn_probability IS NULL) <> (expected_orders IS NULL)",
    },
):
    """What each known buyer is expected to do, all from one model, so that no figure contradicts another.

    A window is the churn window after the snapshot day. Intervals hold what comes for at least 80% of buyers, as far as
    the windows that are over tell. All columns are empty if the forecasts are withheld, and those of money if an amount
    of any buyer is unknown.
    """

    p_alive: Ratio = column(
        "Probability of not having dropped out by the snapshot day, by the purchase process behind the model",
        *_HISTORY,
        ge=0,
        le=1,
    )
    churn_probability: Ratio = column(
        "Probability of no purchase within the churn window", *_KNOWN, ge=0, le=1
    )
    churn_probability_low: Ratio = column(
        "Lower end of the band in which, in 80% of windows, the churn rate of buyers with a similar probability lies; "
        "empty if no window is over",
        *_KNOWN,
        ge=0,
        le=1,
    )
    churn_probability_high: Ratio = column("Upper end of that band", *_KNOWN, ge=0, le=1)
    expected_orders: Ratio = column("Purchase days expected within the churn window", *_KNOWN, ge=0)
    orders_low: Ratio = column(
        "Lower end of the 80% interval of expected_orders; empty if no window is over",
        *_KNOWN,
        ge=0,
    )
    orders_high: Ratio = column("Upper end of that interval", *_KNOWN, ge=0)
    expected_purchases_30: Ratio = column("Purchase days expected in the next 30 days", *_KNOWN, ge=0)
    expected_purchases_90: Ratio = column("Purchase days expected in the next 90 days", *_KNOWN, ge=0)
    expected_purchases_365: Ratio = column("Purchase days expected in the next 365 days", *_KNOWN, ge=0)
    expected_value: Money = column(
        "Expected value of a purchase day, whether paid or not", *_VALUE, unit="currency", ge=0
    )
    expected_spend: Money = column("Spend expected within the churn window", *_VALUE, unit="currency", ge=0)
    spend_low: Money = column(
        "Lower end of the 80% interval of expected_spend; empty if no window is over",
        *_VALUE,
        unit="currency",
        ge=0,
    )
    spend_high: Money = column("Upper end of that interval", *_VALUE, unit="currency", ge=0)
    clv_12m: Money = column(
        "Revenue expected over the next 12 months, discounted, before returns and costs; empty if withheld or if an "
        "amount of any buyer is unknown",
        *_VALUE,
        unit="currency",
        ge=0,
    )
    clv_12m_low: Money = column(
        "Lower end of the 80% interval of clv_12m. If no forecast is a year old, it is that of the window, drawn in "
        "by the square root of the times",
        *_VALUE,
        unit="currency",
        ge=0,
    )
    clv_12m_high: Money = column("Upper end of that interval", *_VALUE, unit="currency", ge=0)
    clv_12m_net: Money = column(
        "clv_12m less the share that the buyer is expected to return: the buyer's own, drawn toward that of the shop "
        "as if by one average buyer more",
        *_VALUE,
        "returned_amount",
        unit="currency",
        ge=0,
    )
    clv_12m_margin: Money = column(
        "clv_12m_net times the margin of the shop; empty if the costs are unknown",
        *_VALUE,
        "returned_amount",
        "margin_share",
        unit="currency",
    )
    clv_horizon: Money = column(
        "Revenue expected over the horizon of the rules (clv.horizon_months), discounted, before returns and costs",
        *_VALUE,
        unit="currency",
        ge=0,
    )
    churn_reasons: T.StringType = column(
        "What makes churn more likely than for a typical buyer, by the model, largest first, separated by '; '. "
        "Blank if nothing raises the odds of churn by a fifth",
        *_KNOWN,
    )
    forecast_model: T.StringType = column(
        "Model behind the row", "forecast_model.forecast_model", required=True
    )


@table(
    Forecast,
    purchases=Purchases,
    engagement=Engagement,
    support=Support,
    returns=CustomerReturns,
    shop_margin=ShopMargin,
    forecast_model=ForecastModelTable,
)
def forecast(
    purchases: DataFrame,
    engagement: DataFrame,
    support: DataFrame,
    returns: DataFrame,
    shop_margin: DataFrame,
    forecast_model: DataFrame,
    as_of: date,
) -> DataFrame:
    (row,) = forecast_model.select("forecast_model", "model").collect()
    (margin,) = shop_margin.select("margin_share").collect()
    buyers = _known(purchases, engagement, support, returns, as_of)
    if row["model"] is None:
        return _without_forecast(buyers, row["forecast_model"])
    model = ForecastModel.from_dict(json.loads(row["model"]))
    shop = _shop(buyers)
    margin_share = None if margin["margin_share"] is None else float(margin["margin_share"])

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for found in _large(batches):
            yield from scored(found, model, shop, margin_share).to_batches()

    whole = (f"{name} bigint" for name in (*SHARES, *COUNTS, *AMOUNTS))
    schema = ", ".join(["customer_id string", *whole, "churn_reasons string"])
    return buyers.mapInArrow(score, schema).select(
        "customer_id",
        *(_exact(name, "0.000001").cast(RATIO).alias(name) for name in (*SHARES, *COUNTS)),
        *(_exact(name, "0.01").cast(MONEY).alias(name) for name in AMOUNTS),
        "churn_reasons",
        F.lit(row["forecast_model"]).alias("forecast_model"),
    )


def scored(
    known: pa.Table, model: ForecastModel, shop: Mapping[str, float], margin_share: float | None
) -> pa.Table:
    """The forecasts of buyers of whom this is known, in whole parts of one, and the reasons for churn."""
    buyers = _of_arrow(known)
    scores = _columns(model.score(buyers))
    spent, returned = (_money(known, name) for name in ("spend_cents", "returned_cents"))
    share = (returned + shop["returned"] * shop["spend"]) / np.maximum(spent + shop["spend"], 1e-9)
    scores["clv_12m_net"] = scores["clv_12m"] * np.clip(1 - share, 0.0, 1.0)
    scores["clv_12m_margin"] = scores["clv_12m_net"] * (np.nan if margin_share is None else margin_share)
    return pa.table(
        {
            "customer_id": known["customer_id"],
            **{name: _whole(scores[name], MILLIONTHS) for name in (*SHARES, *COUNTS)},
            **{name: _whole(scores[name], CENTS) for name in AMOUNTS},
            "churn_reasons": pa.array(in_words(model.reasons(buyers)), pa.string()),
        }
    )


def _without_forecast(buyers: DataFrame, name: str) -> DataFrame:
    return buyers.select(
        "customer_id",
        *(F.lit(None).cast(RATIO).alias(each) for each in (*SHARES, *COUNTS)),
        *(F.lit(None).cast(MONEY).alias(each) for each in AMOUNTS),
        F.lit(None).cast("string").alias("churn_reasons"),
        F.lit(name).alias("forecast_model"),
    )


def _known(
    purchases: DataFrame, engagement: DataFrame, support: DataFrame, returns: DataFrame, as_of: date
) -> DataFrame:
    """What is known about each known buyer, in whole numbers."""
    zeros = ("recent_sessions", "earlier_sessions", "total_tickets", "open_tickets", "total_returns")
    session_age = F.least(days_since(as_of, "last_session_date"), F.lit(LONG_AGO))
    return (
        purchases.where("NOT is_orphan")
        .join(
            engagement.select("customer_id", "recent_sessions", "earlier_sessions", "last_session_date"),
            "customer_id",
            "left",
        )
        .join(support.select("customer_id", "total_tickets", "open_tickets"), "customer_id", "left")
        .join(returns.select("customer_id", "total_returns", "returned_amount"), "customer_id", "left")
        .select(
            "customer_id",
            (F.col("purchase_days") - 1).alias("x"),
            F.datediff("last_purchase_date", "first_purchase_date").cast("bigint").alias("t_x"),
            days_since(as_of, "first_purchase_date").cast("bigint").alias("age"),
            (F.col("paid_days") - F.col("paid_repeat_days")).alias("is_first_paid"),
            F.col("paid_repeat_days").alias("paid_x"),
            F.expr(f"CAST(mean_repeat_value * {MILLIONTHS} AS BIGINT)").alias("mean_millionths"),
            F.expr(cents("monetary_value")).alias("spend_cents"),
            F.expr(f"CASE WHEN total_returns IS NULL THEN 0 ELSE {cents('returned_amount')} END").alias(
                "returned_cents"
            ),
            F.coalesce(session_age, F.lit(LONG_AGO)).cast("bigint").alias("session_age"),
            *(F.coalesce(name, F.lit(0)).cast("bigint").alias(name) for name in zeros),
        )
    )


def _of_arrow(found: pa.Table) -> Known:
    def numbers(name: str) -> Floats:
        return np.asarray(
            found[name].cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), dtype=float
        )

    return Known(
        x=numbers("x"),
        t_x=numbers("t_x"),
        age=numbers("age"),
        is_first_paid=np.nan_to_num(numbers("is_first_paid")),
        paid_x=np.nan_to_num(numbers("paid_x")),
        mean_value=numbers("mean_millionths") / MILLIONTHS,
        spend=_money(found, "spend_cents"),
        recent_sessions=numbers("recent_sessions"),
        earlier_sessions=numbers("earlier_sessions"),
        session_age=numbers("session_age"),
        tickets=numbers("total_tickets"),
        open_tickets=numbers("open_tickets"),
        returns=numbers("total_returns"),
    )


def _money(found: pa.Table, name: str) -> Floats:
    """An amount in currency; nan if it is unknown."""
    return (
        np.asarray(found[name].cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), dtype=float)
        / CENTS
    )


def _shop(buyers: DataFrame) -> Mapping[str, float]:
    """The spend of an average buyer, and the share of all spend that was returned; nan if unknown."""
    (row,) = buyers.agg(
        F.when(
            F.count("spend_cents") == F.count("*"), F.sum(F.col("spend_cents").cast("decimal(38,0)"))
        ).alias("spend"),
        F.when(
            F.count("returned_cents") == F.count("*"), F.sum(F.col("returned_cents").cast("decimal(38,0)"))
        ).alias("returned"),
        F.count("*").alias("buyers"),
    ).collect()
    return average(row["spend"], row["returned"], row["buyers"])


def average(spend: Decimal | int | None, returned: Decimal | int | None, buyers: int) -> Mapping[str, float]:
    """The spend of an average buyer, and the share that was returned, from sums in cents."""
    if spend is None or returned is None or not buyers:
        return {"spend": np.nan, "returned": np.nan}
    return {
        "spend": float(spend) / CENTS / buyers,
        "returned": min(float(returned) / float(spend), 1.0) if spend > 0 else 0.0,
    }


def _columns(scores: Mapping[str, Floats]) -> dict[str, Floats]:
    """The columns of the table: what is said of coming, said of churn."""
    found = {name: values for name, values in scores.items() if not name.startswith("p_active")}
    return found | {
        "churn_probability": 1 - scores["p_active"],
        "churn_probability_low": 1 - scores["p_active_high"],
        "churn_probability_high": 1 - scores["p_active_low"],
    }


def _large(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(each) for each in waiting) >= ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _whole(values: Floats, parts: int) -> pa.Array:
    """The values in whole parts of one; null if a value is nan."""
    unknown = np.isnan(values)
    whole = np.clip(np.rint(np.where(unknown, 0, values) * parts), -MOST, MOST)
    return pa.array(whole.astype(np.int64), mask=unknown)


def _exact(name: str, unit: str) -> Column:
    places = len(unit) - 2
    return F.expr(f"CAST({name} AS DECIMAL(20, 0)) * CAST('{unit}' AS DECIMAL({places + 1}, {places}))")
