"""Pareto/NBD: the published estimates, the recovery of known parameters, and finite results for any input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1, roots_genlaguerre

from cip_assets.analytics.forecasting import pareto_nbd
from cip_assets.analytics.forecasting.bg_nbd import Statistics
from cip_assets.analytics.forecasting.pareto_nbd import ParetoNbdFit, power_integral
from cip_assets_tests.analytics.forecasting.conftest import Simulated

CDNOW_FIT = ParetoNbdFit(r=0.553, alpha=10.578, s=0.606, beta=11.669)  # in weeks, as published

positive = st.floats(-9, 9).map(math.exp)
fits = st.builds(ParetoNbdFit, r=positive, alpha=positive, s=positive, beta=positive)


@st.composite
def customers(draw: st.DrawFn) -> tuple[float, float, float]:
    """x, t_x and age, from a customer of today to a gap of a hundred years."""
    age = draw(st.one_of(st.just(0.0), st.floats(0, 36_500)))
    t_x = draw(st.one_of(st.just(0.0), st.just(age), st.floats(0, age)))
    return draw(st.one_of(st.integers(0, 5), st.integers(0, 10**6))), t_x, age


@pytest.fixture(scope="module")
def leaving() -> Simulated:
    """50,000 customers of Pareto/NBD, up to one year after the snapshot day."""
    rng = np.random.default_rng(20260102)
    size = 50_000
    r, alpha, s, beta = 0.7, 45.0, 0.8, 120.0
    rate = rng.gamma(r, 1 / alpha, size)
    lifetime = rng.exponential(1 / rng.gamma(s, 1 / beta, size))
    age = rng.integers(1, 730, size).astype(float)
    seen = np.minimum(lifetime, age)
    x = rng.poisson(rate * seen).astype(float)
    # The last of x uniform times.
    t_x = np.where(x > 0, seen * rng.random(size) ** (1 / np.maximum(x, 1)), 0.0)
    ahead = [np.clip(lifetime - age, 0, days) for days in (90, 365)]
    soon = rng.poisson(rate * ahead[0]).astype(float)
    later = soon + rng.poisson(rate * (ahead[1] - ahead[0]))
    return Simulated((r, alpha, s, beta), x, t_x, age, lifetime > age, soon, later)


def test_cdnow_gives_the_published_estimates(cdnow):
    """Fader, Hardie, Lee (2005), "Counting Your Customers the Easy Way", table 2."""
    fit = pareto_nbd.fit(Statistics.grouped(cdnow.x, cdnow.t_x / 7, cdnow.age / 7))
    assert fit.converged
    assert (fit.r, fit.alpha, fit.s, fit.beta) == pytest.approx((0.553, 10.578, 0.606, 11.669), abs=6e-4)
    assert fit.log_likelihood == pytest.approx(-9595.0, abs=0.05)
    assert (fit.customers, fit.repeat_customers, fit.at_bound) == (2357, 946, ())


def test_the_unit_of_time_scales_only_alpha_and_beta(cdnow):
    weeks = pareto_nbd.fit(Statistics.grouped(cdnow.x, cdnow.t_x / 7, cdnow.age / 7))
    days = pareto_nbd.fit(Statistics.grouped(cdnow.x, cdnow.t_x, cdnow.age))
    assert (days.r, days.alpha, days.s, days.beta) == pytest.approx(
        (weeks.r, weeks.alpha * 7, weeks.s, weeks.beta * 7), rel=1e-4
    )
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - cdnow.x.sum() * np.log(7))
    assert days.log_standard_errors == pytest.approx(weeks.log_standard_errors, rel=1e-3)


def test_every_start_finds_the_same_maximum(cdnow):
    statistics = Statistics.grouped(cdnow.x, cdnow.t_x, cdnow.age)
    found = [
        pareto_nbd.fit(statistics, [start]).log_likelihood
        for start in [(0.05, 100, 0.05, 500), (10, 10, 10, 10), (1, 50, 3, 5000)]
    ]
    assert found == pytest.approx([found[0]] * 3, abs=1e-4)


def test_the_published_customer():
    """Customer 1516 of CDNOW in the guide of the R package BTYD: x = 26, t_x = 30.86, T = 31, and 52 weeks ahead."""
    alive = CDNOW_FIT.probability_alive(26, 30.86, 31)
    assert alive == pytest.approx(0.9979, abs=1e-4)
    assert alive * CDNOW_FIT.purchases_if_alive(26, 31, [52])[0] == pytest.approx(25.46, abs=0.005)
    # A new customer, one year ahead.
    assert CDNOW_FIT.purchases_if_alive(0, 0, [52])[0] == pytest.approx(1.473, abs=5e-4)


def test_known_parameters_are_recovered_and_forecasts_agree_with_the_future(leaving):
    fit = pareto_nbd.fit(Statistics.grouped(*leaving.history), [leaving.parameters])
    found = np.log([fit.r, fit.alpha, fit.s, fit.beta])
    distance = (found - np.log(leaving.parameters)) / np.array(fit.log_standard_errors)
    assert np.abs(distance).max() < 3
    assert max(fit.log_standard_errors) < 0.1
    leaving.agrees_with(ParetoNbdFit(*leaving.parameters))


@pytest.mark.parametrize(("x", "t_x", "age"), [(0, 0.0, 5.0), (1, 2.0, 6.0), (3, 5.0, 5.0), (2, 1.0, 9.0)])
def test_the_likelihood_is_the_integral_over_customers(x, t_x, age):
    """A customer buys x times at the rate lambda and lives until T, or dies between t_x and T."""
    r, alpha, s, beta = 1.3, 4.0, 1.6, 5.0

    (rates, rate_weights), (deaths, death_weights) = (roots_genlaguerre(60, shape - 1) for shape in (r, s))
    rate, mu = rates[:, None] / alpha, deaths / beta
    total = rate + mu
    lived = np.exp(-total * age)
    died = mu / total * (np.exp(-total * t_x) - lived)
    weights = rate_weights[:, None] * death_weights / math.gamma(r) / math.gamma(s)
    integral = float(np.sum(weights * rate**x * (lived + died)))
    history = Statistics(x, t_x, age, 1)
    likelihood = pareto_nbd.log_likelihood(history, r, alpha, s, beta)
    assert likelihood == pytest.approx(math.log(integral), abs=1e-6)


def test_the_likelihood_equals_the_hypergeometric_form():
    """As in Fader, Hardie (2005), "A Note on Deriving the Pareto/NBD Model", for values where the form is accurate."""
    rng = np.random.default_rng(8)
    for _ in range(200):
        r, alpha, s, beta = np.exp(rng.normal(0, 1, 4))
        x, age = rng.integers(0, 10), rng.uniform(1, 5)
        t_x = rng.uniform(0, age) if x else 0.0
        n, larger = r + s + x, max(alpha, beta)
        second = s + 1 if alpha >= beta else r + x

        def part(time: float) -> float:
            z = abs(alpha - beta) / (larger + time)  # noqa: B023
            return hyp2f1(n, second, n + 1, z) / (larger + time) ** n  # noqa: B023

        a_0 = part(t_x) - part(age)
        inside = (alpha + age) ** -(r + x) * (beta + age) ** -s + s / n * a_0
        expected = math.lgamma(r + x) - math.lgamma(r) + r * math.log(alpha) + s * math.log(beta)
        likelihood = pareto_nbd.log_likelihood(Statistics(x, t_x, age, 1), r, alpha, s, beta)
        assert likelihood == pytest.approx(expected + math.log(inside), rel=1e-6, abs=1e-6)


def test_the_density_of_the_next_purchase_adds_up():
    fit, x, age, horizon = ParetoNbdFit(0.7, 30.0, 0.4, 60.0), 3, 200.0, 90.0
    shape, alpha, beta = fit.r + x, fit.alpha + age, fit.beta + age

    def silent_until_death(u: float) -> float:
        return fit.s / beta * (1 + u / beta) ** -(fit.s + 1) * (1 + u / alpha) ** -shape

    silent = (1 + horizon / alpha) ** -shape * (1 + horizon / beta) ** -fit.s
    silent += quad(silent_until_death, 0, horizon)[0]
    assert fit.probability_active_if_alive(x, age, horizon) == pytest.approx(1 - silent, rel=1e-9)


@pytest.mark.parametrize("s", [1 - 1e-9, 1.0, 1 + 1e-9])
def test_purchases_have_a_limit_at_s_1(s):
    fit = ParetoNbdFit(0.5, 30.0, s, 60.0)
    by_hand = 2.5 / 130 * 160 * math.log(1 + 90 / 160)
    assert fit.purchases_if_alive(2, 100, [90])[0] == pytest.approx(by_hand, rel=1e-7)


def test_without_drop_out_only_the_rate_matters():
    fit = ParetoNbdFit(0.5, 30.0, 1.0, 1e12)
    assert fit.probability_alive(4, 10, 100) == pytest.approx(1.0)
    assert fit.purchases_if_alive(4, 100, [90])[0] == pytest.approx(90 * 4.5 / 130)
    assert fit.probability_active_if_alive(4, 100, 90) == pytest.approx(1 - (130 / 220) ** 4.5)


def test_the_integral_is_exact_enough():
    """Against the rule on 199 parts, of which each is many times smaller than the last."""
    rng = np.random.default_rng(0)
    points, weights = np.polynomial.legendre.leggauss(20)

    def by_parts(a: float, p: float, b: float, q: float, low: float, high: float) -> float:
        m = min(a, b) + low
        edges = np.concatenate([[0], np.geomspace(1e-12, 1, 199)]) * np.log1p((high - low) / m)
        width = np.diff(edges)[:, None] / 2
        y = edges[:-1, None] + width * (1 + points)
        u = m * np.expm1(y)
        values = np.exp(y - p * np.log1p(u / (a + low)) - q * np.log1p(u / (b + low)))
        return float(m * np.sum(values * weights * width))

    for limit, longest, tolerance in ((3, 1, 1e-12), (9, 36_500, 1e-4)):
        for _ in range(500):
            a, p, b, q = np.exp(rng.uniform(-limit, limit, 4))
            high = rng.uniform(0, longest)
            case = (a, p + rng.choice([0, 1, 5, 1000]), b, q + 1, rng.choice([0, high / 2]), high)
            ((_, nodes),) = power_integral(*case[:4], np.array([case[4]]), case[5])
            assert nodes.total == pytest.approx(by_parts(*case), rel=tolerance), case


@settings(deadline=None)
@given(parameters=st.tuples(*[st.floats(-3, 3)] * 4), data=st.data())
def test_the_gradient_is_the_slope_of_the_likelihood(parameters, data):
    rows = data.draw(st.lists(customers(), min_size=1, max_size=5))
    x, t_x, age = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    x = np.minimum(x, 50)
    likelihood = pareto_nbd._Likelihood(x, t_x / 36_500, age / 36_500, np.ones(len(x)))
    log_parameters = np.array(parameters)
    _, gradient = likelihood(np.exp(log_parameters))
    for index in range(4):
        step = np.zeros(4)
        step[index] = 1e-5
        up, down = (likelihood(np.exp(log_parameters + sign * step))[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)


@settings(deadline=None)
@given(fit=fits, customer=customers(), horizon=st.floats(0, 3650), longer=st.floats(0, 3650))
def test_any_customer_gets_finite_and_coherent_predictions(fit, customer, horizon, longer):
    x, _, age = customer
    alive = fit.probability_alive(*customer)
    near, far = fit.purchases_if_alive(x, age, [horizon, horizon + longer])
    active, later = (fit.probability_active_if_alive(x, age, h) for h in (horizon, horizon + longer))
    assert 0 <= alive <= 1
    assert 0 <= active <= later * (1 + 1e-4) <= 1 + 1e-4
    assert near <= far * (1 + 1e-9)
    assert np.isfinite(far)
    assert near >= active


@settings(deadline=None, max_examples=15)  # a fit each
@given(rows=st.lists(customers(), min_size=1, max_size=20))
def test_any_fit_gives_finite_parameters(rows):
    statistics = Statistics.grouped(*zip(*rows, strict=True))
    if statistics.repeat_customers == 0 or statistics.age.max() < 1:
        with pytest.raises(ValueError, match="repeat buyer"):
            pareto_nbd.fit(statistics)
        return
    fit = pareto_nbd.fit(statistics, [(1, 30, 1, 30)])
    assert np.isfinite([fit.r, fit.alpha, fit.s, fit.beta, fit.log_likelihood]).all()
    assert all(error is None or error > 0 for error in fit.standard_errors)


def test_impossible_customers_and_horizons_are_refused():
    with pytest.raises(ValueError, match="must not exceed"):
        CDNOW_FIT.probability_alive(1, 6, 5)
    with pytest.raises(ValueError, match="horizon"):
        CDNOW_FIT.purchases_if_alive(1, 2, [-1])
