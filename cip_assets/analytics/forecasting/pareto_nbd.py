"""Pareto/NBD: when customers buy, and when they stop at any time.

While alive a customer buys at a rate lambda ~ Gamma(r, alpha); the lifetime is exponential with a rate
mu ~ Gamma(s, beta). So a customer who bought once, long ago, is probably gone, and a frequent buyer who has been silent
for a short time may be too. Schmittlein, Morrison, Colombo (1987), "Counting Your Customers: Who Are They and What Will
They Do Next?", Management Science 33(1); the formulas are derived in Fader, Hardie (2005), "A Note on Deriving the
Pareto/NBD Model and Related Expressions", cited below as FH.

FH write the likelihood with the difference of two hypergeometric functions, which has no correct digits for many
customers. It is the integral of a positive function, which is computed instead (`power_integral`).

All times are in days, alpha and beta too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.bg_nbd import (
    Statistics,
    checked_horizons,
    customer_arrays,
    time_scale,
)
from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot, maximize, to_digits
from cip_assets.analytics.special import digamma, expit, gammaln

PARAMETERS = ("r", "alpha", "s", "beta")

STARTS = ((0.5, 0.5, 0.3), (2.0, 1.0, 1.0), (0.3, 3.0, 3.0))
"""Default starting points (r, s, beta): customers who differ much or little, and who leave early or late."""

NODES = 24
"""Points of the Gauss-Legendre rule of `power_integral`. Its relative error is below 1e-12 for parameters between e^-3
and e^3, in units of the longest age, and below 1e-4 for any others that the search reaches.
"""

POINTS, WEIGHTS = (half[:, None] / 2 for half in np.polynomial.legendre.leggauss(NODES))
POINTS = POINTS + 0.5
"""The rule on the interval from 0 to 1."""

ROWS = 1024
"""Integrals at once. Their arrays stay in a processor's cache, which takes half the time of arrays of 8 MB."""

FALL = 40.0
"""The integrand is taken to be 0 once a factor of it has fallen by e^40."""


@dataclass(frozen=True)
class ParetoNbdFit:
    """The four parameters (alpha and beta in days), and how certain they are.

    Attributes:
        log_likelihood: the sum over customers, time in days.
        standard_errors: of r, alpha, s, beta, by the delta method; None if the data does not determine it.
        log_standard_errors: of their logs.
        at_bound: the names of parameters that reached the limit of the search (for example, if nobody dropped out).
        starts: the number of starting points tried.

    """

    r: float
    alpha: float
    s: float
    beta: float
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
        """P(alive at T | x, t_x, T), shape (n,).

        1 / (1 + s I (alpha+T)^(r+x) (beta+T)^s), I the integral from t_x to T of (alpha+u)^-(r+x) (beta+u)^-(s+1) du.
        """
        x, t_x, age = customer_arrays(x, t_x, age)
        return np.asarray(expit(-self._log_odds_of_death(x, t_x, age)))

    def probability_active_if_alive(self, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats:
        """P(at least one purchase in (T, T + h] | x, T, alive at T), shape (n,).

        Given alive at T, lambda ~ Gamma(r+x, alpha+T) and mu ~ Gamma(s, beta+T). The next purchase comes at T + u, with
        the customer still alive, with the density (r+x) (alpha+T)^(r+x) (alpha+T+u)^-(r+x+1) ((beta+T) / (beta+T+u))^s.
        """
        x, _, age = customer_arrays(x, 0.0, age)
        horizon = checked_horizons([horizon_days])[0]
        shape, alpha = self.r + x, self.alpha + age
        result = np.empty(len(x))
        for rows, nodes in power_integral(self.alpha, shape + 1, self.beta, self.s, age, age + horizon):
            result[rows] = shape[rows] / alpha[rows] * nodes.total
        # Without drop-out it would be larger, and it never exceeds the expected number; the rule's error could.
        without_dropout = -np.expm1(-shape * np.log1p(horizon / alpha))
        highest = np.minimum(without_dropout, self.purchases_if_alive(x, age, [horizon])[0])
        return np.asarray(np.minimum(result, highest))

    def purchases_if_alive(self, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]) -> Floats:
        """E[purchases in (T, T + h] | x, T, alive at T] for each horizon h, shape (number of horizons, n).

        (r+x) / (alpha+T) (beta+T) / (s-1) (1 - ((beta+T) / (beta+T+h))^(s-1)); FH multiply it by P(alive). At s = 1 it
        is (r+x) / (alpha+T) (beta+T) log(1 + h / (beta+T)).
        """
        x, _, age = customer_arrays(x, 0.0, age)
        horizons = checked_horizons(horizons_days)
        beta = self.beta + age
        log_growth = np.log1p(horizons[:, None] / beta)
        exponent = (self.s - 1) * log_growth
        with np.errstate(invalid="ignore"):
            mean_discount = np.where(exponent == 0, 1.0, -np.expm1(-exponent) / exponent)
        return np.asarray((self.r + x) / (self.alpha + age) * beta * log_growth * mean_discount)

    def _log_odds_of_death(self, x: Floats, t_x: Floats, age: Floats) -> Floats:
        shape = self.r + x
        result = np.empty(len(x))
        for rows, nodes in power_integral(self.alpha, shape, self.beta, self.s + 1, t_x, age):
            with np.errstate(divide="ignore"):
                result[rows] = np.log(nodes.total)
        since_alpha = np.log1p((age - t_x) / (self.alpha + t_x))
        since_beta = np.log1p((age - t_x) / (self.beta + t_x))
        return np.asarray(
            result + np.log(self.s) - np.log(self.beta + t_x) + shape * since_alpha + self.s * since_beta
        )


