"""BG/NBD: when customers buy, and when they stop.

While alive a customer buys at a rate lambda ~ Gamma(r, alpha); after each repeat purchase the customer stops
for good with probability p ~ Beta(a, b). Fader, Hardie, Lee (2005), "Counting Your Customers the Easy Way: An
Alternative to the Pareto/NBD Model", Marketing Science 24(2), cited below as FHL.

All times are in days, alpha too: r / alpha is the mean number of purchases a day while alive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import scipy
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot, maximize, to_digits
from cip_assets.analytics.special import betaln, digamma, expit, gammaln

PARAMETERS = ("r", "alpha", "a", "b")

STARTS = ((0.3, 0.8, 2.5), (1.0, 0.3, 3.0), (3.0, 1.0, 1.0), (0.1, 0.1, 5.0))
"""Default starting points (r, a, b): customers who differ much or little, with early or late dropout."""

GRID, DEGREE = np.arange(-120, 101) * 0.1, 7
"""The logarithms of the times from which purchases while alive are read, and the degree of the spline, whose relative
error is below 1e-10. They are the same whoever is asked for, so no digit of a forecast depends on which customers are
computed together.
"""

SLOW_DECAY = 0.5
"""Below this a, p^a decays so slowly toward p = 0 that the integrand's value there is subtracted."""

BLOCK = 1 << 20
"""The most integrand values in memory at once: 8 MB."""


