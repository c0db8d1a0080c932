"""The choice of the churn model."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.scores import (
    BASE_RATE,
    MODELS,
    PURCHASE_MODEL,
    brier,
    calibration_error,
    certainly_worse,
    counts_of,
)
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.features.past_predictions import PastPredictions
from cip_assets.layers.labels import WITHHELD

ENOUGH_TO_JUDGE = 200
"""Buyers in the backtest. With fewer, the scores are too uncertain to choose by."""

_BACKTESTED = ("p_purchase_model", "p_challenger", "p_base_rate", "came_days")


class ChurnModel(DaySnapshot, grain="one row per snapshot day", key=["churn_model"], domain="customers"):
    """The churn model used, chosen by the backtest."""

    churn_model: T.StringType = column(
        "Model with the lower Brier score; 'withheld' if none passed the backtest",
        *_BACKTESTED,
        required=True,
        isin=["purchase_model", "challenger", "withheld"],
    )
    is_purchase_model_withheld: T.BooleanType = column(
        "True if the purchase model was certainly worse than the base rate",
        "p_purchase_model",
        "p_base_rate",
        "came_days",
        required=True,
    )
    is_off: T.BooleanType = column(
        "True if the calibration error of the model used exceeds the limit in the rules; its predictions are shown, "
        "and the notes say how far they were off",
        *_BACKTESTED,
        required=True,
    )
    customers: T.LongType = column("Buyers in the backtest", "customer_id", required=True, ge=0)
    notes: T.StringType = column("Model used, and why", *_BACKTESTED, required=True)


@table(ChurnModel, past_predictions=PastPredictions)
def churn_model(past_predictions: DataFrame, rules: Rules) -> DataFrame:
    """The model with the lower Brier score in the backtest.

    A model is withheld if it was certainly worse than the base rate. If its calibration error exceeds the limit in the
    rules, it is used, and the notes say by how much it was off. With too few buyers in the backtest, the purchase model
    is used.
    """
    counts = counts_of(past_predictions)
    scores = {name: brier(found) for name, found in counts.items()}
    buyers = sum(n for _, n, _ in counts.get(PURCHASE_MODEL, []))
    judged = [name for name in MODELS if name in scores] if buyers >= ENOUGH_TO_JUDGE else []
    base = counts[BASE_RATE][0][0] if judged else 0.0
    worse = [name for name in judged if certainly_worse(counts[name], base)]
    passed = [name for name in judged if name not in worse]
    notes = [
        f"{name} was worse than the base rate (Brier {scores[name]:.4f}, base rate {scores[BASE_RATE]:.4f})"
        for name in worse
    ]
    is_off = False
    if not judged:
        used = PURCHASE_MODEL
        why = f"the backtest has {buyers} buyers, but {ENOUGH_TO_JUDGE} are needed to choose a model"
    elif passed:
        used = min(passed, key=lambda name: scores[name])
        of_models = ", ".join(f"{name} {scores[name]:.4f}" for name in passed)
        why = f"Brier scores: {of_models}, base rate {scores[BASE_RATE]:.4f}"
        error, limit = calibration_error(counts[used]), rules.churn.max_calibration_error
        is_off = error > limit
        if is_off:
            notes.append(f"the probabilities of {used} were off by {error:.3f} on average (limit {limit})")
    else:
        used, why = WITHHELD, "no model passed the backtest"
    row = (used, PURCHASE_MODEL in worse, is_off, buyers, "; ".join([why, *notes]))
    types = "churn_model string, is_purchase_model_withheld boolean, is_off boolean, customers bigint, notes string"
    return past_predictions.sparkSession.createDataFrame([row], types)
