"""Whether the rate of an event changed, from counts by month: a Poisson regression over comparable customers.

The expected number of events of a stratum in a month is its exposure times a rate of the stratum, times a factor of the
month of the year, times a step from some month on. Strata hold together customers who did the same lately, so that
neither growth nor the age of the shop looks like a change of behavior.

Two kinds of noise decide how certain a step is. Customers differ, and each is counted in many months: customers are in
groups by a hash of their id, and the groups' scores give the variance, whatever the customers are like (a sandwich
estimator). And a month has weather, holidays and campaigns of its own: what the months vary beyond their sampling error
widens the interval (quasi-Poisson), with Student's t for the few months.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]

YEAR: Final = 12
NEXT_TO_A_STEP: Final = 3
"""Months that must lie before and after a step."""
SPARE: Final = 4
"""Months beyond a year that an answer needs. Their season is known; with fewer, intervals are too wide to be of use."""
DRAWS: Final = 4_000
"""Random draws that the critical value is taken from; always the same ones."""


@dataclass(frozen=True)
class Counts:
    """Events and exposure, of shape (groups, strata, months), and the months by their first days."""

    events: Floats
    exposure: Floats
    months: Sequence[date]

    @property
    def spare(self) -> int:
        """The months that are left after the season and a step."""
        return len(self.months) - len({month.month for month in self.months}) - 1

    def of_strata(self, chosen: NDArray[np.bool_]) -> "Counts":
        return Counts(self.events[:, chosen], self.exposure[:, chosen], self.months)


@dataclass(frozen=True)
class Change:
    """A change of a rate. Effects are logarithms of ratios: 0 is no change, and log(1.1) is 10% more.

    ``since`` is the month in which the step fits best. ``low`` and ``high`` are the ends of the interval of ``effect``,
    which allows for the choice among all months. ``noise`` is how much more the months vary than their customers
    explain. ``effects`` and ``margins`` are those of a step in each month that can have one, ``months_after`` later
    months follow it, and the margin is that of a one-sided 95% bound. ``spread`` is the standard error of ``effect``,
    and ``dispersion`` how much more it varies between customers than independent events. ``expected`` are the events of
    each month had nothing changed, of shape (months,), and ``rates`` those per exposure, of shape (strata, months).
    """

    since: date
    effect: float
    low: float
    high: float
    noise: float
    effects: Floats
    margins: Floats
    months_after: NDArray[np.int64]
    spread: float
    dispersion: float
    expected: Floats
    rates: Floats

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes 0."""
        return bool(self.low > 0 or self.high < 0)

    @property
    def largest(self) -> float:
        """The largest change, up or down and since any month, that the counts do not rule out."""
        return float((np.abs(self.effects) + self.margins).max())

    def months_needed(self, smallest: float) -> int | None:
        """About how many more months would rule out a change of this size; None if the shop is changing as much."""
        room = smallest - np.abs(self.effects)
        if (room <= 0).any():
            return None
        # The margin falls with the square root of the months after the step.
        more = self.months_after * ((self.margins / room) ** 2 - 1)
        return max(int(np.ceil(more.max())), 0)


@dataclass(frozen=True)
class Part:
    """The change of one part of the counts, such as a region, since the month of the whole change.

    ``excess`` is the number of events more than without the change; ``effect``, ``low`` and ``high`` as in ``Change``.
    ``beyond`` is how much more than the whole the part certainly changed, 0 if that is not certain.
    """

    effect: float
    low: float
    high: float
    observed: float
    excess: float
    beyond: float


@dataclass(frozen=True)
class _Fit:
    """A fitted regression: its design, of shape (cells, columns), its coefficients, and the expected events of each
    cell.
    """

    design: Floats
    coefficients: Floats
    expected: Floats

    @property
    def information(self) -> Floats:
        """The inverse of the Fisher information of the coefficients."""
        return np.asarray(
            np.linalg.pinv(self.design.T @ (self.expected[:, None] * self.design), hermitian=True)
        )

    def without(self, columns: Floats) -> Floats:
        """Columns, less what the design explains of them."""
        fitted = self.information @ (self.design.T @ (self.expected[:, None] * columns))
        return columns - self.design @ fitted


def months_missing(counts: Counts) -> int:
    """How many more months of counts a change can be looked for in."""
    return max(YEAR + SPARE - len(counts.months), 0)


