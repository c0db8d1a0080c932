"""One row per model and baseline that said something; none where nobody had bought by the day looked back to."""

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
    DaySnapshot, grain="one row per model or baseline and as-of day", key=["model"], domain="customers"
):
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
