"""Which model speaks of churn at D, judged by its predictions of one churn window ago."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.scores import (
    BASE_RATE,
    MODELS,
    PURCHASE_MODEL,
    brier,
    calibration_error,
    counts_of,
)
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.features.past_predictions import PastPredictions
from cip_assets.layers.labels import WITHHELD

ENOUGH_TO_JUDGE = 200
"""Customers in the backtest; with fewer it says little."""

_SAID = ("p_purchase_model", "p_challenger", "p_base_rate", "came_days")


class ChurnModel(DaySnapshot, grain="one row per as-of day", key=["churn_model"], domain="customers"):
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


@table(ChurnModel, past_predictions=PastPredictions)
def churn_model(past_predictions: DataFrame, rules: Rules) -> DataFrame:
    """Who speaks of churn at D, by how they did on the window before: the model with the lower Brier score.

    A model is withheld that did worse than the base rate, or whose deciles are too far from what came; where there
    are too few customers to judge by, the purchase model speaks.
    """
    counts = counts_of(past_predictions)
    scores = {name: brier(found) for name, found in counts.items()}
    error = {name: calibration_error(found) for name, found in counts.items()}
    people = sum(n for _, n, _ in counts.get(PURCHASE_MODEL, []))
    limit = rules.churn.max_calibration_error

    def fault(name: str) -> str | None:
        if people < ENOUGH_TO_JUDGE or name not in scores:
            return None
        if scores[name] > scores[BASE_RATE]:
            return f"{name} did worse than the base rate (Brier {scores[name]:.4f} against {scores[BASE_RATE]:.4f})"
        if error[name] > limit:
            return f"{name} is off by {error[name]:.3f} on average over its deciles (limit {limit})"
        return None

    faults = {name: why for name in MODELS if (why := fault(name))}
    able = [name for name in MODELS if name in scores and name not in faults]
    if people < ENOUGH_TO_JUDGE:
        speaks, why = (
            PURCHASE_MODEL,
            f"{people} customers are too few to judge by ({ENOUGH_TO_JUDGE} are needed)",
        )
    elif able:
        speaks = min(able, key=lambda name: scores[name])
        why = f"Brier {', '.join(f'{name} {scores[name]:.4f}' for name in able)}, base rate {scores[BASE_RATE]:.4f}"
    else:
        speaks, why = WITHHELD, "no model held"
    row = (speaks, PURCHASE_MODEL in faults, people, "; ".join([why, *faults.values()]))
    types = "churn_model string, is_purchase_model_withheld boolean, customers bigint, notes string"
    return past_predictions.sparkSession.createDataFrame([row], types)
