"""What customers are worth over the months ahead."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.models.maximum_likelihood import Floats

DAYS_PER_MONTH = 365 / 12


class PurchaseProcess(Protocol):
    """What a model of when customers buy can say: BgNbdFit and PooledRate."""

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats: ...

    def probability_active_if_alive(self, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats: ...

    def purchases_if_alive(self, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]) -> Floats: ...


def month_ends(months: int = 12) -> Floats:
    """The ends of the months ahead, in days from the snapshot day, shape (months,)."""
    return DAYS_PER_MONTH * np.arange(1, months + 1)


def discount_factors(annual_rate: float, months: int = 12) -> Floats:
    """(1 + annual_rate)^-((k - 1/2) / 12) for months k = 1, 2, ..: a month's purchases fall in its middle.

    Raises:
        ValueError: the rate is not above -1.
    """
    if not annual_rate > -1:
        raise ValueError("annual_rate is a share such as 0.1 and must be above -1")
    return np.asarray((1 + annual_rate) ** (-(np.arange(months) + 0.5) / 12))


def discounted_purchases(cumulative: Floats, annual_rate: float) -> Floats:
    """The discounted sum of monthly purchases, shape (n,).

    Args:
        cumulative: expected purchases up to each month's end, shape (months, n).
        annual_rate: the yearly discount rate as a share.
    """
    steps = np.diff(cumulative, axis=0, prepend=0.0)
    return np.asarray(discount_factors(annual_rate, len(cumulative)) @ steps)


def discounted_value(
    process: PurchaseProcess,
    x: ArrayLike,
    t_x: ArrayLike,
    age: ArrayLike,
    expected_value: ArrayLike,
    annual_rate: float = 0.1,
    months: int = 12,
) -> Floats:
    """Discounted expected spend over the months ahead, in the currency of `expected_value`, shape (n,).

    Sum over months k of E[purchases in month k | x, t_x, T] * expected value * discount factor k, as in Fader,
    Hardie, Lee (2005), "RFM and CLV: Using Iso-Value Curves for Customer Base Analysis", in monthly steps.
    """
    purchases = discounted_purchases(
        process.purchases_if_alive(x, age, [float(day) for day in month_ends(months)]), annual_rate
    )
    return process.probability_alive(x, t_x, age) * purchases * np.asarray(expected_value, dtype=float)
