"""The calibration of the models."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.scores import MODELS, counts_of, deciles, to_six_places
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.features.past_predictions import PastPredictions

_PREDICTED = ("p_purchase_model", "p_challenger", "p_recency", "p_carry_forward", "p_base_rate")
_BACKTESTED = (*_PREDICTED, "came_days")


class ModelCalibration(
    DaySnapshot,
    grain="one row per model, decile and snapshot day",
    key=["model", "decile"],
    domain="customers",
):
    """Predicted and actual purchase rates in the backtest, by decile of the predicted probability."""

    model: T.StringType = column(
        "Model",
        "p_purchase_model",
        "p_challenger",
        required=True,
        isin=["purchase_model", "challenger"],
    )
    decile: T.IntegerType = column(
        "Decile by purchase probability; 1 is the lowest", *_BACKTESTED[:2], required=True, ge=1, le=10
    )
    customers: T.LongType = column("Customers in the decile", "customer_id", required=True, ge=1)
    predicted: Ratio = column(
        "Mean predicted probability of a purchase", *_BACKTESTED[:2], required=True, ge=0, le=1
    )
    actual: Ratio = column("Share of customers who bought", "came_days", required=True, ge=0, le=1)


@csv_file(order_by=["model", "decile"])
@table(ModelCalibration, past_predictions=PastPredictions)
def model_calibration(past_predictions: DataFrame) -> DataFrame:
    counts = counts_of(past_predictions)
    rows = [(name, *part) for name in MODELS if name in counts for part in deciles(counts[name])]
    types = "model string, decile int, customers bigint, predicted double, actual double"
    frame = past_predictions.sparkSession.createDataFrame(rows, types)
    return to_six_places(frame, ["predicted", "actual"])
