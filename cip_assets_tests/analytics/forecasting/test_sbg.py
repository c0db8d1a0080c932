"""Shifted beta-geometric: the published tables, the recovery of known parameters, and the share that is active."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.analytics.forecasting import sbg
from cip_assets.analytics.forecasting.sbg import SbgFit

REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
"""Survivors of 1,000 customers over 7 years, Fader and Hardie (2007), table 1."""


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta", "log_likelihood"),
    [(REGULAR, 0.704, 1.182, -1680.3), (HIGH_END, 0.668, 3.806, -1611.2)],
)
def test_the_published_estimates(survivors, alpha, beta, log_likelihood):
    fit = sbg.fit(survivors)
    assert fit.converged
    assert (fit.alpha, fit.beta) == pytest.approx((alpha, beta), abs=6e-4)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=0.06)


def test_the_published_projection_is_close_to_what_came():
    """Year 12, five years after the last one that was used; 17.3% and 39.4% were still there."""
    assert sbg.fit(REGULAR).survival(12) == pytest.approx(0.173, abs=0.005)
    assert sbg.fit(HIGH_END).survival(12) == pytest.approx(0.394, abs=0.02)


def test_survival_by_hand():
    # r_k = (beta + k - 1) / (alpha + beta + k - 1): 2/3, 3/4, 4/5.
    fit = SbgFit(alpha=1.0, beta=2.0, level=0.5)
    assert fit.survival([0, 1, 2, 3]).tolist() == pytest.approx([1, 2 / 3, 1 / 2, 2 / 5])
    assert fit.activity([1, 3]).tolist() == pytest.approx([1 / 3, 1 / 5])


def test_the_activity_of_simulated_customers_is_projected():
    """Customers of whom each has its own probability to leave and its own to buy."""
    rng = np.random.default_rng(0)
    size = 40_000
    leaves, buys = rng.beta(0.8, 3, size), rng.beta(1.5, 4, size)
    lifetime = rng.geometric(leaves)
    shares = [((rng.random(size) < buys) & (lifetime > k)).mean() for k in range(1, 37)]
    fit = sbg.fit_activity([share * size for share in shares[:18]], [size] * 18)
    assert fit is not None
    assert fit.activity([24, 30, 36]) == pytest.approx(np.array(shares)[[23, 29, 35]], abs=0.008)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 1000), min_size=6, max_size=30), st.integers(1000, 5000))
def test_any_activity_gives_shares_that_never_rise(active, members):
    fit = sbg.fit_activity(active, [members] * len(active))
    if fit is not None:
        shares = fit.activity(np.arange(1, 60))
        assert ((shares >= 0) & (shares <= 1)).all()
        assert (np.diff(shares) <= 1e-9).all()


def test_too_few_periods_or_nobody_active_give_no_curve():
    assert sbg.fit_activity([5] * 5, [9] * 5) is None
    assert sbg.fit_activity([5] * 5 + [0] * 4, [9] * 5 + [0] * 4) is None
    assert sbg.fit_activity([0] * 9, [9] * 9) is None
    with pytest.raises(ValueError, match="never rise"):
        sbg.fit([10, 8, 9])
    with pytest.raises(ValueError, match="never rise"):
        sbg.fit([10, 10])


@settings(deadline=None)
@given(st.tuples(*[st.floats(-2, 2)] * 2))
def test_survival_matches_the_product_of_retention_rates(logs):
    alpha, beta = np.exp(logs)
    k = np.arange(1, 20)
    product = np.cumprod((beta + k - 1) / (alpha + beta + k - 1))
    assert SbgFit(alpha, beta).survival(k) == pytest.approx(product, rel=1e-9)