@dataclass(frozen=True)
class Nodes:
    """The points of the rule for k integrals, and what each point adds to its integral.

    Attributes:
        a: a + u at the points, shape (NODES, k).
        b: b + u at the points, shape (NODES, k).
        log_a: log((a + u) / (a + low)) at the points, shape (NODES, k).
        log_b: log((b + u) / (b + low)) at the points, shape (NODES, k).
        parts: the parts of the integral, on a scale of its own, shape (NODES, k).
        scale: what their sum is multiplied by, shape (k,).

    """

    a: Floats
    b: Floats
    log_a: Floats
    log_b: Floats
    parts: Floats
    scale: Floats

    @property
    def total(self) -> Floats:
        """The integrals, shape (k,)."""
        return np.asarray(self.scale * self.parts.sum(axis=0))

    def means(self) -> Floats:
        """The means of log((a + u) / (a + low)), 1 / (a + u), log((b + u) / (b + low)) and 1 / (b + u) in the
        integrals, shape (4, k); all 0 in an empty one.
        """
        sums = self.parts.sum(axis=0)
        values = (self.log_a, 1 / self.a, self.log_b, 1 / self.b)
        means = np.array([np.einsum("ij,ij->j", value, self.parts) for value in values])
        return np.asarray(np.divide(means, sums, out=np.zeros_like(means), where=self.scale > 0))


def power_integral(
    a: float, p: ArrayLike, b: float, q: float, low: Floats, high: ArrayLike
) -> Iterator[tuple[slice, Nodes]]:
    """The integrals from low to high of ((a+u) / (a+low))^-p ((b+u) / (b+low))^-q du, block by block.

    With y = log((c+u) / (c+low)), c the smaller of a and b, the log of the integrand is a sum of concave functions, so
    it is smooth and has one peak. The interval ends where a factor has fallen by e^FALL. What remains is integrated by
    the Gauss-Legendre rule. Arrays have a row for each point, because rows are added up quicker than columns.
    """
    p, low, high = np.broadcast_arrays(p, low, high)
    for start in range(0, len(low), ROWS):
        rows = slice(start, start + ROWS)
        a_low, b_low = a + low[rows], b + low[rows]
        smaller, larger = (a_low, b_low) if a < b else (b_low, a_low)
        log_width = np.log1p(_end(a_low, b_low, p[rows], q, high[rows] - low[rows]) / smaller)
        y = log_width * POINTS
        u = smaller * np.expm1(y)
        other = np.log1p(u / larger)
        log_a, log_b = (y, other) if a < b else (other, y)
        parts = np.exp(y - p[rows] * log_a - q * log_b) * WEIGHTS
        yield rows, Nodes(u + a_low, u + b_low, log_a, log_b, parts, smaller * log_width)


def _end(a: Floats, b: Floats, p: Floats, q: float, width: Floats) -> Floats:
    """A u, of at most `width`, by which one of the two factors has fallen by e^FALL."""
    with np.errstate(over="ignore"):
        end = np.minimum(a * np.expm1(FALL / p), b * np.expm1(FALL / q))
    return np.asarray(np.minimum(end, width))


