"""MBG/NBD: the published estimates, the recovery of known parameters, and the customers who bought once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1
from scipy.stats import beta, gamma

from cip_assets.analytics.forecasting import bg_nbd as bgnbd
from cip_assets.analytics.forecasting import mbg_nbd
from cip_assets.analytics.forecasting.bg_nbd import BgNbdFit, Statistics
from cip_assets.analytics.forecasting.mbg_nbd import MbgNbdFit
from cip_assets_tests.analytics.forecasting.conftest import simulate_drop_out_after_purchases


def test_cdnow_gives_the_published_estimates(cdnow):
    """Of the R package BTYDplus, in weeks. Batislam, Denizel, Filiztekin (2007) have other data."""
    fit = mbg_nbd.fit(Statistics.grouped(cdnow.x, cdnow.t_x / 7, cdnow.age / 7))
    assert fit.converged
    assert (fit.r, fit.alpha, fit.a, fit.b) == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=6e-4)
    assert fit.log_likelihood == pytest.approx(-9582.1, abs=0.05)
    assert (fit.customers, fit.repeat_customers, fit.at_bound) == (2357, 946, ())


def test_known_parameters_are_recovered_and_forecasts_agree_with_the_future():
    customers = simulate_drop_out_after_purchases(also_after_the_first=True)
    fit = mbg_nbd.fit(Statistics.grouped(*customers.history))
    found = np.log([fit.r, fit.alpha, fit.a, fit.b])
    distance = (found - np.log(customers.parameters)) / np.array(fit.log_standard_errors)
    assert np.abs(distance).max() < 3
    assert max(fit.log_standard_errors) < 0.1
    customers.agrees_with(MbgNbdFit(*customers.parameters))


def test_one_time_buyers_by_hand():
    # x = 0, T = 30, alpha = 30, r = 1: the odds of having dropped out are a / b (60 / 30)^1 = 1.
    fit = MbgNbdFit(r=1.0, alpha=30.0, a=1.0, b=2.0)
    assert fit.probability_alive(0, 0, 30) == pytest.approx(1 / 2)
    assert fit.probability_alive(0, 0, 0) == pytest.approx(2 / 3)  # b / (a + b)
    # BG/NBD with the same parameters takes both to be alive.
    assert BgNbdFit(1.0, 30.0, 1.0, 2.0).probability_alive(0, 0, 30) == 1


def test_it_is_bg_nbd_with_b_plus_1_for_repeat_buyers():
    fit, other = MbgNbdFit(0.5, 40.0, 0.9, 1.6), BgNbdFit(0.5, 40.0, 0.9, 2.6)
    x, t_x, age = np.array([1, 4, 30]), np.array([5, 200, 300]), np.array([90, 210, 700])
    assert fit.probability_alive(x, t_x, age) == pytest.approx(other.probability_alive(x, t_x, age))
    assert fit.purchases_if_alive(x, age, [90, 365]) == pytest.approx(
        other.purchases_if_alive(x, age, [90, 365])
    )


@pytest.mark.parametrize(("x", "t_x", "age"), [(0, 0.0, 5.0), (1, 2.0, 6.0), (3, 5.0, 5.0), (2, 1.0, 9.0)])
def test_the_likelihood_is_the_integral_over_customers(x, t_x, age):
    """A customer survives x or x + 1 chances with p, and buys x times at the rate lambda."""
    r, alpha, a, b = 1.3, 4.0, 1.6, 2.2

    def over_p(power: float, stop: float) -> float:
        return quad(lambda p: (1 - p) ** power * p**stop * beta.pdf(p, a, b), 0, 1)[0]

    def over_rate(time: float) -> float:
        return quad(
            lambda rate: rate**x * math.exp(-rate * time) * gamma.pdf(rate, r, scale=1 / alpha), 0, 20
        )[0]

    integral = over_p(x + 1, 0) * over_rate(age) + over_p(x, 1) * over_rate(t_x)
    history = Statistics(x, t_x, age, 1)
    likelihood = mbg_nbd.log_likelihood(history, r, alpha, a, b)
    assert likelihood == pytest.approx(math.log(integral), abs=1e-6)


def test_purchases_equal_the_closed_form():
    """E[purchases in (T, T + h] | x, t_x, T] as in Batislam, Denizel, Filiztekin (2007), where it is accurate."""
    rng = np.random.default_rng(8)
    for _ in range(100):
        r, alpha, a, b = np.exp(rng.normal(0, 1, 4))
        x, age, h = rng.integers(0, 30), rng.uniform(0, 50), rng.uniform(0.1, 100)
        t_x = rng.uniform(0, age) if x else 0.0
        z = h / (alpha + age + h)
        power = ((alpha + age) / (alpha + age + h)) ** (r + x)
        closed = (a + b + x) / (a - 1) * (1 - power * hyp2f1(r + x, b + x + 1, a + b + x, z))
        closed /= 1 + a / (b + x) * ((alpha + age) / (alpha + t_x)) ** (r + x)
        fit = MbgNbdFit(r, alpha, a, b)
        ours = fit.probability_alive(x, t_x, age) * fit.purchases_if_alive(x, age, [h])[0]
        assert ours == pytest.approx(closed, rel=1e-8)


@settings(deadline=None)
@given(parameters=st.tuples(*[st.floats(-3, 3)] * 4), data=st.data())
def test_the_gradient_is_the_slope_of_the_likelihood(parameters, data):
    one = st.tuples(st.integers(0, 50), st.floats(0, 1), st.floats(0, 1))
    rows = data.draw(st.lists(one, min_size=1, max_size=5))
    x, age, share = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    likelihood = bgnbd._Likelihood(x, np.where(x > 0, age * share, 0), age, np.ones(len(x)), 1)
    log_parameters = np.array(parameters)
    _, gradient = likelihood(np.exp(log_parameters))
    for index in range(4):
        step = np.zeros(4)
        step[index] = 1e-5
        up, down = (likelihood(np.exp(log_parameters + sign * step))[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)


def test_without_a_repeat_buyer_there_is_no_fit():
    with pytest.raises(ValueError, match="repeat buyer"):
        mbg_nbd.fit(Statistics(0, 0, 400, 1000))
