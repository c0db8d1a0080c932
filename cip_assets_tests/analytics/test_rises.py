"""Which rates certainly rose: the correction for many tests is that of scipy."""

import numpy as np
import scipy

from cip_assets.analytics.rises import _adjusted


def test_chances_are_adjusted_as_by_scipy_to_the_last_bit() -> None:
    generator = np.random.default_rng(1)
    for size in (1, 2, 3, 50):
        chance = np.round(generator.uniform(size=size), 1)  # with ties, and with 0 and 1
        assert _adjusted(chance).tolist() == scipy.stats.false_discovery_control(chance, method="bh").tolist()
    assert _adjusted(np.array([0.04, 0.01, 0.03])).tolist() == [0.04, 0.03, 0.04]
