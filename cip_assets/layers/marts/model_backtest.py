"""The backtest by model."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.features.forecast_model import ForecastModelTable
from cip_assets.layers.judged import as_frame, judged

_JUDGED = "forecast_model.judged"


class Accuracy(DaySnapshot, grain="one row per model and snapshot day", key=["model"], domain="customers"):
    """How good the forecasts of windows were that are over."""

    model: T.StringType = column(
        "Candidate with the way its level is set, or baseline: base_rate, recency, carry_forward",
        _JUDGED,
        required=True,
    )
    is_used: T.BooleanType = column("True for the model behind the forecasts", _JUDGED, required=True)
    customers: T.LongType = column(
        "Forecasts, each of a known buyer in a window", _JUDGED, required=True, ge=1
    )
    bought_share: Ratio = column("Share of them in which the buyer came", _JUDGED, required=True, ge=0, le=1)
    expected_share: Ratio = column("Mean predicted probability of that", _JUDGED, required=True, ge=0, le=1)
    expected_orders: Ratio = column("Purchase days expected", _JUDGED, required=True, ge=0)
    came_orders: T.LongType = column("Purchase days that came", _JUDGED, required=True, ge=0)
    orders_bias: Ratio = column("expected_orders / came_orders - 1; empty if none came", _JUDGED, ge=-1)
    expected_spend: Money = column(
        "Spend expected; empty if an amount is unknown", _JUDGED, unit="currency", ge=0
    )
    came_spend: Money = column(
        "Spend that came; empty if an amount is unknown", _JUDGED, unit="currency", ge=0
    )
    spend_bias: Ratio = column("expected_spend / came_spend - 1", _JUDGED, ge=-1)
    brier: Ratio = column(
        "Brier score: mean squared error of the purchase probability; lower is better",
        _JUDGED,
        required=True,
        ge=0,
        le=1,
    )
    log_loss: Ratio = column(
        "Mean log loss of the purchase probability; lower is better", _JUDGED, required=True, ge=0
    )
    auc: Ratio = column(
        "Probability that a buyer who came is ranked above one who did not; 0.5 is a coin toss",
        _JUDGED,
        ge=0,
        le=1,
    )
    auc_low: Ratio = column("Lower end of its 95% interval", _JUDGED, ge=0, le=1)
    auc_high: Ratio = column("Upper end of that interval", _JUDGED, ge=0, le=1)
    calibration_error: Ratio = column(
        "Mean gap between predicted and actual purchase rate per decile, weighted by customers",
        _JUDGED,
        required=True,
        ge=0,
        le=1,
    )
    rmse_orders: Ratio = column(
        "Root mean squared error of the expected purchase days; lower is better", _JUDGED, required=True, ge=0
    )
    poisson_deviance: Ratio = column(
        "Mean Poisson deviance of the expected purchase days; lower is better", _JUDGED, required=True, ge=0
    )
    top_decile_spend_share: Ratio = column(
        "Share of the spend that came from the 10% of customers expected to spend the most",
        _JUDGED,
        ge=0,
        le=1,
    )


class ModelBacktest(Accuracy, grain="one row per model or baseline and snapshot day", key=["model"]):
    """Accuracy of the forecasts of up to four windows that are over, each as long as the churn window. A forecast uses
    nothing that was dated in its window or later.

    Every candidate, with each way to set its level, is compared with three baselines: recency alone, the last window
    carried forward, and the base rate of the last window. There is no row if no window is over.
    """

    windows: T.IntegerType = column("Windows that were judged", _JUDGED, required=True, ge=1)


@csv_file(order_by=["model"])
@table(ModelBacktest, forecast_model=ForecastModelTable)
def model_backtest(forecast_model: DataFrame) -> DataFrame:
    found = judged(forecast_model)
    return as_frame(forecast_model, found["backtest"], found["chosen"], ModelBacktest)
