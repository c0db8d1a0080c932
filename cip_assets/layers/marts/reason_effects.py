"""The test of the churn reasons."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.features.forecast_model import ForecastModelTable
from cip_assets.layers.judged import as_frame, judged

_JUDGED = "forecast_model.judged"


class ReasonEffects(
    DaySnapshot, grain="one row per churn reason and snapshot day", key=["reason"], domain="customers"
):
    """Whether buyers with a churn reason churned more than others, other things equal: as the reasons would have been
    given one churn window ago, and what happened since.

    Logistic regression of churn on having the reason, with what all other reasons add to the log odds as offset.
    There is no row for a reason that nobody had, or everybody.
    """

    reason: T.StringType = column("Reason", _JUDGED, required=True)
    buyers: T.LongType = column("Known buyers who had the reason", _JUDGED, required=True, ge=1)
    churned_share: Ratio = column("Share of them that churned", _JUDGED, required=True, ge=0, le=1)
    effect: Ratio = column("What having it adds to the log odds of churn", _JUDGED, required=True)
    z_score: Ratio = column("effect divided by its standard error", _JUDGED, required=True)


@csv_file(order_by=["reason"])
@table(ReasonEffects, forecast_model=ForecastModelTable)
def reason_effects(forecast_model: DataFrame) -> DataFrame:
    found = judged(forecast_model)
    return as_frame(forecast_model, found["reasons"], found["chosen"], ReasonEffects)
