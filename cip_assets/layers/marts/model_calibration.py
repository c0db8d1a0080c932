"""The calibration of the models."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.features.forecast_model import ForecastModelTable
from cip_assets.layers.judged import as_frame, judged

_JUDGED = "forecast_model.judged"


class ModelCalibration(
    DaySnapshot,
    grain="one row per model or baseline, decile and snapshot day",
    key=["model", "decile"],
    domain="customers",
):
    """Predicted and actual purchase rates in the backtest, by decile of the predicted probability."""

    model: T.StringType = column("Model or baseline", _JUDGED, required=True)
    is_used: T.BooleanType = column("True for the model behind the forecasts", _JUDGED, required=True)
    decile: T.IntegerType = column(
        "Decile by purchase probability; 1 is the lowest", _JUDGED, required=True, ge=1, le=10
    )
    customers: T.LongType = column("Forecasts in the decile", _JUDGED, required=True, ge=1)
    predicted: Ratio = column("Mean predicted probability of a purchase", _JUDGED, required=True, ge=0, le=1)
    actual: Ratio = column("Share of customers who bought", _JUDGED, required=True, ge=0, le=1)


@csv_file(order_by=["model", "decile"])
@table(ModelCalibration, forecast_model=ForecastModelTable)
def model_calibration(forecast_model: DataFrame) -> DataFrame:
    found = judged(forecast_model)
    return as_frame(forecast_model, found["calibration"], found["chosen"], ModelCalibration)
