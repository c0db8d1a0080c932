"""The backtest by model, window and segment."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.layers.features.forecast_model import ForecastModelTable
from cip_assets.layers.judged import as_frame, judged
from cip_assets.layers.marts.model_backtest import Accuracy

_JUDGED = "forecast_model.judged"


class ModelWindows(
    Accuracy,
    grain="one row per model or baseline, window, segment and snapshot day",
    key=["model", "predicted_on", "segment"],
):
    """Accuracy of the forecasts of each window that is over: what was expected and what came. The model that is used
    also has rows for buyers who had bought once, and for those who had bought again.
    """

    predicted_on: T.DateType = column(
        "Day of the forecast; the window begins after it", _JUDGED, required=True
    )
    segment: T.StringType = column(
        "Purchase days by then: all buyers, one, or more",
        _JUDGED,
        required=True,
        isin=["all", "bought once", "bought again"],
    )


@csv_file(order_by=["model", "predicted_on", "segment"])
@table(ModelWindows, forecast_model=ForecastModelTable)
def model_windows(forecast_model: DataFrame) -> DataFrame:
    found = judged(forecast_model)
    return as_frame(forecast_model, found["windows"], found["chosen"], ModelWindows)
