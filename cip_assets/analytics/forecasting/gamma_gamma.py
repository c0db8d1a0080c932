"""Gamma-Gamma: what a paid day is worth.

A customer's purchase values are Gamma(p, nu), nu ~ Gamma(q, gamma), independent of how often they buy.
Fader, Hardie (2013), "The Gamma-Gamma Model of Monetary Value", cited below as FH.

Values are in the currency of the data, and so is gamma.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot, maximize, to_digits
from cip_assets.analytics.special import digamma, gammaln

PARAMETERS = ("p", "q", "gamma")

BINS_PER_E_FOLD = 50
"""Bins of the mean value per factor e; each is 2% wide. Money of 18 digits spans 41 factors e, so each x has at most
about 2,000 bins for any number of customers.
"""


@dataclass(frozen=True, eq=False)
class ValueStatistics:
    """The data of the likelihood. Grain: one (x, mean_value), which stands for `count` customers.

    Attributes:
        x: the number of values behind the mean, 1 or more, shape (k,).
        mean_value: the mean value, above 0, shape (k,).
        count: the number of customers, shape (k,).

    """

    x: Floats
    mean_value: Floats
    count: Floats

    def __post_init__(self) -> None:
        for name in ("x", "mean_value", "count"):
            array = np.atleast_1d(np.asarray(getattr(self, name), dtype=float))
            if not (np.isfinite(array) & (array > 0)).all():
                raise ValueError(
                    f"{name} must be a positive number everywhere; leave out rows with x = 0 or a mean value of 0"
                )
            object.__setattr__(self, name, array)
        if not len(self.x) == len(self.mean_value) == len(self.count):
            raise ValueError("x, mean_value and count must have the same length")

    @property
    def customers(self) -> int:
        return round(float(self.count.sum()))


def bin_statistics(
    x: ArrayLike, mean_value: ArrayLike, count: ArrayLike = 1.0, bins_per_e_fold: int = BINS_PER_E_FOLD
) -> ValueStatistics:
    """One row per x and bin of log(mean_value). The geometric mean of the bin stands for its customers.

    Customers without a repeat purchase or with a mean of 0 (which has no density) are left out. A query engine can do
    the same: group by x and floor(ln(mean_value) * bins_per_e_fold), and take exp(avg(ln(mean_value))) and count.
    Within a bin, the likelihood is nearly linear in log(mean_value), so the estimates hardly change.
    """
    rows = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=float)) for v in (x, mean_value, count)))
    used = (rows[0] > 0) & (rows[1] > 0) & (rows[2] > 0) & np.isfinite(rows[0] + rows[1] + rows[2])
    times, values, customers = (row[used] for row in rows)
    if len(times) == 0:
        return ValueStatistics(times, values, customers)
    logs = np.log(values)
    bins = np.floor(logs * bins_per_e_fold)
    order = np.lexsort((bins, times))
    times, logs, bins, customers = times[order], logs[order], bins[order], customers[order]
    starts = np.flatnonzero(np.diff(times, prepend=-1.0).astype(bool) | (np.diff(bins, prepend=bins[0]) != 0))
    counts = np.add.reduceat(customers, starts)
    means = np.add.reduceat(customers * logs, starts) / counts
    return ValueStatistics(times[starts], np.exp(means), counts)


@dataclass(frozen=True)
class GammaGammaFit:
    """The three parameters (gamma in currency), and how certain they are.

    Attributes:
        log_likelihood: the sum over customers of the log of FH equation (1a).
        standard_errors: of p, q, gamma, by the delta method; None if the data does not determine it.
        log_standard_errors: of their logs.
        at_bound: the names of parameters that reached the limit of the search.
        observed_mean: the mean of the customers' means, each with the weight that `expected_value` gives it; None for
            given parameters. It takes the place of the population's mean, which follows from the shape of the tail: if
            spend is lognormal, the tail's estimate is far off, and the mean of many customers is not.
        converged: also false if q <= 1, because values then have no mean.
        customers: the number of customers with a mean value.

    """

    p: float
    q: float
    gamma: float
    observed_mean: float | None = None
    log_likelihood: float | None = None
    standard_errors: tuple[float | None, ...] = (None, None, None)
    log_standard_errors: tuple[float | None, ...] = (None, None, None)
    at_bound: tuple[str, ...] = ()
    converged: bool = False
    customers: int = 0
    starts: int = 0
    message: str = ""

    @property
    def population_mean(self) -> float:
        """The mean value of a purchase over all customers, p gamma / (q - 1); infinite for q <= 1."""
        return self.p * self.gamma / (self.q - 1) if self.q > 1 else float("inf")

    def expected_value(self, x: ArrayLike, mean_value: ArrayLike) -> Floats:
        """See `expected_value`."""
        return expected_value(self, x, mean_value)


class _Likelihood:
    """The log of FH equation (1a) summed over grouped statistics, with total spend s = x z:

    log Gamma(px+q) - log Gamma(px) - log Gamma(q) + px log(s / (gamma+s)) + q log(gamma / (gamma+s)) - log z.
    """

    def __init__(self, x: Floats, mean_value: Floats, count: Floats) -> None:
        self.x, self.x_index = np.unique(x, return_inverse=True)
        self.x_count = np.bincount(self.x_index, count)
        self.count = count
        self.total = x * mean_value
        self.log_total = np.log(self.total)
        self.constant = -dot(count, np.log(mean_value))

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The log-likelihood and its gradient with respect to the logs of p, q, gamma."""
        p, q, gamma = (float(value) for value in parameters)
        customers = float(self.count.sum())
        # log(s / (gamma+s)) and log(gamma / (gamma+s)), without cancellation at either end.
        difference = self.log_total - np.log(gamma)
        log_share = -np.logaddexp(0.0, -difference)
        log_rest = -np.logaddexp(0.0, difference)
        by_x = np.bincount(self.x_index, self.count * log_share)
        rest = dot(self.count, log_rest)
        share = np.bincount(self.x_index, self.count * np.exp(log_share))
        px = p * self.x
        value = (
            dot(self.x_count, gammaln(px + q) - gammaln(px))
            - customers * float(gammaln(q))
            + dot(px, by_x)
            + q * rest
            + self.constant
        )
        slope_p = dot(self.x * self.x_count, digamma(px + q) - digamma(px)) + dot(self.x, by_x)
        slope_q = dot(self.x_count, digamma(px + q)) - customers * float(digamma(q)) + rest
        # gamma d/dgamma: -px gamma/(gamma+s) + q s/(gamma+s)
        slope_gamma = dot(px + q, share) - dot(px, self.x_count)
        return value, np.array([p * slope_p, q * slope_q, slope_gamma])


