"""The parameters of the generator, and the calendar that follows from them.

This module does not draw random numbers and does not access the disk.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

FIRST_DAY = date(2023, 1, 1)
"""The first day of the platform's calendar. No event is dated earlier."""

Scenario = Literal["story", "steady"]
Spend = Literal["gamma_gamma", "lognormal"]
Rates = Literal["gamma", "lognormal", "two_point"]

_SHARE: Final = (0.0, 1.0)
_POSITIVE: Final = (1e-9, inf)
_NOT_NEGATIVE: Final = (0.0, inf)
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "customers": (1, 90_000_000),  # ids have seven digits, and eight from 10 million on
    "seed": _NOT_NEGATIVE,
    "months": (1, inf),
    "defects": (0.0, 0.2),  # above it, there are too few clean rows for the defects
    "late": (0.0, 0.5),
    "products": (1, 99_999),
    "signup_growth": _NOT_NEGATIVE,
    "never_buy": _SHARE,
    "first_purchase_days": _NOT_NEGATIVE,
    "bgnbd_r": _POSITIVE,
    "bgnbd_alpha": _POSITIVE,
    "bgnbd_a": _POSITIVE,
    "bgnbd_b": _POSITIVE,
    "gamma_gamma_p": _POSITIVE,
    "gamma_gamma_q": (1.01, inf),  # at 1 or below, spend has no mean
    "gamma_gamma_gamma": _POSITIVE,
    "lognormal_between": _NOT_NEGATIVE,
    "lognormal_within": _NOT_NEGATIVE,
    "frequent_share": (1e-9, 0.5),
    "season": _SHARE,
    "established_decline": _SHARE,
    "second_line": _SHARE,
    "partial_return": _SHARE,
    "tickets_per_day": _NOT_NEGATIVE,
    "ticket_after_return": _SHARE,
    "sessions_per_day": _NOT_NEGATIVE,
    "seasonality": _SHARE,
    "weekday_effect": _SHARE,
    "repeat_decline": _SHARE,
    "cohort_decline": _SHARE,
    "return_rise": _NOT_NEGATIVE,
    "complaint_rise": _NOT_NEGATIVE,
    "fade_days": _POSITIVE,
}
"""The lowest and highest value of each parameter."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """The parameters. Rates are per day, ratios are shares of 1, and money is in currency units.

    With the defaults, a customer has on average 5 transactions, 3 web sessions and 1 ticket in 24 months. The last
    group of parameters applies only to the scenario ``story``. The scenario ``steady`` has no trends, so that the
    parameters of BG/NBD can be recovered from the data.

    ``spend``, ``rates``, ``season`` and ``established_decline`` break assumptions of BG/NBD, in either
    scenario. Their defaults break none.
    """

    end: date
    """Last day of the data."""
    customers: int = 10_000
    """Number of customers in customers.csv."""
    seed: int = 42
    """Seed of every random draw."""
    months: int = 24
    """Full months of history before the month of `end`, but not before 2023-01-01."""
    defects: float = 0.01
    """Share of lines with a planted defect; 0 turns defects off."""
    scenario: Scenario = "story"
    """In `story` the answer to the four business questions is yes; `steady` has no trend."""

    late: float = 0.002
    """Share of event rows that are delivered a month late; these are not defects."""
    products: int = 500
    """Number of products in products.csv."""
    signup_growth: float = 0.3
    """Growth of the sign-ups per day between the first and the last day, as a share."""
    never_buy: float = 0.12
    """Share of customers who never buy."""
    first_purchase_days: float = 30.0
    """Longest wait from sign-up to first purchase, in days."""

    bgnbd_r: float = 0.85
    """BG/NBD: shape of the Gamma distribution of purchase rates."""
    bgnbd_alpha: float = 44.0
    """BG/NBD: rate of that Gamma distribution, in days; mean purchases per day = r / alpha."""
    bgnbd_a: float = 0.9
    """BG/NBD: first parameter of the Beta distribution of drop-out probabilities."""
    bgnbd_b: float = 7.0
    """BG/NBD: second parameter of that Beta distribution; mean drop-out = a / (a + b)."""
    gamma_gamma_p: float = 6.0
    """Gamma-Gamma: shape of the value of one purchase occasion."""
    gamma_gamma_q: float = 4.0
    """Gamma-Gamma: shape of the customers' scale parameters."""
    gamma_gamma_gamma: float = 60.0
    """Gamma-Gamma: an amount of money; the mean value of an occasion is p * gamma / (q - 1)."""
    spend: Spend = "gamma_gamma"
    """How the values of occasions differ. `lognormal` has a heavier tail, and the same mean p * gamma / (q - 1)."""
    lognormal_between: float = 0.8
    """Lognormal spend: standard deviation of the log of the customers' mean values."""
    lognormal_within: float = 0.8
    """Lognormal spend: standard deviation of the log of the values of one customer."""
    rates: Rates = "gamma"
    """How the purchase rates of customers differ. `lognormal` has a heavier tail; `two_point` is two kinds of
    customers, frequent and rare ones. Mean and variance are those of the Gamma distribution."""
    frequent_share: float = 0.1
    """Two-point rates: share of the frequent customers. share / (1 - share) must be below r: the others buy too."""
    season: float = 0.0
    """Strength of the effect of the month on repeat purchases, beside that of the story; 0 is none."""
    established_decline: float = 0.0
    """Share of the repeat rate that customers lose 9 months before the end, all at once, if they had bought before."""
    second_line: float = 0.25
    """Share of purchase occasions with two transaction lines instead of one."""

    partial_return: float = 0.2
    """Share of returns with only a part of the amount."""
    tickets_per_day: float = 0.00295
    """Mean rate of tickets per buyer and day, without tickets that follow a return."""
    ticket_after_return: float = 0.4
    """Probability that a return is followed by a ticket within 7 days."""
    sessions_per_day: float = 0.0149
    """Mean rate of web sessions per buyer and day while the customer is active."""

    seasonality: float = 0.25
    """Story: strength of the effect of the month on repeat purchases; 0 is none."""
    weekday_effect: float = 0.3
    """Story: strength of the effect of the weekday on repeat purchases; 0 is none."""
    repeat_decline: float = 0.8
    """Story: share of the repeat rate that is lost over the last 9 months."""
    cohort_decline: float = 0.5
    """Story: share by which the repeat rate of the last sign-up cohort is below that of the first."""
    return_rise: float = 2.0
    """Story: rise of the return probability of Electronics, as a share; 3 months long, from 9 months before the end."""
    complaint_rise: float = 0.9
    """Story: rise of the ticket rate, as a share; it begins 180 days before the end."""
    fade_days: float = 60.0
    """Story: days before drop-out during which a customer's web sessions decrease."""

    def __post_init__(self) -> None:
        """Raise ValueError if a value is out of range."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, but must be between {low:g} and {high:g}")
        if self.end < FIRST_DAY:
            raise ValueError(f"end is {self.end}, but must not be before {FIRST_DAY}")
        if self.scenario not in get_args(Scenario):
            raise ValueError(
                f"Unknown scenario {self.scenario!r}. Choose one of: {', '.join(get_args(Scenario))}"
            )
        for name, choices in (("spend", get_args(Spend)), ("rates", get_args(Rates))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, but must be one of: {', '.join(choices)}"
                )
        if self.rates == "two_point" and self.frequent_share / (1 - self.frequent_share) >= self.bgnbd_r:
            raise ValueError(
                f"frequent_share is {self.frequent_share}, but share / (1 - share) must be below r, {self.bgnbd_r}"
            )

    @property
    def story(self) -> bool:
        """Whether the trends are on."""
        return self.scenario == "story"

    @property
    def start(self) -> date:
        """The first day of the data: the first day of the month that is `months` before the month of `end`."""
        years, month = divmod(self.end.year * 12 + self.end.month - 1 - self.months, 12)
        if years < FIRST_DAY.year:
            return FIRST_DAY
        return date(years, month + 1, 1)

    @property
    def days(self) -> int:
        """The number of days from `start` to `end`, both included."""
        return (self.end - self.start).days + 1

    def day(self, when: date) -> int:
        """The number of days from `start` to `when`; negative before the start."""
        return (when - self.start).days

    @property
    def trend_start(self) -> date:
        """The first day of the last 9 months, when repeat purchases begin to decline and returns begin to rise."""
        years, month = divmod(self.end.year * 12 + self.end.month - 1 - 9, 12)
        return date(years, month + 1, min(self.end.day, monthrange(years, month + 1)[1]))

    @property
    def mean_value(self) -> float:
        """The mean value of an occasion, over customers, in currency units."""
        return self.gamma_gamma_p * self.gamma_gamma_gamma / (self.gamma_gamma_q - 1)

    @property
    def complaint_start(self) -> date:
        """The day when complaints begin to rise."""
        return self.end - timedelta(days=180)


def delivery_days(config: GeneratorConfig) -> list[date]:
    """The delivery date of each month's file: the last day of the month, or `end` for the current month."""
    days = []
    month = config.start
    while month <= config.end:
        last = month.replace(day=monthrange(month.year, month.month)[1])
        days.append(min(last, config.end))
        month = last + timedelta(days=1)
    return days


def month_of_day(config: GeneratorConfig) -> NDArray[np.int64]:
    """The index of the month of each day of the data, 0 for the first; shape (days,)."""
    months = (np.datetime64(config.start) + np.arange(config.days)).astype("datetime64[M]")
    index: NDArray[np.int64] = (months - months[0]).astype(np.int64)
    return index
