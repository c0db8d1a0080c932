"""The share of a customer's purchase days that are paid. Days of vouchers, samples and exchanges cost nothing.

Gamma-Gamma accepts only values above 0, so it ignores days that cost nothing. Here each customer pays on a share
q ~ Beta of the purchase days, and a purchase day is worth E[q] times the value of a paid day.

The first day can differ from the others: a shop may give every customer a free first purchase. So q, like Gamma-Gamma,
leaves it out. But buyers whose first day was paid and the other buyers are two groups, each with its own Beta, which is
estimated on the days after the first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot

MIN_REPEAT_CUSTOMERS = 10
"""A group with fewer repeat buyers uses the share of all purchase days."""

STRENGTH_LIMITS = (0.1, 100.0)
"""Limits of the moment estimate of a + b. Beyond them, the sample shows little about how customers differ."""


@dataclass(frozen=True, eq=False)
class PaidStatistics:
    """Grain: one distinct (is_first_paid, repeat_days, paid_repeat_days), which stands for `count` buyers.

    Attributes:
        is_first_paid: 1 if the first purchase day was paid, else 0, shape (k,).
        repeat_days: purchase days after the first, shape (k,).
        paid_repeat_days: paid days after the first purchase day, shape (k,).
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
    """Beta(mean * strength, (1 - mean) * strength) of a group of buyers.

    Attributes:
        mean: the expected share of paid days of a buyer without further days.
        strength: the weight of the mean, in days.
        counts_first_day: whether the first day counts like the others.
        customers: the number of repeat buyers that it was estimated on.

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
    """E[q | a buyer's days] = (strength * mean + paid days) / (strength + days), shape (n,); 1 if all were paid.

    Args:
        after_paid: the share of buyers whose first day was paid.
        after_unpaid: the share of the other buyers.
        is_first_paid: whether the first purchase day was paid, shape (n,).
        repeat_days: purchase days after the first, shape (n,).
        paid_repeat_days: paid days after the first purchase day, shape (n,).

    """
    first = np.asarray(is_first_paid, dtype=bool)

    def of_group(name: str) -> Floats:
        return np.where(first, float(getattr(after_paid, name)), float(getattr(after_unpaid, name)))

    strength, counts_first = of_group("strength"), of_group("counts_first_day")
    paid = strength * of_group("mean") + np.asarray(paid_repeat_days, dtype=float) + counts_first * first
    return np.asarray(paid / (strength + np.asarray(repeat_days, dtype=float) + counts_first))


def fit_paid_shares(statistics: PaidStatistics) -> tuple[PaidShare, PaidShare]:
    """The paid share for buyers whose first day was paid, and for the other buyers.

    A group with fewer than `MIN_REPEAT_CUSTOMERS` repeat buyers gets the share of all purchase days of all buyers,
    including the first day. Any statistics are accepted, including none at all.
    """
    first, days, paid, count = (
        statistics.is_first_paid,
        statistics.repeat_days,
        statistics.paid_repeat_days,
        statistics.count,
    )
    pooled = _moments(days + 1, paid + first, count, counts_first_day=True)

    def of_group(is_first_paid: int) -> PaidShare:
        members = (first == is_first_paid) & (days > 0)
        if dot(count, members) < MIN_REPEAT_CUSTOMERS:
            return pooled
        return _moments(days[members], paid[members], count[members], counts_first_day=False)

    return of_group(1), of_group(0)


def _moments(days: Floats, paid: Floats, count: Floats, *, counts_first_day: bool) -> PaidShare:
    """The mean and strength of a Beta by moments, after Kleinman (1973), "Proportions with Extraneous Variance".

    With N days of m buyers, p = sum(paid) / N and rho = 1 / (strength + 1), the expectation of
    sum(days (share - p)^2) is p (1 - p) sum((1 - days / N) (1 + (days - 1) rho)). The mean then weighs a buyer
    with days / (1 + (days - 1) rho): by days if buyers are alike, and equally if they are not.
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