def log_likelihood(statistics: ValueStatistics, p: float, q: float, gamma: float) -> float:
    """The sum over customers of the log of FH equation (1a); gamma in currency."""
    likelihood = _Likelihood(statistics.x, statistics.mean_value, statistics.count)
    return likelihood(np.array([p, q, gamma]))[0]


def fit(
    statistics: ValueStatistics, starts: Sequence[tuple[float, float, float]] | None = None
) -> GammaGammaFit:
    """The maximum of the likelihood, FH equation (1a), over p, q, gamma.

    Args:
        statistics: repeat buyers with a mean value above 0.
        starts: starting points (p, q, gamma in currency); by default three with the observed mean.

    Raises:
        ValueError: there is no customer.

    """
    customers = float(statistics.count.sum())
    if customers <= 0:
        raise ValueError("Gamma-Gamma needs at least one repeat buyer with a mean value above 0")
    # The geometric mean, so that one huge value does not push all others to the limit of the search.
    scale = float(np.exp(dot(statistics.count, np.log(statistics.mean_value)) / customers))
    mean = min(dot(statistics.count, statistics.mean_value / scale) / customers, 1e3)
    scaled_starts = (
        [(p, q, mean * (q - 1) / p) for p, q in ((2.0, 3.0), (8.0, 5.0), (0.7, 10.0))]
        if starts is None
        else [(p, q, gamma / scale) for p, q, gamma in starts]
    )
    best = maximize(
        _Likelihood(statistics.x, statistics.mean_value / scale, statistics.count), scaled_starts, customers
    )
    p, q, gamma = (float(value) for value in best.parameters)
    values = (to_digits(p), to_digits(q), to_digits(gamma * scale))
    if q <= 1:
        best = replace(
            best, converged=False, message=f"q = {q:.3g} is not above 1: spending has no finite mean"
        )
    weights = statistics.count * statistics.x / (statistics.x + max(q - 1, 0.0) / p)
    return GammaGammaFit(
        *values,
        observed_mean=dot(weights, statistics.mean_value) / float(weights.sum()),
        log_likelihood=best.log_likelihood - customers * float(np.log(scale)),
        customers=statistics.customers,
        **best.described(PARAMETERS, values),
    )


def expected_value(fit: GammaGammaFit, x: ArrayLike, mean_value: ArrayLike) -> Floats:
    """E[value of a purchase | x, mean_value], FH equation (5), shape (n,).

    The weighted mean of the customer's mean, with the weight p x / (p x + q - 1), and the mean of all: `observed_mean`,
    or the population's mean if the parameters are given. Without a repeat purchase, or if the customer's mean is
    unknown (nan), it is the mean of all.

    Raises:
        ValueError: q <= 1, so the mean does not exist; or x is negative.

    """
    if fit.q <= 1:
        raise ValueError(f"q = {fit.q:.3g} is not above 1: spending has no finite mean")
    x, mean_value = np.broadcast_arrays(
        np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(mean_value, dtype=float))
    )
    if not (x >= 0).all():
        raise ValueError("x must be 0 or more for every customer")
    known = (x > 0) & np.isfinite(mean_value)
    weight = np.where(known, fit.p * x / (fit.p * x + fit.q - 1), 0.0)
    of_all = fit.population_mean if fit.observed_mean is None else fit.observed_mean
    return weight * np.where(known, mean_value, 0.0) + (1 - weight) * of_all
