"""The forecast model of a snapshot and its backtest, from histories to plain results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cip_assets.analytics.forecasting.discounting import Discounting
from cip_assets.analytics.forecasting.forecast import ForecastModel, forecast_model
from cip_assets.analytics.forecasting.judgment import Judgment, judge
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.rolling import backtest


@dataclass(frozen=True)
class Lesson:
    """What was learned from a past.

    Attributes:
        model: the model that was chosen, learned on the snapshot day; None if nothing could be learned.
        judgment: what the backtest says.
        fits: the fits that were used, for the next run.

    """

    model: ForecastModel | None
    judgment: Judgment
    fits: Mapping[str, Any]


def learned(past: Past, discounting: Discounting, max_bias: float) -> Lesson:
    """The model of a past, chosen by a backtest.

    Args:
        past: the origins.
        discounting: of the value over the horizon.
        max_bias: the largest bias that a large shop may have, as a share.

    """
    found = backtest(past)
    model = forecast_model(past, found, discounting)
    return Lesson(model, judge(past, found, max_bias), past.fits.used)
