"""Simulated shops as histories, in which what is true is known."""

from collections.abc import Callable

import numpy as np

from cip_assets.analytics.forecasting.history import Events, History

TODAY = 900
"""The snapshot day; the shop opens on day 0."""

NOTHING = Events(np.zeros(0, int), np.zeros(0, int), np.zeros(0))


def shop(
    customers: int, seed: int, pace: Callable[[np.ndarray], np.ndarray] | None = None, *, visits: bool = False
) -> History:
    """Customers who buy according to BG/NBD at a pace that may change, with Gamma spend.

    Args:
        customers: how many there are.
        seed: of every draw.
        pace: the factor of every rate by day; 1 unless given.
        visits: whether each customer visits the website every few days until dropping out.

    """
    rng = np.random.default_rng(seed)
    first = rng.integers(0, TODAY - 30, customers)
    rate, drop = rng.gamma(0.8, 1 / 45.0, customers), rng.beta(0.9, 5.0, customers)
    clock = np.cumsum(np.ones(TODAY + 1) if pace is None else pace(np.arange(TODAY + 1)))
    bought, seen = [], []
    for number in range(customers):
        days, moment, alive_until = [first[number]], clock[first[number]], TODAY
        while True:
            moment += rng.exponential(1 / rate[number])
            day = int(np.searchsorted(clock, moment))
            if day > TODAY:
                break
            if day > days[-1]:
                days.append(day)
            if rng.random() < drop[number]:
                alive_until = day
                break
        bought += [(number, day, float(rng.gamma(6, 10))) for day in days]
        if visits:
            seen += [(number, day, 1.0) for day in range(first[number], alive_until + 1, 12)]
    return History(customers, _events(bought), _events(seen), NOTHING, NOTHING)


def _events(rows: list[tuple[int, int, float]]) -> Events:
    if not rows:
        return NOTHING
    who, day, value = (np.array(column) for column in zip(*rows, strict=True))
    return Events(who.astype(np.int64), day.astype(np.int64), value.astype(float))


def declining(day: np.ndarray) -> np.ndarray:
    """Every rate falls to a fifth over the last year."""
    return np.interp(day, [TODAY - 360, TODAY], [1.0, 0.2])