def change_of(counts: Counts, significance: float) -> Change | None:
    """The most likely change of a rate, and its interval; None if there are too few months or events.

    Args:
        counts: of months that are over.
        significance: the probability of a change that is not there.

    """
    busy = (counts.events.sum((0, 2)) > 0) & (counts.exposure.sum((0, 2)) > 0)
    if months_missing(counts) or not busy.any():
        return None
    counts = counts.of_strata(busy)
    _, strata, months = counts.events.shape
    events, exposure = (whole.sum(0).ravel() for whole in (counts.events, counts.exposure))
    month = np.tile(np.arange(months), strata)
    design = np.hstack([_indicators(np.repeat(np.arange(strata), months)), _season(counts.months, month)])
    steps = np.arange(NEXT_TO_A_STEP, months - NEXT_TO_A_STEP + 1)
    after = (month[:, None] >= steps).astype(float)

    unchanged = _fit(events, exposure, design)
    inside = unchanged.without(after)
    information = (inside * unchanged.expected[:, None] * inside).sum(0)
    known = information > 1e-3 * (after * unchanged.expected[:, None]).sum(0)
    if not known.any():
        return None
    steps, after, inside, information = steps[known], after[:, known], inside[:, known], information[known]
    scores = _residuals(counts, unchanged.expected, exposure) @ inside
    best = int(np.argmax(scores.sum(0) ** 2 / information))

    stepped = _fit(events, exposure, np.hstack([design, after[:, [best]]]))
    noise = _excess_noise(counts, stepped, exposure, month)
    effect, sampled = _step(counts, stepped, exposure)
    spread = sampled * noise**0.5
    covariance = _covariance(scores)
    critical = _critical(covariance, counts.spare, significance)
    margin = critical * spread
    rates = np.zeros((len(busy), months))
    as_before = stepped.expected * np.exp(-effect * after[:, best])
    rates[busy] = _rate(as_before, exposure).reshape(strata, months)
    return Change(
        counts.months[steps[best]],
        effect,
        effect - margin,
        effect + margin,
        noise,
        scores.sum(0) / information,
        scipy.special.stdtrit(counts.spare, 0.95) * np.sqrt(noise * np.diag(covariance)) / information,
        months - steps,
        spread,
        sampled**2 / float(stepped.information[-1, -1]),
        as_before.reshape(strata, months).sum(0),
        rates,
    )


def part_of(counts: Counts, whole: Change, significance: float) -> Part | None:
    """The change of a part since the month of the whole change; None if it has no event before or after.

    Args:
        counts: of the part, in the strata and months of the whole.
        whole: the change of the whole, whose rates and season the part is compared with.
        significance: the probability of a change that is not there.

    """
    after = np.array([month >= whole.since for month in counts.months])
    events, usual = counts.events.sum((0, 1)), (counts.exposure.sum(0) * whole.rates).sum(0)
    now, before = (events[side].sum() for side in (after, ~after))
    expected, expected_before = (usual[side].sum() for side in (after, ~after))
    if not all((now, before, expected, expected_before)):
        return None
    usual_now = expected * before / expected_before
    effect = float(np.log(now / usual_now))
    critical = float(scipy.special.stdtrit(counts.spare, 1 - significance / 2))
    own = ((1 / now + 1 / before) * whole.dispersion) ** 0.5
    # The season of the whole is estimated, too.
    margin = critical * (own**2 + whole.spread**2) ** 0.5
    further = effect - whole.effect
    beyond = float(np.sign(further) * max(abs(further) - critical * own, 0.0))
    return Part(effect, effect - margin, effect + margin, float(now), float(now - usual_now), beyond)


def ratio_of(counts: Counts, significance: float) -> tuple[float, float, float] | None:
    """The logarithm of the ratio of two risks that is the same in all strata, by Mantel and Haenszel, and the ends of
    its interval; None if one of them has no event, or only customers of one group have any.

    Args:
        counts: of shape (groups, strata, 2): the risk compared with, and the one that is compared.
        significance: the probability of an interval without the true ratio.

    """
    groups = len(counts.events)
    found = _mantel_haenszel(counts.events.sum(0), counts.exposure.sum(0))
    # The jackknife: without each group of customers in turn.
    without = [
        _mantel_haenszel(
            *(np.delete(whole, group, axis=0).sum(0) for whole in (counts.events, counts.exposure))
        )
        for group in range(groups)
    ]
    if not np.isfinite([found, *without]).all():
        return None
    spread = ((groups - 1) * np.var(without)) ** 0.5
    margin = scipy.special.stdtrit(groups - 1, 1 - significance / 2) * spread
    return found, float(found - margin), float(found + margin)


