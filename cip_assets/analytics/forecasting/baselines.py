"""Baselines: what a forecast must beat. Each learns on an origin from the window that ended there, and uses no
model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cip_assets.analytics.forecasting.additive import fit_additive
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.special import expit

BASE_RATE, RECENCY, CARRY_FORWARD = "base_rate", "recency", "carry_forward"

CERTAIN = 0.999
"""How certain carry-forward is that the last window repeats: less than 1, because of the log loss."""


@dataclass(frozen=True, eq=False)
class Guess:
    """P(at least one purchase day), expected days, expected spend, and what buyers are ranked by, each of the shape
    (n,).
    """

    p: Floats
    days: Floats
    spend: Floats
    rank: Floats


def _base_rate(past: Past, origin: int) -> Guess | None:
    """Everyone comes as often as all did in the last window."""
    before, n = origin + 1, len(past.known(origin))
    if not past.is_there(before):
        return None
    came = past.came(before)
    p, days, spend = (np.full(n, float(values.mean())) for values in (came.days > 0, came.days, came.spend))
    return Guess(p, days, spend, p)


def _recency(past: Past, origin: int) -> Guess | None:
    """Buyers are ranked by the days since the last purchase, as they are; P falls with them as in the last window."""
    before = origin + 1
    if not past.is_there(before):
        return None
    came, then, now = past.came(before), past.known(before), past.known(origin)
    bought = came.days > 0
    if bought.all() or not bought.any():
        return None
    model = fit_additive({"log_recency": np.log1p(then.recency)}, bought.astype(float), "binomial", bent=1.0)
    p = np.asarray(expit(model({"log_recency": np.log1p(now.recency)})))
    each = float(bought.sum())
    return Guess(p, p * float(came.days.sum()) / each, p * float(came.spend.sum()) / each, -now.recency)


def _carry_forward(past: Past, origin: int) -> Guess | None:
    """Everyone does again what they did in the last window."""
    day, window = past.day(origin), past.window_days
    who = past.buyers(origin)
    inside = past.history.purchases.between(day - window, day)
    days, spend = inside.count(past.history.buyers)[who], inside.total(past.history.buyers)[who]
    p = np.where(days > 0, CERTAIN, 1 - CERTAIN)
    return Guess(p, days, spend, days)


BASELINES: Mapping[str, Callable[[Past, int], Guess | None]] = {
    BASE_RATE: _base_rate,
    RECENCY: _recency,
    CARRY_FORWARD: _carry_forward,
}
