"""The published data set, and simulated customers with a known future."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cip_assets.synthetic.cdnow import CdnowCases, cdnow_cases

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def cdnow(cdnow_wheel: Path) -> CdnowCases:
    return cdnow_cases(cdnow_wheel)


@dataclass(frozen=True)
class Simulated:
    """Customers who buy according to BG/NBD, each array of shape (n,). Times are in days and not rounded."""

    parameters: tuple[float, float, float, float]
    x: np.ndarray
    t_x: np.ndarray
    age: np.ndarray
    alive: np.ndarray
    purchases_90: np.ndarray
    purchases_365: np.ndarray


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    """100,000 customers, purchase by purchase, up to one year after the snapshot day."""
    rng = np.random.default_rng(20260101)
    customers = 100_000
    r, alpha, a, b = 0.6, 40.0, 0.9, 2.5
    rate = rng.gamma(r, 1 / alpha, customers)
    dropout = rng.beta(a, b, customers)
    age = rng.integers(1, 730, customers).astype(float)
    clock, x, t_x, soon, later = (np.zeros(customers) for _ in range(5))
    alive = np.ones(customers, dtype=bool)
    going = np.arange(customers)
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
