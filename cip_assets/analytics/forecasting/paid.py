"""Which share of a customer's purchase days is paid: some cost nothing, such as vouchers, samples and exchanges.

Gamma-Gamma knows values above 0 only, so a day that costs nothing has no place in it. Here each customer pays on
a share q ~ Beta of their purchase days, and a purchase day is worth E[q] times what a paid one is worth.

The first day is no purchase day like the others: a shop may give it away to everybody. As Gamma-Gamma leaves it
out, so does q, but it tells whom a customer is like: buyers whose first day was paid, and the others, have a Beta
each, estimated on the days after the first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot

MIN_REPEAT_CUSTOMERS = 10
"""With fewer repeat buyers of a kind their share is not told apart from that of all purchase days."""

STRENGTH_LIMITS = (0.1, 100.0)
"""The moment estimate of a + b stays within: outside, the sample says little about how customers differ."""


@dataclass(frozen=True, eq=False)
class PaidStatistics:
    """Grain: one distinct (is_first_paid, repeat_days, paid_repeat_days), which stands for `count` buyers.

    Attributes:
        is_first_paid: 1 where the first purchase day was paid, else 0, shape (k,).
        repeat_days: distinct purchase days after the first, shape (k,).
        paid_repeat_days: those of them that were paid, shape (k,).
        count: the number of buyers, shape (k,).

    """

    is_first_paid: Floats
    repeat_days: Floats
    paid_repeat_days: Floats
    count: Floats

    def __post_init__(self) -> None:
        for name in ("is_first_paid", "repeat_days", "paid_repeat_days", "count"):
            object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), dtype=float)))
        if (self.paid_repeat_days > self.repeat_days).any():
            raise ValueError("paid_repeat_days must not exceed repeat_days")


@dataclass(frozen=True)
class PaidShare:
    """Beta(mean * strength, (1 - mean) * strength) of a kind of buyer.

    Attributes:
        mean: the expected share of paid days of a buyer of whom nothing more is known.
        strength: how many days of a buyer's own it is worth.
        counts_first_day: whether the first day is evidence like the others.
        customers: the repeat buyers it was estimated on.

    """

    mean: float = 1.0
    strength: float = 1.0
    counts_first_day: bool = False
    customers: int = 0


EVERY_DAY = PaidShare()
"""Every purchase day is paid."""


def expected_paid(
    after_paid: PaidShare,
    after_unpaid: PaidShare,
    is_first_paid: ArrayLike,
    repeat_days: ArrayLike,
    paid_repeat_days: ArrayLike,
) -> Floats:
    """E[q | a buyer's days] = (strength * mean + paid days) / (strength + days), shape (n,); 1 where all were paid.

    Args:
        after_paid: of buyers whose first day was paid.
        after_unpaid: of the others.
        is_first_paid: whether the first purchase day was paid, shape (n,).
        repeat_days: distinct purchase days after the first, shape (n,).
        paid_repeat_days: those of them that were paid, shape (n,).

    """
    first = np.asarray(is_first_paid, dtype=bool)

    def of_kind(name: str) -> Floats:
        return np.where(first, float(getattr(after_paid, name)), float(getattr(after_unpaid, name)))

    strength, counts_first = of_kind("strength"), of_kind("counts_first_day")
    paid = strength * of_kind("mean") + np.asarray(paid_repeat_days, dtype=float) + counts_first * first
    return np.asarray(paid / (strength + np.asarray(repeat_days, dtype=float) + counts_first))


def fit_paid_shares(statistics: PaidStatistics) -> tuple[PaidShare, PaidShare]:
    """The share of buyers whose first day was paid, and that of the others.

    A kind with fewer than `MIN_REPEAT_CUSTOMERS` repeat buyers gets the share of all purchase days of all buyers,
    the first included. Any statistics are accepted, none at all included.
    """
    first, days, paid, count = (
        statistics.is_first_paid,
        statistics.repeat_days,
        statistics.paid_repeat_days,
        statistics.count,
    )
    pooled = _moments(days + 1, paid + first, count, counts_first_day=True)

    def of_kind(is_first_paid: int) -> PaidShare:
        mine = (first == is_first_paid) & (days > 0)
        if dot(count, mine) < MIN_REPEAT_CUSTOMERS:
            return pooled
        return _moments(days[mine], paid[mine], count[mine], counts_first_day=False)

    return of_kind(1), of_kind(0)


def _moments(days: Floats, paid: Floats, count: Floats, *, counts_first_day: bool) -> PaidShare:
    """The mean and strength of a Beta by moments, after Kleinman (1973), "Proportions with Extraneous Variance".

    With N days of m buyers, p = sum(paid) / N and rho = 1 / (strength + 1), the expectation of
    sum(days (share - p)^2) is p (1 - p) sum((1 - days / N) (1 + (days - 1) rho)). The mean then weighs a buyer
    with days / (1 + (days - 1) rho): by days where buyers are alike, equally where they are not.
    """
    total = dot(count, days)
    if total <= 0:
        return PaidShare(counts_first_day=counts_first_day)
    lowest, highest = STRENGTH_LIMITS
    mean, share, strength = dot(count, paid) / total, paid / days, 1.0
    within, between = (dot(count, (1 - days / total) * part) for part in (np.ones_like(days), days - 1))
    noise = mean * (1 - mean)
    if noise > 0 and between > 0:
        rho = (dot(count, days * (share - mean) ** 2) / noise - within) / between
        strength = float(np.clip(1 / rho - 1, lowest, highest)) if rho > 0 else highest
    weight = count * days / (1 + (days - 1) / (strength + 1))
    mean = dot(weight, share) / float(weight.sum())
    return PaidShare(min(mean, 1.0), strength, counts_first_day, round(float(count.sum())))
