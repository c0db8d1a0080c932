"""The simpler models used if BG/NBD or Gamma-Gamma cannot be fitted. They always give a finite answer.

``PooledRate`` is BG/NBD without dropout. Purchases are Poisson at a rate lambda ~ Gamma(r, alpha), so each customer's
rate is drawn toward the pooled rate, and more so if the customer was observed for a short time. ``PooledMean`` draws
each customer's mean value toward the mean of all in the same way. Both are estimated by moments, from sums, so there is
no iteration that could fail.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.bg_nbd import Statistics, customer_arrays, poisson_gamma_active
from cip_assets.analytics.forecasting.gamma_gamma import ValueStatistics
from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot

SHAPE_LIMITS = (0.1, 100.0)
"""Limits of the moment estimate of r. Beyond them, the sample shows little about how customers differ."""

PRIOR_PURCHASES, PRIOR_DAYS = 0.5, 365.0
"""Half a purchase in one more customer-year, which keeps the pooled rate above 0 and finite for any data."""


@dataclass(frozen=True)
class PooledRate:
    """Gamma-Poisson with r (no unit) and alpha (days). The pooled rate is r / alpha purchases a day."""

    r: float
    alpha: float
    customers: int = 0
    repeat_customers: int = 0

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
        """1 for every customer, shape (n,), because this model has no dropout."""
        return np.ones(len(customer_arrays(x, t_x, age)[0]))

    def probability_active_if_alive(self, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats:
        """See `poisson_gamma_active`."""
        return poisson_gamma_active(self.r, self.alpha, x, age, horizon_days)

    def purchases_if_alive(self, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]) -> Floats:
        """E[purchases in (T, T + h] | x, T] = h (r+x) / (alpha+T), shape (number of horizons, n)."""
        x, _, age = customer_arrays(x, 0.0, age)
        return np.outer(np.asarray(horizons_days, dtype=float), (self.r + x) / (self.alpha + age))


@dataclass(frozen=True)
class PooledMean:
    """The weighted mean of a customer's mean value, with the weight x / (x + strength), and of `mean`."""

    mean: float
    strength: float
    customers: int = 0

    def expected_value(self, x: ArrayLike, mean_value: ArrayLike) -> Floats:
        """The expected value of a purchase day, in the currency of the data, shape (n,)."""
        x, mean_value = np.broadcast_arrays(
            np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(mean_value, dtype=float))
        )
        known = (x > 0) & np.isfinite(mean_value)
        weight = np.where(known, x / (x + self.strength), 0.0)
        return weight * np.where(known, mean_value, 0.0) + (1 - weight) * self.mean


def pooled_rate(statistics: Statistics) -> PooledRate:
    """The pooled rate m = sum(x) / sum(T), and r from Var(x) = m T + m^2 T^2 / r, by moments.

    Any statistics are accepted, including none at all.
    """
    x, age, count = statistics.x, statistics.age, statistics.count
    rate = (dot(count, x) + PRIOR_PURCHASES) / (dot(count, age) + PRIOR_DAYS)
    expected = rate * age
    excess = dot(count, (x - expected) ** 2 - expected)
    lowest, highest = SHAPE_LIMITS
    # If the variance is not above Poisson's, customers do not differ, so the pooled rate has a large weight.
    r = float(np.clip(dot(count, expected**2) / excess, lowest, highest)) if excess > 0 else highest
    return PooledRate(r, r / rate, statistics.customers, statistics.repeat_customers)


def pooled_mean(statistics: ValueStatistics, overall_mean: float = 0.0) -> PooledMean:
    """The mean over purchase days, and its weight in purchase days against a customer's own mean.

    The strength is sigma^2 / tau^2 in Var(mean_value | x) = tau^2 + sigma^2 / x, a least-squares line through
    the squared deviations, within SHAPE_LIMITS; 1 if the line does not determine it.

    Args:
        statistics: repeat buyers with a mean value above 0; may be empty.
        overall_mean: the mean over all purchase days, used if there are no repeat buyers.

    """
    x, value, count = statistics.x, statistics.mean_value, statistics.count
    if len(x) == 0:
        return PooledMean(max(overall_mean, 0.0) if np.isfinite(overall_mean) else 0.0, 1.0)
    weight = count * x / dot(count, x)
    mean = dot(weight, value)
    share = count / float(count.sum())
    deviation = (value / mean - 1) ** 2
    inverse = 1 / x
    spread = dot(share, (inverse - dot(share, inverse)) ** 2)
    strength = 1.0
    if spread > 0:
        within = dot(share, (inverse - dot(share, inverse)) * deviation) / spread
        between = dot(share, deviation) - within * dot(share, inverse)
        if within > 0 and between > 0:
            strength = float(np.clip(within / between, *SHAPE_LIMITS))
    return PooledMean(mean, strength, statistics.customers)
