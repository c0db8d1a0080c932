"""The backtest by model."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.scores import FIGURES, errors, figures, outcomes_of, to_six_places
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.features.past_predictions import PastPredictions

_PREDICTED = ("p_purchase_model", "p_challenger", "p_recency", "p_carry_forward", "p_base_rate")
_BACKTESTED = (*_PREDICTED, "came_days")


class ModelBacktest(
    DaySnapshot, grain="one row per model or baseline and snapshot day", key=["model"], domain="customers"
):
    """Accuracy of the predictions of one churn window ago, compared with what happened since.

    The purchase model and the challenger are compared with three baselines: recency alone (the share that bought again
    in the window before, by recency), the last window carried forward, and the base rate. None uses any data of the
    window. There is no row if nobody had bought by the prediction day.
    """

    model: T.StringType = column(
        "Model or baseline",
        *_PREDICTED,
        required=True,
        isin=["purchase_model", "challenger", "recency", "carry_forward", "base_rate"],
    )
    predicted_on: T.DateType = column("Prediction day", required=True)
    window_days: T.IntegerType = column(
        "Days from the prediction day to the snapshot day", required=True, unit="days", ge=1
    )
    customers: T.LongType = column("Known buyers on the prediction day", "customer_id", required=True, ge=1)
    bought_share: Ratio = column(
        "Share of these buyers who bought in the window", "came_days", required=True, ge=0, le=1
    )
    brier: Ratio = column(
        "Brier score: mean squared error of the purchase probability; lower is better",
        *_BACKTESTED,
        required=True,
        ge=0,
        le=1,
    )
    log_loss: Ratio = column(
        "Mean log loss of the purchase probability; lower is better", *_BACKTESTED, required=True, ge=0
    )
    auc: Ratio = column(
        "Probability that a buyer is ranked above a non-buyer; 0.5 is a coin toss", *_BACKTESTED, ge=0, le=1
    )
    spearman: Ratio = column(
        "Rank correlation of the purchase probability and the actual purchase days", *_BACKTESTED, ge=-1, le=1
    )
    calibration_error: Ratio = column(
        "Mean gap between predicted and actual purchase rate per decile, weighted by customers",
        *_BACKTESTED,
        required=True,
        ge=0,
        le=1,
    )
    mae_purchases: Ratio = column(
        "Mean absolute error of the expected purchase days; empty if the model predicts none",
        "expected_purchases_90",
        "past_days",
        *_BACKTESTED,
        ge=0,
    )
    top_decile_spend_share: Ratio = column(
        "Share of the window's spend that came from the 10% of customers predicted to spend the most",
        "expected_purchases_90",
        "expected_value",
        "past_spend",
        "came_spend",
        ge=0,
        le=1,
    )


@csv_file(order_by=["model"])
@table(ModelBacktest, past_predictions=PastPredictions)
def model_backtest(past_predictions: DataFrame) -> DataFrame:
    outcomes = outcomes_of(past_predictions)
    off = {row["model"]: row for row in errors(past_predictions).collect()} if outcomes else {}
    rows = [
        (
            name,
            off[name]["predicted_on"],
            off[name]["window_days"],
            sum(n for _, _, n in found),
            *figures(found),
            off[name]["mae_purchases"],
            off[name]["top_decile_spend_share"],
        )
        for name, found in sorted(outcomes.items())
    ]
    types = ", ".join(
        [
            "model string, predicted_on date, window_days int, customers bigint",
            *(f"{name} double" for name in FIGURES),
            "mae_purchases decimal(18,6), top_decile_spend_share decimal(18,6)",
        ]
    )
    frame = past_predictions.sparkSession.createDataFrame(rows, types)
    return to_six_places(frame, FIGURES)