def customer_arrays(x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """The three statistics as float arrays of one shape (n,), checked.

    Raises:
        ValueError: a value is missing, negative or infinite, or t_x exceeds age.

    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=float)) for value in (x, t_x, age)))
    for name, array in zip(("x", "t_x", "age"), arrays, strict=True):
        if not (np.isfinite(array) & (array >= 0)).all():
            raise ValueError(f"{name} must be a number of 0 or more for every customer")
    if (arrays[1] > arrays[2]).any():
        raise ValueError("t_x must not exceed age, because the last purchase is not after the snapshot day")
    return arrays[0], arrays[1], arrays[2]


@dataclass(frozen=True, eq=False)
class Statistics:
    """The data of the likelihood. Grain: one distinct (x, t_x, age).

    Attributes:
        x: purchase days - 1, shape (k,).
        t_x: days from the first to the last purchase day, shape (k,).
        age: days from the first purchase day to the snapshot day (T in FHL), shape (k,).
        count: the number of customers with these values, shape (k,).

    """

    x: Floats
    t_x: Floats
    age: Floats
    count: Floats

    def __post_init__(self) -> None:
        x, t_x, age = customer_arrays(self.x, self.t_x, self.age)
        count = np.atleast_1d(np.asarray(self.count, dtype=float))
        if count.shape != x.shape or not (np.isfinite(count) & (count > 0)).all():
            raise ValueError("count must be a positive number for every distinct (x, t_x, age)")
        for name, array in (("x", x), ("t_x", t_x), ("age", age), ("count", count)):
            object.__setattr__(self, name, array)

    @classmethod
    def grouped(cls, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Self:
        """Group statistics from one value per customer, each of shape (n,)."""
        rows = customer_arrays(x, t_x, age)
        if len(rows[0]) == 0:
            return cls(*rows, np.zeros(0))
        order = np.lexsort(rows)
        ordered = [row[order] for row in rows]
        new = np.ones(len(order), dtype=bool)
        new[1:] = np.logical_or.reduce([row[1:] != row[:-1] for row in ordered])
        starts = np.flatnonzero(new)
        counts = np.diff(np.append(starts, len(order)))
        return cls(ordered[0][starts], ordered[1][starts], ordered[2][starts], counts.astype(float))

    @property
    def customers(self) -> int:
        return round(float(self.count.sum()))

    @property
    def repeat_customers(self) -> int:
        return round(float(self.count[self.x > 0].sum()))


@dataclass(frozen=True)
class BetaGeometricFit:
    """The four parameters (alpha in days), and how certain they are, of BG/NBD or MBG/NBD.

    Attributes:
        chances_at_first: the chances to drop out at the first purchase: 0 in BG/NBD, 1 in MBG/NBD. A customer with
            x repeat purchases had x + chances_at_first.
        log_likelihood: the sum over customers, time in days.
        standard_errors: of r, alpha, a, b, by the delta method; None if the data does not determine it.
        log_standard_errors: of their logs.
        at_bound: the names of parameters that reached the limit of the search (for example, if nobody dropped out).
        starts: the number of starting points tried.

    """

    chances_at_first: ClassVar[int]

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float | None = None
    standard_errors: tuple[float | None, ...] = (None, None, None, None)
    log_standard_errors: tuple[float | None, ...] = (None, None, None, None)
    at_bound: tuple[str, ...] = ()
    converged: bool = False
    customers: int = 0
    repeat_customers: int = 0
    starts: int = 0
    message: str = ""

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
        """See `probability_alive`."""
        return probability_alive(self, x, t_x, age)

    def probability_active_if_alive(self, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats:
        """See `probability_active`."""
        return poisson_gamma_active(self.r, self.alpha, x, age, horizon_days)

    def purchases_if_alive(self, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]) -> Floats:
        """See `purchases_if_alive`."""
        return purchases_if_alive(self, x, age, horizons_days)


@dataclass(frozen=True)
class BgNbdFit(BetaGeometricFit):
    """BG/NBD: customers can drop out after a repeat purchase only."""

    chances_at_first = 0


Fit = TypeVar("Fit", bound=BetaGeometricFit)


class _Likelihood:
    """FHL equation (6) summed over grouped statistics, written with n = x + chances_at_first chances to drop out as

    log L = log(Gamma(r+x) alpha^r / Gamma(r)) + log(B(a, b+n) / B(a, b)) - (r+x) log(alpha+T)
            + [n > 0] log(1 + e^d),
    d = log(a / (b+n-1)) + (r+x) (log(alpha+T) - log(alpha+t_x)),

    where 1 / (1 + e^d) is P(alive). Special functions and logs are computed only for the distinct values of x, t_x and
    T; only d is computed for each distinct triple.
    """

    def __init__(self, x: Floats, t_x: Floats, age: Floats, count: Floats, chances_at_first: int = 0) -> None:
        self.chances_at_first = chances_at_first
        self.customers = float(count.sum())
        self.x, x_index = np.unique(x, return_inverse=True)
        self.age, age_index = np.unique(age, return_inverse=True)
        self.x_count = np.bincount(x_index, count)
        self.age_count = np.bincount(age_index, count)
        self.age_purchases = np.bincount(age_index, count * x)
        repeat = x + chances_at_first > 0
        self.repeat_x_index = x_index[repeat]
        self.repeat_age_index = age_index[repeat]
        self.repeat_x = x[repeat]
        self.repeat_count = count[repeat]
        self.t_x, self.t_x_index = np.unique(t_x[repeat], return_inverse=True)

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The log-likelihood and its gradient with respect to the logs of r, alpha, a, b."""
        r, alpha, a, b = (float(value) for value in parameters)
        x, n = self.x, self.customers
        chances = x + self.chances_at_first
        log_age = np.log(alpha + self.age)
        log_t_x = np.log(alpha + self.t_x)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_odds_per_purchase = np.where(chances > 0, np.log(a) - np.log(b + chances - 1), 0.0)
            inverse_c = np.where(chances > 0, 1 / (b + chances - 1), 0.0)
        gap = log_age[self.repeat_age_index] - log_t_x[self.t_x_index]
        shape = r + self.repeat_x
        d = log_odds_per_purchase[self.repeat_x_index] + shape * gap
        dead = self.repeat_count * expit(d)

        value = (
            dot(
                self.x_count,
                gammaln(r + x) + gammaln(b + chances) - gammaln(a + b + chances),
            )
            + n * float(r * np.log(alpha) - gammaln(r) + gammaln(a + b) - gammaln(b))
            - dot(r * self.age_count + self.age_purchases, log_age)
            + dot(self.repeat_count, np.logaddexp(0.0, d))
        )
        purchases = r * self.age_count + self.age_purchases
        slope_r = (
            dot(self.x_count, digamma(r + x))
            + n * float(np.log(alpha) - digamma(r))
            - dot(self.age_count, log_age)
            + dot(dead, gap)
        )
        slope_alpha = (
            n * r / alpha
            - dot(purchases, 1 / (alpha + self.age))
            + dot(
                dead * shape,
                1 / (alpha + self.age[self.repeat_age_index]) - 1 / (alpha + self.t_x[self.t_x_index]),
            )
        )
        total = dot(self.x_count, digamma(a + b + chances)) - n * float(digamma(a + b))
        slope_a = -total + float(dead.sum()) / a
        slope_b = (
            dot(self.x_count, digamma(b + chances))
            - n * float(digamma(b))
            - total
            - dot(dead, inverse_c[self.repeat_x_index])
        )
        return value, np.array([r * slope_r, alpha * slope_alpha, a * slope_a, b * slope_b])


def time_scale(statistics: Statistics) -> tuple[float, float]:
    """The longest age, by which a fit divides all times, and the purchases of all customers per customer and such time.

    Raises:
        ValueError: there is no repeat buyer, or no day has passed, so no parameter can be determined.

    """
    scale = float(statistics.age.max(initial=0.0))
    purchases = dot(statistics.count, statistics.x)
    if scale < 1 or purchases <= 0:
        raise ValueError("the model needs at least one repeat buyer and one day of observation")
    return scale, purchases / dot(statistics.count, statistics.age) * scale


def log_likelihood(statistics: Statistics, r: float, alpha: float, a: float, b: float) -> float:
    """The sum over customers of FHL equation (6); alpha in days."""
    return log_likelihood_of(BgNbdFit(r, alpha, a, b), statistics)


def log_likelihood_of(fit: BetaGeometricFit, statistics: Statistics) -> float:
    """The sum over customers of the log-likelihood of BG/NBD or MBG/NBD."""
    rows = (statistics.x, statistics.t_x, statistics.age, statistics.count)
    return _Likelihood(*rows, fit.chances_at_first)(np.array([fit.r, fit.alpha, fit.a, fit.b]))[0]


def fit(
    statistics: Statistics, starts: Sequence[tuple[float, float, float, float]] | None = None
) -> BgNbdFit:
    """The maximum of the likelihood, FHL equation (6), over r, alpha, a, b; see `fit_kind`."""
    return fit_kind(BgNbdFit, statistics, starts)


def fit_kind(
    kind: type[Fit],
    statistics: Statistics,
    starts: Sequence[tuple[float, float, float, float]] | None = None,
) -> Fit:
    """The maximum of the likelihood of BG/NBD or MBG/NBD over r, alpha, a, b.

    Memory and time grow with the number of distinct (x, t_x, age), not with the number of customers.

    Args:
        kind: the class of the fit.
        statistics: every buyer, x = 0 included.
        starts: starting points (r, alpha in days, a, b); by default four at the observed rate.

    Raises:
        ValueError: there is no repeat buyer, or no day has passed, so no parameter can be determined.

    """
    scale, rate = time_scale(statistics)
    scaled_starts = (
        [(r, r / rate, a, b) for r, a, b in STARTS]
        if starts is None
        else [(r, alpha / scale, a, b) for r, alpha, a, b in starts]
    )
    best = maximize(
        _Likelihood(
            statistics.x,
            statistics.t_x / scale,
            statistics.age / scale,
            statistics.count,
            kind.chances_at_first,
        ),
        scaled_starts,
        float(statistics.count.sum()),
    )
    r, alpha, a, b = (float(value) for value in best.parameters)
    values = (to_digits(r), to_digits(alpha * scale), to_digits(a), to_digits(b))
    # alpha^r / (alpha + T)^(r + x) has the dimension time^-x.
    return kind(
        *values,
        log_likelihood=best.log_likelihood - dot(statistics.count, statistics.x) * float(np.log(scale)),
        customers=statistics.customers,
        repeat_customers=statistics.repeat_customers,
        **best.described(PARAMETERS, values),
    )


def probability_alive(fit: BetaGeometricFit, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
    """P(alive at T | x, t_x, T) = 1 / (1 + [n > 0] a / (b+n-1) ((alpha+T) / (alpha+t_x))^(r+x)), shape (n,), with
    n = x + chances_at_first.

    This is the ratio of the two terms of FHL equation (6); see also Fader, Hardie (2008), "Computing P(alive) Using the
    BG/NBD Model", equation (3). In BG/NBD it is 1 for a one-time buyer, because customers drop out only after a repeat
    purchase.
    """
    x, t_x, age = customer_arrays(x, t_x, age)
    chances = x + fit.chances_at_first
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = (
            np.log(fit.a)
            - np.log(fit.b + chances - 1)
            + (fit.r + x) * (np.log(fit.alpha + age) - np.log(fit.alpha + t_x))
        )
    return np.asarray(np.where(chances > 0, expit(-log_odds), 1.0))


def poisson_gamma_active(r: float, alpha: float, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats:
    """P(at least one purchase in (T, T + h]) at a rate lambda ~ Gamma(r+x, alpha+T), shape (n,).

    1 - E[e^(-lambda h)] = 1 - ((alpha+T) / (alpha+T+h))^(r+x).
    """
    log_ratio = np.log1p(checked_horizons([horizon_days])[0] / (alpha + np.asarray(age, dtype=float)))
    return np.asarray(-np.expm1(-(r + np.asarray(x, dtype=float)) * log_ratio))


def probability_active(
    fit: BetaGeometricFit, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, horizon_days: float
) -> Floats:
    """P(at least one purchase in (T, T + h] | x, t_x, T), shape (n,).

    The term of FHL equation (6) that belongs to customers alive at T is, in lambda, proportional to
    lambda^(r+x-1) e^(-lambda (alpha+T)): given alive, lambda ~ Gamma(r+x, alpha+T). A customer who is alive
    makes the next purchase at that rate, for any p, so P = P(alive) (1 - ((alpha+T) / (alpha+T+h))^(r+x)).
    """
    x, t_x, age = customer_arrays(x, t_x, age)
    return probability_alive(fit, x, t_x, age) * poisson_gamma_active(fit.r, fit.alpha, x, age, horizon_days)


def expected_purchases(
    fit: BetaGeometricFit, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, horizon_days: float
) -> Floats:
    """E[purchases in (T, T + h] | x, t_x, T], FHL equation (10), shape (n,)."""
    x, t_x, age = customer_arrays(x, t_x, age)
    purchases: Floats = purchases_if_alive(fit, x, age, [horizon_days])[0]
    return probability_alive(fit, x, t_x, age) * purchases


def purchases_if_alive(
    fit: BetaGeometricFit, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]
) -> Floats:
    """E[purchases in (T, T + h] | x, T, alive at T] for each horizon h, shape (number of horizons, n).

    This is the numerator of FHL equation (10). Its closed form subtracts a hypergeometric function from 1 and divides
    by a - 1. It is undefined at a = 1 and has no correct digits near it, so the integral behind it is computed instead:
    E over p ~ Beta(a, b+n) of (1 - (1 + p z)^-(r+x)) / p with z = h / (alpha+T) and n = x + chances_at_first; every
    factor is positive.

    For one x it depends only on z, and is read from a spline in log z.
    """
    x, _, age = customer_arrays(x, 0.0, age)
    horizons = checked_horizons(horizons_days)
    result = np.zeros((len(horizons), len(x)))
    order = np.argsort(x, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(x[order])) + 1):
        if len(group):
            z = horizons[:, None] / (fit.alpha + age[group])
            times = x[group[0]]
            result[:, group] = _purchases(fit.r + times, fit.a, fit.b + times + fit.chances_at_first, z)
    return result


def checked_horizons(horizons_days: Sequence[float]) -> Floats:
    """The horizons as an array.

    Raises:
        ValueError: a horizon is missing, negative or infinite.

    """
    horizons = np.asarray(horizons_days, dtype=float)
    if not (np.isfinite(horizons) & (horizons >= 0)).all():
        raise ValueError("a horizon must be a number of 0 or more days")
    return horizons


def _purchases(s: float, a: float, c: float, z: Floats) -> Floats:
    """E over p ~ Beta(a, c) of (1 - (1 + p z)^-s) / p, in the shape of z; z >= 0."""
    result = np.zeros_like(z)
    positive = z > 0
    values = z[positive]
    if len(values) == 0:
        return result
    place = np.log(values)
    inside = (place >= GRID[0]) & (place <= GRID[-1])
    found = np.empty_like(values)
    found[inside] = np.exp(_in_log_time(s, a, c)(place[inside]))
    found[~inside] = [_integrate(s, a, c, np.array([each]))[0] for each in values[~inside]]
    result[positive] = found
    return result


@lru_cache(maxsize=1024)
def _in_log_time(s: float, a: float, c: float) -> Any:
    """The logarithm of the same as a spline in log z. Most customers share an x, and are asked for several times."""
    return scipy.interpolate.make_interp_spline(GRID, np.log(_integrate(s, a, c, np.exp(GRID))), k=DEGREE)


def _integrate(s: float, a: float, c: float, z: Floats) -> Floats:
    """The same for z > 0 in one dimension, by the trapezoid rule in y = logit(p).

    The rule converges exponentially, because the integrand is analytic for |Im y| < pi and decays at both ends: with a
    step of 0.3 the error is e^(-pi^2 / 0.3) = 5e-15 of its peak. If the decay is slow (a or c is small), the value at
    that end, times q = 1 - p or p, is subtracted first, because its expectation is known.
    """
    first, last = s * z, -np.expm1(-s * np.log1p(z))  # the values at p = 0 and p = 1
    slow = a < SLOW_DECAY
    left, right = (a + 1 if slow else a), c + 1
    center = np.log(left / right)
    width = np.sqrt(1 / left + 1 / right)
    # If s z is large, (1 - (1 + p z)^-s) / p is flat only below p = 1 / (s z), and falls like 1 / p above.
    shift = max(0.0, float(center + np.log((s + 1) * z.max())))
    if left > 1:
        shift = min(shift, 30 / (left - 1))
    low = center - 9 * width - 30 / left - shift
    high = center + 9 * width + 30 / right
    nodes = int(np.ceil((high - low) / min(0.3, 0.6 * width))) + 1
    y = np.linspace(low, high, nodes)
    p, q = expit(y), expit(-y)
    weights = np.exp(a * np.log(p) + c * np.log(q) - betaln(a, c)) * (y[1] - y[0])
    taken_out = first if slow else np.zeros_like(first)
    result = np.empty_like(z)
    rows = max(1, BLOCK // nodes)
    for start in range(0, len(z), rows):
        block = slice(start, start + rows)
        integrand = -np.expm1(-s * np.log1p(np.outer(z[block], p))) / p
        integrand -= np.outer(taken_out[block], q) + np.outer(last[block], p)
        result[block] = np.einsum("ij,j->i", integrand, weights)
    result += taken_out * (c / (a + c)) + last * (a / (a + c))
    # The expectation lies between the integrand's values at p = 1 and p = 0.
    return np.clip(result, last, first)
