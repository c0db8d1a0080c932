"""Shops of customers who buy, return, complain and visit, without the platform's own assumptions about them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

START = np.datetime64("2024-01-01")
MONTH_DAYS = 365.25 / 12

Trend = Callable[[Floats], Floats]
"""A factor for each month, counted from the start of the data."""


def always(month: Floats) -> Floats:
    return np.ones_like(month)


@dataclass(frozen=True)
class Shop:
    """A shop that may have been open before its data begins.

    ``growth`` is the number of new customers per month at the end as a multiple of that at the beginning. Purchase rates
    are gamma or lognormal, and customers stay for good after each purchase with a probability of their own. The trends
    multiply the rates of purchases, returns and tickets.
    """

    customers: int = 3_000
    months: int = 24
    open_before: int = 0
    growth: float = 1.0
    lognormal: bool = False
    season: float = 0.0
    purchases: Trend = always
    established_only: bool = False
    returns: Trend = always
    tickets: Trend = always
    engaged: float = 1.0
    """How much of the pace of sessions follows that of purchases, from 0 to 1."""
    purchases_per_month: float = 0.6
    returned: float = 0.09
    tickets_per_month: float = 0.1
    sessions_per_month: float = 0.6

    @property
    def last_day(self) -> date:
        end = (START.astype("datetime64[M]") + self.months).astype("datetime64[D]") - 1
        return date.fromisoformat(str(end))


@dataclass(frozen=True)
class Events:
    """The customer and the day of each event, counted from the start; shape (events,) each."""

    customer: Ints
    day: Ints

    def until(self, days: int) -> "Events":
        here = (self.day >= 0) & (self.day < days)
        return Events(self.customer[here], self.day[here])

    def once_a_day(self) -> "Events":
        key = np.unique(self.customer * 100_000 + self.day)
        return Events(key // 100_000, key % 100_000)


@dataclass(frozen=True)
class History:
    """What happened in a shop in the months of its data."""

    shop: Shop
    purchases: Events
    returns: Events
    tickets: Events
    sessions: Events


SEASON = np.array([-0.5, -0.6, -0.2, -0.1, 0.1, 0.0, -0.2, -0.3, 0.0, 0.2, 0.8, 0.8])
"""The effect of the month of the year, January first."""


def play(shop: Shop, seed: int) -> History:
    """Draw the history of a shop."""
    rng = np.random.default_rng(seed)
    days = int((np.datetime64(shop.last_day) - START).astype(int)) + 1
    before = int(shop.open_before * MONTH_DAYS)
    size = shop.customers
    # A density of arrivals that changes linearly, by the inverse of its distribution function.
    share, slope = rng.random(size), shop.growth - 1
    if slope:
        share = (np.sqrt(1 + share * (shop.growth**2 - 1)) - 1) / slope
    arrival = share * (days + before) - before
    spread = rng.lognormal(-0.72, 1.2, size) if shop.lognormal else rng.gamma(0.85, 1 / 0.85, size)
    pace = shop.purchases_per_month / MONTH_DAYS * spread
    customer, time = _arrivals(rng, pace, arrival, days, before, shop.purchases, shop.season)
    if shop.established_only:
        # Thinned only after the first three months of a customer.
        customer, time = _arrivals(rng, pace, arrival, days, before, always, shop.season)
        settled = time - arrival[customer] > 3 * MONTH_DAYS
        stays = rng.random(len(time)) < np.where(settled, shop.purchases(time / MONTH_DAYS), 1.0)
        customer, time = customer[stays], time[stays]
    number = np.arange(len(customer)) - np.searchsorted(customer, customer) + 1
    lifetime = rng.geometric(np.maximum(rng.beta(0.9, 7.0, size), 1e-9))
    kept = number <= lifetime[customer]
    until = np.full(size, float(days))
    last = number == lifetime[customer]
    until[customer[last]] = time[last]
    bought = Events(
        np.concatenate([np.arange(size), customer[kept]]),
        np.floor(np.concatenate([arrival, time[kept]])).astype(np.int64),
    )
    bought = bought.until(days).once_a_day()
    back = rng.random(len(bought.day)) < np.minimum(shop.returned * shop.returns(bought.day / MONTH_DAYS), 1)
    late = bought.day[back] + 1 + rng.gamma(2.0, 5.0, int(back.sum())).astype(np.int64)
    own = shop.tickets_per_month / MONTH_DAYS * rng.gamma(2.0, 0.5, size)
    writer, wrote = _arrivals(rng, own, arrival, np.minimum(until + 30, days), before, shop.tickets, 0.0)
    pace = shop.sessions_per_month / MONTH_DAYS * (1 - shop.engaged + shop.engaged * spread)
    stays = until if shop.engaged else np.full(size, float(days))
    visitor, visited = _arrivals(rng, pace, arrival, stays, before, always, 0.0)
    return History(
        shop,
        bought,
        Events(bought.customer[back], late).until(days),
        Events(writer, np.floor(wrote).astype(np.int64)).until(days),
        Events(visitor, np.floor(visited).astype(np.int64)).until(days),
    )


def _arrivals(
    rng: np.random.Generator,
    pace: Floats,
    begin: Floats,
    until: Floats | int,
    before: int,
    trend: Trend,
    season: float,
) -> tuple[Ints, Floats]:
    """A Poisson process for each customer, at a pace that changes by month; sorted by customer and time."""
    end = int(np.max(until))
    day = np.arange(-before, end + 1)
    month = (START + day[:-1]).astype("datetime64[M]").astype(np.int64)
    factor = trend(day[:-1] / MONTH_DAYS) * (1 + season * SEASON[month % 12])
    cumulative = np.concatenate([[0.0], np.cumsum(factor)])
    low = np.interp(begin, day, cumulative)
    width = np.maximum(np.interp(until, day, cumulative) - low, 0.0)
    owner = np.repeat(np.arange(len(pace)), rng.poisson(pace * width))
    place = np.sort(owner + rng.random(len(owner))) - owner
    return owner, np.interp(low[owner] + place * width[owner], cumulative, day)


def step(month: float, factor: float) -> Trend:
    """A factor from a month on."""
    return lambda at: np.where(at >= month, factor, 1.0)


def slope(month: float, last: float, factor: float) -> Trend:
    """A factor that is reached from one month to another in equal steps."""
    return lambda at: 1 + (factor - 1) * np.clip((at - month) / (last - month), 0.0, 1.0)


def sized(shop: Shop, customers: int) -> Shop:
    return replace(shop, customers=customers)
