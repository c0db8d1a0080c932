"""The customers of each model in ten parts by probability: how many were said to buy, and how many did."""

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
    grain="one row per model, tenth of the customers by probability, and as-of day",
    key=["model", "decile"],
    domain="customers",
):
    """The customers of the backtest in ten parts by probability: how many were said to buy, and how many did."""

    model: T.StringType = column(
        "Who speaks",
        "p_purchase_model",
        "p_challenger",
        required=True,
        isin=["purchase_model", "challenger"],
    )
    decile: T.IntegerType = column(
        "1 is the least likely to buy", *_BACKTESTED[:2], required=True, ge=1, le=10
    )
    customers: T.LongType = column("Customers in it", "customer_id", required=True, ge=1)
    predicted: Ratio = column("Mean probability to buy", *_BACKTESTED[:2], required=True, ge=0, le=1)
    actual: Ratio = column("Share that bought", "came_days", required=True, ge=0, le=1)


@csv_file(order_by=["model", "decile"])
@table(ModelCalibration, past_predictions=PastPredictions)
def model_calibration(past_predictions: DataFrame) -> DataFrame:
    counts = counts_of(past_predictions)
    rows = [(name, *part) for name in MODELS if name in counts for part in deciles(counts[name])]
    types = "model string, decile int, customers bigint, predicted double, actual double"
    frame = past_predictions.sparkSession.createDataFrame(rows, types)
    return to_six_places(frame, ["predicted", "actual"])
