"""The level of a forecast: by how much more or less buyers come than a model says, carried from windows that are over.

A level f changes an outlook of a window: P becomes 1 - (1 - P)^f, as if all buyers came f times as fast, and the days
beyond the first of those who come are multiplied by f. So E = P x (1 + ...) stays at least P, both rise with f, and f
= 1 changes nothing.
"""

from collections.abc import Callable, Mapping

import numpy as np

from cip_assets.analytics.forecasting.candidates.candidate import Candidate, outlook_of
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past, of_values

PRIOR_DAYS = 50.0
"""So many purchase days that came as expected are added to those that were counted: in a small shop, a level stays near
1."""

LIMITS = (0.05, 20.0)
"""A level is not searched for beyond these."""

HALVINGS = 40

PLAIN, CARRIED, SEASONAL = "plain", "carried", "seasonal"


def at_level(p: Floats, days: Floats, level: float) -> tuple[Floats, Floats]:
    """P(at least one) and the expected days at a level, each of the shape (n,)."""
    moved = -np.expm1(level * np.log1p(-np.minimum(p, 1 - 1e-12)))
    with np.errstate(divide="ignore", invalid="ignore"):
        more = np.where(p > 0, days / p - 1, 0.0)
    return moved, moved * (1 + level * np.maximum(more, 0.0))


def level_that(p: Floats, days: Floats, came: float) -> float:
    """The level at which the expected days add up to those that came, both with ``PRIOR_DAYS`` more that came as
    expected.
    """
    expected = float(days.sum())
    wanted = expected * (came + PRIOR_DAYS) / (expected + PRIOR_DAYS)
    low, high = (float(np.log(limit)) for limit in LIMITS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if at_level(p, days, float(np.exp(middle)))[1].sum() < wanted:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))


def _reached(past: Past, candidate: Candidate, origin: int) -> float | None:
    """The level at which the window after an origin came; None if nothing could be learned there."""

    def make() -> float | None:
        outlook = outlook_of(past, candidate, origin)
        if outlook is None:
            return None
        return level_that(outlook.p_active, outlook.days, float(past.came(origin).days.sum()))

    return past.kept(("level", candidate.name, origin), make)


def _plain(_past: Past, _candidate: Candidate, _origin: int) -> float | None:
    """The model as it is."""
    return 1.0


def _carried(past: Past, candidate: Candidate, origin: int) -> float | None:
    """The level of the window that ended on the origin."""
    return _reached(past, candidate, origin + 1)


def _seasonal(past: Past, candidate: Candidate, origin: int) -> float | None:
    """The level of the window that ended on the origin, times the change of level that followed a year before."""
    if past.season is None:
        return None
    year = origin + past.season
    last, then, before = (_reached(past, candidate, at) for at in (origin + 1, year, year + 1))
    return None if last is None or then is None or before is None else last * then / before


LEVELS: Mapping[str, Callable[[Past, Candidate, int], float | None]] = {
    PLAIN: _plain,
    CARRIED: _carried,
    SEASONAL: _seasonal,
}
"""The levels that compete, the simplest first: each, by its name, is worked out on an origin."""


def spend_level(past: Past, origin: int) -> float:
    """By how much more a purchase day was worth than expected, in the window that ended on an origin; 1 if unknown."""

    def make() -> float:
        before = origin + 1
        spend = past.spend(before) if past.is_there(before) else None
        if spend is None:
            return 1.0
        came = past.came(before)
        expected = float(np.sum(came.days * of_values(spend, past.known(before))))
        days = float(came.days.sum())
        if expected <= 0:
            return 1.0
        prior = PRIOR_DAYS * expected / days
        return float((came.spend.sum() + prior) / (expected + prior))

    return past.kept(("spend level", origin), make)
