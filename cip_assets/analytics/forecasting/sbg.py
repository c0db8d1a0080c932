"""Shifted beta-geometric (sBG): how many of a cohort are still there after k periods.

In each period a customer leaves with a probability that is their own, drawn from Beta(alpha, beta). Those who leave
easily leave first, so the cohort's retention rises with time. Fader, Hardie (2007), "How to Project Customer
Retention", Journal of Interactive Marketing 21(1).

Where customers do not tell that they leave, only activity is seen: the share of a cohort that bought in month k. It is
level x S(k), if those who are still there buy in a month with the mean probability `level`, independently of how easily
they leave, as in Fader, Hardie, Shang (2010), "Customer-Base Analysis in a Discrete-Time Noncontractual Setting",
Marketing Science 29(6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot, maximize, to_digits
from cip_assets.analytics.special import betaln, digamma

STARTS = ((1.0, 1.0), (0.5, 3.0), (3.0, 10.0))
"""Starting points (alpha, beta): customers who differ much, some who stay long, and alike ones."""

FEWEST_PERIODS = 6
"""Twice the parameters of `fit_activity`: with fewer, its curve follows single periods."""


@dataclass(frozen=True)
class SbgFit:
    """The parameters.

    Attributes:
        level: the mean probability that a customer who is still there is active in a period; 1 if leaving is observed.
        log_likelihood: the sum over customers.

    """

    alpha: float
    beta: float
    level: float = 1.0
    log_likelihood: float | None = None
    converged: bool = False

    def survival(self, periods: ArrayLike) -> Floats:
        """S(k) = B(alpha, beta + k) / B(alpha, beta): the share of a cohort that is still there after k periods."""
        return np.exp(_log_survival(self.alpha, self.beta, np.asarray(periods, dtype=float)))

    def activity(self, periods: ArrayLike) -> Floats:
        """The expected share of a cohort that is active in period k, for k of 1 or more."""
        return self.level * self.survival(periods)


def _log_survival(alpha: float, beta: float, periods: Floats) -> Floats:
    return np.asarray(betaln(alpha, beta + periods) - betaln(alpha, beta))


def fit(survivors: Sequence[float]) -> SbgFit:
    """The maximum of the likelihood over alpha and beta.

    Args:
        survivors: customers who are still there at the beginning and after each period; never more than before.

    Raises:
        ValueError: there is no period, nobody left, or customers came back.

    """
    counts = np.asarray(survivors, dtype=float)
    left = -np.diff(counts)
    if len(left) == 0 or (left < 0).any() or not left.sum() > 0:
        raise ValueError("survivors must be two or more numbers that never rise and fall at least once")
    periods = np.arange(1, len(counts), dtype=float)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        alpha, beta = (float(value) for value in parameters)
        # P(T = t) = B(alpha + 1, beta + t - 1) / B(alpha, beta); those who stayed have S(t) of the last period.
        died = betaln(alpha + 1, beta + periods - 1) - betaln(alpha, beta)
        last = periods[-1]
        value = dot(left, died) + counts[-1] * float(_log_survival(alpha, beta, last))
        of_all = digamma(alpha + beta)
        slope_alpha = dot(
            left, digamma(alpha + 1) - digamma(alpha + beta + periods) - digamma(alpha) + of_all
        ) + counts[-1] * float(of_all - digamma(alpha + beta + last))
        slope_beta = dot(
            left, digamma(beta + periods - 1) - digamma(alpha + beta + periods) - digamma(beta) + of_all
        ) + counts[-1] * float(digamma(beta + last) - digamma(alpha + beta + last) - digamma(beta) + of_all)
        return value, np.array([alpha * slope_alpha, beta * slope_beta])

    best = maximize(objective, STARTS, float(counts[0]))
    alpha, beta = (to_digits(value) for value in best.parameters)
    return SbgFit(alpha, beta, log_likelihood=float(best.log_likelihood), converged=best.converged)


def fit_activity(active: Sequence[float], members: Sequence[float]) -> SbgFit | None:
    """The maximum of the binomial likelihood of the active members over level, alpha and beta.

    The same members are counted in many periods, so this is a quasi-likelihood: the estimates hold, and no errors are
    given.

    Args:
        active: members who were active in period 1, 2, ...
        members: all members whose period 1, 2, ... is over; a period without members counts for nothing.

    Returns:
        None if fewer than ``FEWEST_PERIODS`` periods have members, or nobody was active, or the fit is not usable.

    """
    seen, size = np.asarray(active, dtype=float), np.asarray(members, dtype=float)
    if (size > 0).sum() < FEWEST_PERIODS or not seen.sum() > 0:
        return None
    periods = np.arange(1, len(seen) + 1, dtype=float)

    def objective(parameters: Floats) -> tuple[float, Floats]:
        odds, alpha, beta = (float(value) for value in parameters)
        log_share = np.log(odds) - np.log1p(odds) + _log_survival(alpha, beta, periods)
        share = np.exp(log_share)
        value = dot(seen, log_share) + dot(size - seen, np.log1p(-share))
        # The slope with respect to the log of the share.
        slope = seen - (size - seen) * share / (1 - share)
        at_alpha = digamma(alpha + beta) - digamma(alpha + beta + periods)
        at_beta = digamma(beta + periods) - digamma(beta) + at_alpha
        slopes = [float(slope.sum()) / (1 + odds), alpha * dot(slope, at_alpha), beta * dot(slope, at_beta)]
        return value, np.array(slopes)

    first = float(np.clip(seen.sum() / size.sum(), 1e-3, 0.9))
    best = maximize(
        objective, [(first / (1 - first), alpha, beta) for alpha, beta in STARTS], float(size.sum())
    )
    odds, alpha, beta = (to_digits(value) for value in best.parameters)
    if not best.converged:
        return None
    return SbgFit(alpha, beta, odds / (1 + odds), float(best.log_likelihood), converged=True)
