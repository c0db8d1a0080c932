"""The discounted value of customers over the next months."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats

DAYS_PER_MONTH = 365 / 12


class PurchaseProcess(Protocol):
    """The predictions of a model of when customers buy: BgNbdFit or PooledRate."""

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats: ...

    def probability_active_if_alive(self, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats: ...

    def purchases_if_alive(self, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]) -> Floats: ...


def discount_factors(annual_rate: float, months: int = 12) -> Floats:
    """(1 + annual_rate)^-((k - 1/2) / 12) for month k, as if its purchases fell in its middle.

    Raises:
        ValueError: the rate is not above -1.

    """
    if not annual_rate > -1:
        raise ValueError("annual_rate must be above -1; it is a share, such as 0.1")
    return np.asarray((1 + annual_rate) ** (-(np.arange(months) + 0.5) / 12))


def discounted_purchases(
    process: PurchaseProcess, x: ArrayLike, age: ArrayLike, annual_rate: float = 0.1, months: int = 12
) -> Floats:
    """Discounted purchases over the next months of customers who are alive on the snapshot day, shape (n,)."""
    factors = discount_factors(annual_rate, months)
    cumulative = process.purchases_if_alive(x, age, [DAYS_PER_MONTH * (k + 1) for k in range(months)])
    # Summation by parts: the sum of f_k (C_k - C_(k-1)) is the sum of (f_k - f_(k+1)) C_k.
    return np.asarray(np.einsum("k,kn->n", factors - np.append(factors[1:], 0.0), cumulative))


def discounted_value(
    process: PurchaseProcess,
    x: ArrayLike,
    t_x: ArrayLike,
    age: ArrayLike,
    expected_value: ArrayLike,
    *,
    annual_rate: float = 0.1,
    months: int = 12,
) -> Floats:
    """Discounted expected spend over the next months, in the currency of `expected_value`, shape (n,).

    The sum over months k of E[purchases in month k | x, t_x, T] * expected value * discount factor k, after
    Fader, Hardie, Lee (2005), "RFM and CLV: Using Iso-Value Curves for Customer Base Analysis".
    """
    purchases = discounted_purchases(process, x, age, annual_rate, months)
    alive = process.probability_alive(x, t_x, age)
    return np.asarray(alive * purchases * np.asarray(expected_value, dtype=float))
