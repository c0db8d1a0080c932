"""Lognormal spend: what a paid day is worth if a few customers and a few days are worth very much.

The mean value of customer i, theta_i, is lognormal with the mean m and the squared coefficient of variation `between`.
Given theta_i, the values of a customer's days have the mean theta_i and the squared coefficient of variation `within`.
The mean z of x of them is taken to be lognormal too, with these moments (Fenton 1960, "The Sum of Log-Normal
Probability Distributions in Scatter Transmission Systems"). So log z is normal, and

    E[theta | x, z] = m (z/m)^w e^(w v / 2),  v = log(1 + within / x),  w = u / (u + v),  u = log(1 + between).

A customer's own mean counts less the larger it is, where in Gamma-Gamma its weight is always the same. The expectation
is multiplied by one factor, so that it adds up to the values that it was fitted on (the smearing estimate of Duan 1983,
"Smearing Estimate: A Nonparametric Retransformation Method"), also if values are not lognormal.

Values are in the currency of the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.gamma_gamma import ValueStatistics
from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot, maximize, to_digits

PARAMETERS = ("mean", "between", "within")

STARTS = ((0.5, 0.5), (0.1, 2.0), (2.0, 0.1))
"""Starting points (between, within): customers who differ as much as their days, less, and more."""


@dataclass(frozen=True)
class LognormalFit:
    """The three parameters, and how certain they are.

    Attributes:
        mean: the mean value of a paid day over customers, in currency.
        between: the squared coefficient of variation of the customers' mean values.
        within: the squared coefficient of variation of the values of one customer.
        level: the factor by which the expectations add up to the values that they were fitted on.
        log_likelihood: the sum over customers of the log-density of their mean value.
        standard_errors: of mean, between, within, by the delta method; None if the data does not determine it.
        log_standard_errors: of their logs.
        at_bound: the names of parameters that reached the limit of the search.
        customers: the number of customers with a mean value.

    """

    mean: float
    between: float
    within: float
    level: float = 1.0
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
        """The expected value of a paid day of a customer of whom nothing is known."""
        return self.level * self.mean

    def expected_value(self, x: ArrayLike, mean_value: ArrayLike) -> Floats:
        """E[value of a paid day | x, mean_value], shape (n,).

        Without a repeat purchase, or if the customer's mean is unknown (nan) or 0, it is the population's mean.

        Raises:
            ValueError: x is negative.

        """
        x, mean_value = np.broadcast_arrays(
            np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(mean_value, dtype=float))
        )
        if not (x >= 0).all():
            raise ValueError("x must be 0 or more for every customer")
        known = (x > 0) & np.isfinite(mean_value) & (mean_value > 0)
        variance = np.log1p(self.within / np.where(known, x, 1.0))
        between = np.log1p(self.between)
        weight = between / (between + variance)
        shift = weight * (np.log(np.where(known, mean_value, self.mean) / self.mean) + variance / 2)
        return np.asarray(self.population_mean * np.exp(np.where(known, shift, 0.0)))


class _Likelihood:
    """The sum of the log-densities of z: log z is normal with the variance V = log(1 + between) + log(1 + within / x)
    and the mean log(m) - V / 2.
    """

    def __init__(self, x: Floats, mean_value: Floats, count: Floats) -> None:
        self.x, self.log_value, self.count = x, np.log(mean_value), count

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The log-likelihood and its gradient with respect to the logs of mean, between, within."""
        mean, between, within = (float(value) for value in parameters)
        variance = np.log1p(between) + np.log1p(within / self.x)
        error = self.log_value - np.log(mean) + variance / 2
        density = -(np.log(2 * np.pi * variance) + error**2 / variance) / 2 - self.log_value
        of_mean = error / variance
        of_variance = self.count * (-1 / variance + of_mean**2 - of_mean) / 2
        slopes = [
            dot(self.count, of_mean),
            between / (1 + between) * float(of_variance.sum()),
            within * dot(of_variance, 1 / (self.x + within)),
        ]
        return dot(self.count, density), np.array(slopes)


def log_likelihood(statistics: ValueStatistics, mean: float, between: float, within: float) -> float:
    """The sum over customers of the log-density of their mean value; mean in currency."""
    likelihood = _Likelihood(statistics.x, statistics.mean_value, statistics.count)
    return likelihood(np.array([mean, between, within]))[0]


def fit(
    statistics: ValueStatistics, starts: Sequence[tuple[float, float, float]] | None = None
) -> LognormalFit:
    """The maximum of the likelihood over mean, between, within, and the level.

    Args:
        statistics: repeat buyers with a mean value above 0.
        starts: starting points (mean in currency, between, within); by default three at the geometric mean.

    Raises:
        ValueError: there is no customer.

    """
    customers = float(statistics.count.sum())
    if customers <= 0:
        raise ValueError("lognormal spend needs at least one repeat buyer with a mean value above 0")
    scale = float(np.exp(dot(statistics.count, np.log(statistics.mean_value)) / customers))
    scaled_starts = (
        [(1.0, between, within) for between, within in STARTS]
        if starts is None
        else [(mean / scale, between, within) for mean, between, within in starts]
    )
    best = maximize(
        _Likelihood(statistics.x, statistics.mean_value / scale, statistics.count), scaled_starts, customers
    )
    mean, between, within = (float(value) for value in best.parameters)
    values = (to_digits(mean * scale), to_digits(between), to_digits(within))
    # The mean over purchases, not customers, because forecasts are sums over purchases.
    purchases = statistics.count * statistics.x
    expected = dot(purchases, LognormalFit(*values).expected_value(statistics.x, statistics.mean_value))
    return LognormalFit(
        *values,
        level=dot(purchases, statistics.mean_value) / expected,
        log_likelihood=best.log_likelihood - customers * float(np.log(scale)),
        customers=statistics.customers,
        **best.described(PARAMETERS, values),
    )