def standardized(events: Floats, exposure: Floats) -> tuple[Floats, Floats]:
    """The events of two sides, had each stratum the same exposure on both, and that exposure.

    The exposure is the product of the two divided by their sum: the weight of Mantel and Haenszel. So the ratio of the
    sums of events is their common ratio, and a stratum that is on one side only counts for nothing.

    Args:
        events: of shape (strata, 2).
        exposure: whole numbers, of shape (strata, 2).

    Returns:
        The events, of shape (strata, 2), and the exposure, of shape (strata,).

    """
    whole = np.maximum(exposure.sum(1), 1)
    return events * exposure[:, ::-1] / whole[:, None], exposure.prod(1) / whole


def _mantel_haenszel(events: Floats, exposure: Floats) -> float:
    """The logarithm of the common ratio; infinite or not a number if one side has no event."""
    most, fewest = standardized(events, exposure)[0].sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.log(fewest / most))


def _fit(events: Floats, exposure: Floats, design: Floats) -> _Fit:
    # Imported at the first fit: it takes a second, which only a process that fits should wait for.
    from statsmodels.genmod.families import Poisson  # noqa: PLC0415
    from statsmodels.genmod.generalized_linear_model import GLM  # noqa: PLC0415

    here = exposure > 0
    fitted = GLM(events[here], design[here], family=Poisson(), exposure=exposure[here]).fit()
    expected = np.zeros(len(events))
    expected[here] = fitted.mu
    return _Fit(design, fitted.params, expected)


def _indicators(codes: NDArray[np.int64]) -> Floats:
    return np.asarray((codes[:, None] == np.unique(codes)).astype(float))


def _season(months: Sequence[date], month: NDArray[np.int64]) -> Floats:
    """A column for each month of the year except the first."""
    of_year = np.array([m.month for m in months])
    return np.asarray((of_year[month][:, None] == np.unique(of_year)[1:]).astype(float))


def _residuals(counts: Counts, expected: Floats, exposure: Floats) -> Floats:
    """Events less the expected ones of each group; shape (groups, cells)."""
    flat = (len(counts.events), -1)
    return np.asarray(counts.events.reshape(flat) - counts.exposure.reshape(flat) * _rate(expected, exposure))


def _rate(expected: Floats, exposure: Floats) -> Floats:
    return np.divide(expected, exposure, out=np.zeros_like(expected), where=exposure > 0)


def _covariance(scores: Floats) -> Floats:
    """The covariance of the sum of the groups' scores; shape (columns, columns)."""
    groups = len(scores)
    centered = scores - scores.mean(0)
    return np.asarray(groups / (groups - 1) * centered.T @ centered)


def _step(counts: Counts, fitted: _Fit, exposure: Floats) -> tuple[float, float]:
    """The coefficient of the last column, and its standard error between groups of customers."""
    weights = fitted.design @ fitted.information[:, [-1]]
    influence = _residuals(counts, fitted.expected, exposure) @ weights
    return float(fitted.coefficients[-1]), float(_covariance(influence)[0, 0] ** 0.5)


def _excess_noise(counts: Counts, fitted: _Fit, exposure: Floats, month: NDArray[np.int64]) -> float:
    """The variation of the months, as a multiple of what their customers explain, and at least 1."""
    totals = _indicators(month)
    residuals = _residuals(counts, fitted.expected, exposure)
    sampled = np.diag(_covariance(residuals @ fitted.without(totals)))
    found = (residuals.sum(0) @ totals) ** 2
    live = sampled > 1e-6 * sampled.max()
    return max(1.0, float(found[live].sum() / sampled[live].sum()))


def _critical(covariance: Floats, spare: int, significance: float) -> float:
    """What the largest of the steps' standardized effects exceeds with this probability, if nothing changed."""
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(correlation)
    draw = np.random.default_rng(0)
    # The symmetric root: the vectors of equal values, and all signs, depend on the processor.
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    normal = draw.standard_normal((DRAWS, len(scale))) @ root
    largest = np.abs(normal).max(1) / np.sqrt(draw.chisquare(spare, DRAWS) / spare)
    return float(np.quantile(largest, 1 - significance))
