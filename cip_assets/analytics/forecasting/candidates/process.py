"""Candidates that are purchase processes: while alive, customers buy at random at a rate of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cip_assets.analytics.forecasting.bg_nbd import Statistics
from cip_assets.analytics.forecasting.candidates.candidate import Outlook, logit
from cip_assets.analytics.forecasting.discounting import PurchaseProcess
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.plain import of_plain, to_plain
from cip_assets.analytics.forecasting.spend import MIN_REPEAT_CUSTOMERS


@dataclass(frozen=True)
class LearnedProcess:
    """A fitted purchase process, and the horizons that it forecasts."""

    process: PurchaseProcess

    def outlook(self, known: Known, window_days: int, horizons: Sequence[float]) -> Outlook:
        alive = self.process.probability_alive(known.x, known.t_x, known.age)
        # The rest depends only on x and age, which are whole numbers, so many customers share both.
        x, age, index = distinct_pairs(known.x, known.age)
        active = self.process.probability_active_if_alive(x, age, window_days)[index]
        ahead = self.process.purchases_if_alive(x, age, [window_days, *horizons])[:, index] * alive
        p = active * alive
        # The horizons are interpolated with a relative error of 1e-6, which must not put E below P.
        return Outlook(alive, p, np.maximum(ahead[0], p), ahead[1:])

    def history(self, known: Known, window_days: int) -> Floats:
        return logit(self.outlook(known, window_days, []).p_active)

    def others(self, known: Known) -> Mapping[str, Floats]:
        return {}

    def to_dict(self) -> dict[str, Any]:
        return to_plain(self.process)


def distinct_pairs(x: Floats, age: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """The distinct (x, age), and for each customer the index of their pair."""
    x_values, x_index = np.unique(x, return_inverse=True)
    age_values, age_index = np.unique(age, return_inverse=True)
    ages = max(len(age_values), 1)
    codes, index = np.unique(x_index * ages + age_index, return_inverse=True)
    return x_values[codes // ages], age_values[codes % ages], index


FURTHEST = 12
"""The oldest origin that is learned on only to have a starting point, three years ago at 90 days each. If there were no
limit, a day would cost more with each year of history.
"""

MODERATE = (0.01, 2000.0)
"""Between these a parameter is no extreme; times are in days."""


class Fit(Protocol):
    """Fits a process on statistics, from some starting points or from its own."""

    def __call__(self, statistics: Statistics, starts: Any = None) -> Any: ...


@dataclass(frozen=True)
class ProcessCandidate:
    """A purchase process as a candidate.

    Attributes:
        name: of the process.
        kind: the dataclass of its fit.
        fit: fits it on statistics; raises ValueError if that is impossible.
        parameters: the names of the parameters that make a starting point; none if it needs none.

    """

    name: str
    kind: type[Any]
    fit: Fit
    parameters: Sequence[str] = ()

    def learn(self, past: Past, origin: int) -> LearnedProcess | None:
        if not past.is_there(origin):
            return None
        return past.kept((self.name, origin), lambda: self._fitted(past, origin))

    def _fitted(self, past: Past, origin: int) -> LearnedProcess | None:
        statistics = past.statistics(origin)
        if not self.parameters:
            return LearnedProcess(self._fit(past, origin))
        if statistics.repeat_customers < MIN_REPEAT_CUSTOMERS or statistics.count.size == 1:
            return None
        # One window earlier the parameters were nearly the same, so one starting point is enough. Where a parameter is
        # extreme the likelihood is flat, so nothing begins or ends there unless every start does.
        earlier = self.learn(past, origin + 1) if origin < FURTHEST else None
        fit = None
        if earlier and self._is_moderate(earlier.process):
            fit = self._fit(past, origin, [self._point(earlier.process)])
        if fit is None or not fit.converged or not self._is_moderate(fit):
            fit = self._fit(past, origin)
        return LearnedProcess(fit) if fit.converged else None

    def _fit(self, past: Past, origin: int, starts: Any = None) -> Any:
        of = past.statistics(origin)
        plain = past.fits.made(
            self.name, (of.x, of.t_x, of.age, of.count, starts), lambda: asdict(self.fit(of, starts))
        )
        return of_plain(self.kind, plain)

    def _point(self, fit: Any) -> tuple[float, ...]:
        return tuple(getattr(fit, name) for name in self.parameters)

    def _is_moderate(self, fit: Any) -> bool:
        low, high = MODERATE
        return all(low < value < high for value in self._point(fit))

    def from_dict(self, plain: Mapping[str, Any]) -> LearnedProcess:
        return LearnedProcess(of_plain(self.kind, plain))
