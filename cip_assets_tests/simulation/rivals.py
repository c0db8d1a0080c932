"""Models that forecasts are compared with, and that are not used: logistic regression and gradient boosting.

Each is a candidate like those of the registry, with the same inputs as the hurdle model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cip_assets.analytics.forecasting.candidates import BG_NBD
from cip_assets.analytics.forecasting.candidates.candidate import Outlook, logit
from cip_assets.analytics.forecasting.candidates.hurdle import inputs
from cip_assets.analytics.forecasting.candidates.process import LearnedProcess
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past


def _boosting() -> tuple[Any, Any]:
    options = {
        "max_iter": 60,
        "learning_rate": 0.08,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 40,
        "random_state": 0,
    }
    return HistGradientBoostingClassifier(**options), HistGradientBoostingRegressor(loss="poisson", **options)


def _logistic() -> tuple[Any, Any]:
    return (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        make_pipeline(StandardScaler(), PoissonRegressor(alpha=1e-3, max_iter=1000)),
    )


@dataclass(frozen=True)
class LearnedRival:
    """A classifier of who comes, and a regression of how often."""

    base: LearnedProcess
    comes: Any
    days: Any

    def outlook(self, known: Known, window_days: int, horizons: Sequence[float]) -> Outlook:
        base = self.base.outlook(known, window_days, horizons)
        table = _table(known, base.days)
        p = np.asarray(self.comes.predict_proba(table)[:, 1])
        days = np.maximum(np.asarray(self.days.predict(table)), p)
        return Outlook(base.p_alive, p, days, base.ahead * (days / np.maximum(base.days, 1e-12)))

    def history(self, known: Known, window_days: int) -> Floats:
        return logit(self.outlook(known, window_days, []).p_active)

    def others(self, known: Known) -> Mapping[str, Floats]:  # all inputs are taken together
        return {}

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError("a rival is never stored")


def _table(known: Known, expected: Floats) -> Floats:
    return np.column_stack(list(inputs(known, expected).values()))


@dataclass(frozen=True)
class Rival:
    """A rival as a candidate."""

    name: str
    boosted: bool

    def learn(self, past: Past, origin: int) -> LearnedRival | None:
        before = origin + 1
        base, then = BG_NBD.learn(past, origin), BG_NBD.learn(past, before)
        if base is None or then is None:
            return None

        def fitted() -> LearnedRival:
            known, came = past.known(before), past.came(before).days
            table = _table(known, then.outlook(known, past.window_days, []).days)
            comes, days = _boosting() if self.boosted else _logistic()
            return LearnedRival(base, comes.fit(table, came > 0), days.fit(table, came))

        return past.kept((self.name, origin), fitted)

    def from_dict(self, plain: Mapping[str, Any]) -> LearnedRival:
        raise NotImplementedError("a rival is never stored")


LOGISTIC = Rival("logistic regression", boosted=False)
BOOSTING = Rival("HistGradientBoosting", boosted=True)