class _Likelihood:
    """The log-likelihood summed over grouped statistics, with I as in `probability_alive`:

    log L = log(Gamma(r+x) / Gamma(r)) + r log(alpha) + s log(beta)
            + log((alpha+T)^-(r+x) (beta+T)^-s + s I).
    """

    def __init__(self, x: Floats, t_x: Floats, age: Floats, count: Floats) -> None:
        self.x, self.t_x, self.age, self.count = x, t_x, age, count
        self.customers = float(count.sum())
        self.each_x, x_index = np.unique(x, return_inverse=True)
        self.x_count = np.bincount(x_index, count)

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The log-likelihood and its gradient with respect to the logs of r, alpha, s, beta."""
        r, alpha, s, beta = (float(value) for value in parameters)
        n = self.customers
        value = dot(self.x_count, gammaln(r + self.each_x)) + n * float(
            r * np.log(alpha) + s * np.log(beta) - gammaln(r)
        )
        slopes = np.array(
            [
                dot(self.x_count, digamma(r + self.each_x)) + n * float(np.log(alpha) - digamma(r)),
                n * r / alpha,
                n * float(np.log(beta)),
                n * s / beta,
            ]
        )
        shape, count, age, t_x = r + self.x, self.count, self.age, self.t_x
        total, means = np.empty(len(count)), np.empty((4, len(count)))
        for rows, nodes in power_integral(alpha, shape, beta, s + 1, t_x, age):
            total[rows], means[:, rows] = nodes.total, nodes.means()
        log_a, inverse_a, log_b, inverse_b = means
        from_a, from_b, to_a, to_b = (
            np.log(time) for time in (alpha + t_x, beta + t_x, alpha + age, beta + age)
        )
        log_alive = -shape * to_a - s * to_b
        with np.errstate(divide="ignore"):
            log_dead = np.log(s) + np.log(total) - shape * from_a - (s + 1) * from_b
        value += dot(count, np.logaddexp(log_alive, log_dead))
        dead = count * expit(log_dead - log_alive)
        alive = count - dead
        slopes -= np.array(
            [
                dot(alive, to_a) + dot(dead, from_a + log_a),
                dot(alive * shape, 1 / (alpha + age)) + dot(dead * shape, inverse_a),
                dot(alive, to_b) + dot(dead, from_b + log_b - 1 / s),
                dot(alive, s / (beta + age)) + dot(dead, (s + 1) * inverse_b),
            ]
        )
        return value, slopes * parameters


def log_likelihood(statistics: Statistics, r: float, alpha: float, s: float, beta: float) -> float:
    """The sum over customers of the log-likelihood; alpha and beta in days."""
    likelihood = _Likelihood(statistics.x, statistics.t_x, statistics.age, statistics.count)
    return likelihood(np.array([r, alpha, s, beta]))[0]


def fit(
    statistics: Statistics, starts: Sequence[tuple[float, float, float, float]] | None = None
) -> ParetoNbdFit:
    """The maximum of the likelihood over r, alpha, s, beta.

    Time grows with the number of distinct (x, t_x, age), and is about twenty times that of BG/NBD.

    Args:
        statistics: every buyer, x = 0 included.
        starts: starting points (r, alpha in days, s, beta in days); by default three at the observed rate.

    Raises:
        ValueError: there is no repeat buyer, or no day has passed, so no parameter can be determined.

    """
    scale, rate = time_scale(statistics)
    scaled_starts = (
        [(r, r / rate, s, beta) for r, s, beta in STARTS]
        if starts is None
        else [(r, alpha / scale, s, beta / scale) for r, alpha, s, beta in starts]
    )
    best = maximize(
        _Likelihood(statistics.x, statistics.t_x / scale, statistics.age / scale, statistics.count),
        scaled_starts,
        float(statistics.count.sum()),
    )
    r, alpha, s, beta = (float(value) for value in best.parameters)
    values = (to_digits(r), to_digits(alpha * scale), to_digits(s), to_digits(beta * scale))
    return ParetoNbdFit(
        *values,
        # alpha^r / (alpha + T)^(r + x) has the dimension time^-x.
        log_likelihood=best.log_likelihood - dot(statistics.count, statistics.x) * float(np.log(scale)),
        customers=statistics.customers,
        repeat_customers=statistics.repeat_customers,
        **best.described(PARAMETERS, values),
    )
