"""The published data set, and simulated customers with a known future."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cip_assets.synthetic.cdnow import CdnowCases, cdnow_cases

if TYPE_CHECKING:
    from pathlib import Path

    from cip_assets.analytics.forecasting.discounting import PurchaseProcess


@pytest.fixture(scope="session")
def cdnow(cdnow_wheel: Path) -> CdnowCases:
    return cdnow_cases(cdnow_wheel)


@dataclass(frozen=True)
class Simulated:
    """Customers who buy according to a model, each array of shape (n,). Times are in days and not rounded."""

    parameters: tuple[float, float, float, float]
    x: np.ndarray
    t_x: np.ndarray
    age: np.ndarray
    alive: np.ndarray
    purchases_90: np.ndarray
    purchases_365: np.ndarray

    @property
    def history(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.x, self.t_x, self.age

    def agrees_with(self, process: PurchaseProcess) -> None:
        """In each group of customers, the predictions are within four standard errors of what came."""
        alive = process.probability_alive(*self.history)
        soon, later = process.purchases_if_alive(self.x, self.age, [90, 365])
        pairs = [
            (alive, self.alive),
            (alive * process.probability_active_if_alive(self.x, self.age, 90), self.purchases_90 > 0),
            (alive * process.probability_active_if_alive(self.x, self.age, 365), self.purchases_365 > 0),
            (alive * soon, self.purchases_90),
            (alive * later, self.purchases_365),
        ]
        gap = self.age - self.t_x
        groups = {
            "everyone": self.x >= 0,
            "one-time": self.x == 0,
            "once more": self.x == 1,
            "often": self.x >= 5,
            "recent": (self.x > 0) & (gap < 30),
            "long gap": (self.x > 0) & (gap > 180),
            "new": self.age < 60,
        }
        for name, group in groups.items():
            for forecast, actual in pairs:
                error = actual[group] - forecast[group]
                assert abs(error.mean()) <= 4 * error.std() / np.sqrt(group.sum()), name


def simulate_drop_out_after_purchases(*, also_after_the_first: bool) -> Simulated:
    """100,000 customers of BG/NBD or MBG/NBD, purchase by purchase, up to one year after the snapshot day."""
    rng = np.random.default_rng(20260101)
    customers = 100_000
    r, alpha, a, b = 0.6, 40.0, 0.9, 2.5
    rate = rng.gamma(r, 1 / alpha, customers)
    dropout = rng.beta(a, b, customers)
    age = rng.integers(1, 730, customers).astype(float)
    clock, x, t_x, soon, later = (np.zeros(customers) for _ in range(5))
    alive = np.ones(customers, dtype=bool)
    if also_after_the_first:
        alive = rng.random(customers) >= dropout
    going = np.flatnonzero(alive)
    while len(going):
        clock[going] += rng.exponential(1 / rate[going])
        going = going[clock[going] <= age[going] + 365]
        seen = clock[going] <= age[going]
        x[going[seen]] += 1
        t_x[going[seen]] = clock[going[seen]]
        soon[going] += ~seen & (clock[going] <= age[going] + 90)
        later[going] += ~seen
        stops = rng.random(len(going)) < dropout[going]
        alive[going[stops & seen]] = False
        going = going[~stops]
    return Simulated((r, alpha, a, b), x, t_x, age, alive, soon, later)


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    return simulate_drop_out_after_purchases(also_after_the_first=False)
