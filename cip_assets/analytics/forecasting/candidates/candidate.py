"""What a candidate is: a way to learn on a day when buyers come again, and how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past


@dataclass(frozen=True, eq=False)
class Outlook:
    """What n buyers are expected to do. In every row P <= E, and E rises with the horizon.

    Attributes:
        p_alive: P(has not dropped out), shape (n,).
        p_active: P(at least one purchase day within the churn window), shape (n,).
        days: expected purchase days within the churn window, shape (n,).
        ahead: expected purchase days within each horizon, shape (horizons, n).

    """

    p_alive: Floats
    p_active: Floats
    days: Floats
    ahead: Floats


class Learned(Protocol):
    """What a candidate learned on an origin."""

    def outlook(self, known: Known, window_days: int, horizons: Sequence[float]) -> Outlook: ...

    def history(self, known: Known, window_days: int) -> Floats:
        """The part of the log odds of coming within the window that follows from x, t_x and age, shape (n,)."""
        ...

    def others(self, known: Known) -> Mapping[str, Floats]:
        """The other parts of these log odds, by what they come from. All parts add up to the log odds."""
        ...

    def to_dict(self) -> dict[str, Any]: ...


class Candidate(Protocol):
    """One way to forecast, in a file of its own. ``CANDIDATES`` lists them, the simplest first."""

    @property
    def name(self) -> str: ...

    def learn(self, past: Past, origin: int) -> Learned | None:
        """What is learned from what was known on an origin; None if that is too little."""
        ...

    def from_dict(self, plain: Mapping[str, Any]) -> Learned: ...


def outlook_of(past: Past, candidate: Candidate, origin: int) -> Outlook | None:
    """What a candidate expects in the window after an origin, worked out once; None if it learned nothing there."""
    learned = candidate.learn(past, origin)
    if learned is None:
        return None
    return past.kept(
        ("outlook", candidate.name, origin),
        lambda: learned.outlook(past.known(origin), past.window_days, []),
    )


def logit(p: Floats) -> Floats:
    """The log odds of probabilities, within -20 and 20."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log(p) - np.log1p(-p), -20, 20))
