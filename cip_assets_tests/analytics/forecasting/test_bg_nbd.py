"""BG/NBD: the published estimates, the recovery of known parameters, and finite results for any input."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1
from scipy.stats import beta, gamma

from cip_assets.analytics.forecasting import bg_nbd as bgnbd
from cip_assets.analytics.forecasting.bg_nbd import BgNbdFit, Statistics

CDNOW_FIT = BgNbdFit(r=0.243, alpha=4.414, a=0.793, b=2.426)  # in weeks, as published

positive = st.floats(-9, 9).map(math.exp)
fits = st.builds(BgNbdFit, r=positive, alpha=positive, a=positive, b=positive)
counts = st.one_of(st.integers(0, 5), st.integers(0, 10**6))


@st.composite
def customers(draw: st.DrawFn) -> tuple[float, float, float]:
    """x, t_x and age, from a customer of today to a gap of a hundred years."""
    age = draw(st.one_of(st.just(0.0), st.floats(0, 36_500)))
    t_x = draw(st.one_of(st.just(0.0), st.just(age), st.floats(0, age)))
    return draw(counts), t_x, age


def in_weeks(cdnow) -> Statistics:
    return Statistics.grouped(cdnow.x, cdnow.t_x / 7, cdnow.age / 7)


def test_cdnow_gives_the_published_estimates(cdnow):
    fit = bgnbd.fit(in_weeks(cdnow))
    assert fit.converged
    assert (fit.r, fit.alpha, fit.a, fit.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=0.01)
    assert fit.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    assert (fit.customers, fit.repeat_customers, fit.at_bound) == (2357, 946, ())


def test_the_unit_of_time_scales_only_alpha(cdnow):
    weeks = bgnbd.fit(in_weeks(cdnow))
    days = bgnbd.fit(Statistics.grouped(cdnow.x, cdnow.t_x, cdnow.age))
    assert (days.r, days.alpha, days.a, days.b) == pytest.approx(
        (weeks.r, weeks.alpha * 7, weeks.a, weeks.b), rel=1e-5
    )
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - cdnow.x.sum() * np.log(7))
    assert days.log_standard_errors == pytest.approx(weeks.log_standard_errors, rel=1e-3)


def test_every_start_finds_the_same_maximum(cdnow):
    statistics = in_weeks(cdnow)
    found = [
        bgnbd.fit(statistics, [start]).log_likelihood
        for start in [(0.01, 100, 0.01, 20), (10, 1, 10, 0.1), (1, 1, 1, 1), (50, 500, 5, 5)]
    ]
    assert found == pytest.approx([found[0]] * 4, abs=1e-4)


def test_the_published_customer_buys_1_226_times_in_39_weeks():
    # Fader, Hardie, Lee (2005), "Implementing the BG/NBD Model for Customer Base Analysis in Excel": x = 2,
    # t_x = 30.43, T = 38.86.
    assert bgnbd.expected_purchases(CDNOW_FIT, 2, 30.43, 38.86, 39) == pytest.approx(1.226, abs=1e-3)


def test_the_holdout_of_cdnow(cdnow):
    """Purchases in the 39 weeks after the calibration, in total and by x. The model underestimates the total, because its
    published conditional expectations are below the actual figures for x = 0, 1, 2.
    """
    fit = bgnbd.fit(Statistics.grouped(cdnow.x, cdnow.t_x, cdnow.age))
    expected = bgnbd.expected_purchases(fit, cdnow.x, cdnow.t_x, cdnow.age, 273)
    group = np.minimum(cdnow.x, 7)
    by_x = [(cdnow.holdout_purchases[group == x].mean(), expected[group == x].mean()) for x in range(8)]
    assert [actual for actual, _ in by_x] == pytest.approx(
        [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359], abs=1e-3
    )
    assert [mean for _, mean in by_x] == pytest.approx(
        [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157], abs=2e-3
    )
    assert cdnow.holdout_purchases.sum() == 1882
    assert expected.sum() == pytest.approx(1653.4, abs=0.5)


def test_known_parameters_are_recovered(simulated):
    fit = bgnbd.fit(Statistics.grouped(simulated.x, simulated.t_x, simulated.age))
    assert fit.converged
    found = np.log([fit.r, fit.alpha, fit.a, fit.b])
    distance = (found - np.log(simulated.parameters)) / np.array(fit.log_standard_errors)
    assert np.abs(distance).max() < 3
    assert max(fit.log_standard_errors) < 0.05


def test_forecasts_agree_with_the_simulated_future(simulated):
    simulated.agrees_with(BgNbdFit(*simulated.parameters))


def test_grouping_does_not_change_the_likelihood():
    rng = np.random.default_rng(5)
    age = rng.integers(0, 60, 4000)
    x = np.minimum(rng.poisson(1.0, 4000), age)
    t_x = np.where(x > 0, rng.integers(x, age + 1), 0)
    grouped = Statistics.grouped(x, t_x, age)
    each = Statistics(x, t_x, age, np.ones(4000))
    assert len(grouped.x) < 3000
    assert (grouped.customers, grouped.repeat_customers) == (4000, int((x > 0).sum()))
    values = [bgnbd.log_likelihood(s, 0.5, 20, 0.8, 2) for s in (grouped, each)]
    assert values[0] == pytest.approx(values[1], rel=1e-13)


@pytest.mark.parametrize(("x", "t_x", "age"), [(0, 0.0, 5.0), (1, 2.0, 6.0), (3, 5.0, 5.0), (2, 1.0, 9.0)])
def test_the_likelihood_is_the_integral_over_customers(x, t_x, age):
    """FHL equation (3), one customer's likelihood, integrated over p and lambda, which are independent."""
    r, alpha, a, b = 1.3, 4.0, 1.6, 2.2

    def over_p(power: float, stop: float) -> float:
        return quad(lambda p: (1 - p) ** power * p**stop * beta.pdf(p, a, b), 0, 1)[0]

    def over_rate(time: float) -> float:
        return quad(
            lambda rate: rate**x * math.exp(-rate * time) * gamma.pdf(rate, r, scale=1 / alpha), 0, 20
        )[0]

    integral = over_p(x, 0) * over_rate(age) + (over_p(x - 1, 1) * over_rate(t_x) if x else 0.0)
    history = Statistics(x, t_x, age, 1)
    assert bgnbd.log_likelihood(history, r, alpha, a, b) == pytest.approx(math.log(integral), abs=1e-6)


@settings(deadline=None)
@given(parameters=st.tuples(*[st.floats(-3, 3)] * 4), data=st.data())
def test_the_gradient_is_the_slope_of_the_likelihood(parameters, data):
    rows = data.draw(st.lists(customers(), min_size=1, max_size=5))
    x, t_x, age = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    likelihood = bgnbd._Likelihood(np.minimum(x, 50), t_x / 36_500, age / 36_500, np.ones(len(x)))
    log_parameters = np.array(parameters)
    _, gradient = likelihood(np.exp(log_parameters))
    for index in range(4):
        step = np.zeros(4)
        step[index] = 1e-5
        up, down = (likelihood(np.exp(log_parameters + sign * step))[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)


def test_purchases_if_alive_equals_the_closed_form():
    """The numerator of FHL equation (10), for values where the closed form is accurate."""
    rng = np.random.default_rng(8)
    for _ in range(100):
        r, alpha, a, b = np.exp(rng.normal(0, 1, 4))
        x, age, h = rng.integers(0, 30), rng.uniform(0, 50), rng.uniform(0.1, 100)
        z = h / (alpha + age + h)
        power = ((alpha + age) / (alpha + age + h)) ** (r + x)
        closed = (a + b + x - 1) / (a - 1) * (1 - power * hyp2f1(r + x, b + x, a + b + x - 1, z))
        ours = bgnbd.purchases_if_alive(BgNbdFit(r, alpha, a, b), x, age, [h])[0]
        assert ours == pytest.approx(closed, rel=1e-8)


@pytest.mark.parametrize("a", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("x", [0, 40, 3000])
def test_purchases_if_alive_equals_the_integral_where_the_closed_form_fails(a, x):
    r, alpha, b, age, h = 0.7, 25.0, 2.0, 200.0, 365.0
    z = h / (alpha + age)

    def integrand(p: float) -> float:
        return -math.expm1(-(r + x) * math.log1p(p * z)) / p * beta.pdf(p, a, b + x)

    center = a / (a + b + x)
    edges = [1e-12, center / 1e4, center / 100, center, min(1, 10 * center), min(1, 100 * center), 1.0]
    parts = sum(
        quad(integrand, low, high, limit=400, epsabs=0, epsrel=1e-10)[0]
        for low, high in pairwise(edges)
        if high > low
    )
    below = (r + x) * z * beta.cdf(1e-12, a, b + x)
    ours = bgnbd.purchases_if_alive(BgNbdFit(r, alpha, a, b), x, age, [h])[0]
    assert ours == pytest.approx(parts + below, rel=1e-6)


def test_the_spline_equals_the_integral():
    fit = BgNbdFit(0.4, 20.0, 0.7, 2.2)
    age = np.linspace(0, 2000, 500)
    for x in (0, 1, 30, 2000):
        integral = bgnbd._integrate(
            fit.r + x, fit.a, fit.b + x + fit.chances_at_first, 365 / (fit.alpha + age)
        )
        assert bgnbd.purchases_if_alive(fit, x, age, [365])[0] == pytest.approx(integral, rel=1e-10)


def test_no_digit_depends_on_who_else_is_asked_for():
    """Batches of customers differ with the number of cores. The last ones are beyond both ends of the grid."""
    rng = np.random.default_rng(5)
    fit = BgNbdFit(0.3, 2e-6, 0.8, 2.5)
    x, age = rng.integers(0, 4, 3_000).astype(float), rng.uniform(0, 900, 3_000)
    age[-2:] = 0.0, 1e8
    together = bgnbd.purchases_if_alive(fit, x, age, [1, 30, 365])
    for part in np.array_split(np.arange(3_000), 7):
        assert np.array_equal(
            together[:, part], bgnbd.purchases_if_alive(fit, x[part], age[part], [1, 30, 365])
        )
    for one in (0, 1, -2, -1):
        alone = bgnbd.purchases_if_alive(fit, x[[one]], age[[one]], [1, 30, 365])
        assert np.array_equal(together[:, [one]], alone)


def test_active_by_hand():
    # One purchase, today: lambda ~ Gamma(1, 30), so P = 1 - 30 / (30 + 90).
    fit = BgNbdFit(r=1.0, alpha=30.0, a=1.0, b=2.0)
    assert bgnbd.probability_active(fit, 0, 0, 0, 90) == pytest.approx(0.75)
    # x = 1, t_x = 0, T = 30: the odds of having dropped out are a/b (60/30)^2 = 2, so P(alive) = 1/3, and
    # P(active) = 1/3 (1 - (60/120)^2).
    assert bgnbd.probability_alive(fit, 1, 0, 30) == pytest.approx(1 / 3)
    assert bgnbd.probability_active(fit, 1, 0, 30, 60) == pytest.approx(1 / 4)


@settings(deadline=None)
@given(fit=fits, customer=customers(), horizon=st.floats(0, 3650))
def test_any_customer_gets_finite_predictions(fit, customer, horizon):
    alive = bgnbd.probability_alive(fit, *customer)
    active = bgnbd.probability_active(fit, *customer, horizon)
    expected = bgnbd.expected_purchases(fit, *customer, horizon)
    for probability in (alive, active):
        assert 0 <= probability <= 1
    assert np.isfinite(expected)
    # A customer can only be active if alive, and the expected number is at least the probability of one purchase.
    assert active <= alive
    assert expected >= active * (1 - 1e-6)
    if customer[0] == 0:
        assert alive == 1


@settings(deadline=None)
@given(fit=fits, customer=customers(), longer=st.floats(0, 3650), horizon=st.floats(0, 3650))
def test_a_longer_gap_or_a_shorter_horizon_never_raises_the_forecast(fit, customer, longer, horizon):
    x, t_x, age = customer
    ages = np.array([age, age + longer])
    alive = bgnbd.probability_alive(fit, x, t_x, ages)
    assert alive[1] <= alive[0] * (1 + 1e-12)
    active = bgnbd.probability_active(fit, x, t_x, ages, horizon)
    assert active[1] <= active[0] * (1 + 1e-12)
    near, far = bgnbd.purchases_if_alive(fit, x, age, [horizon, horizon + longer])
    assert near <= far * (1 + 1e-6)


@settings(deadline=None, max_examples=25)  # a fit each
@given(rows=st.lists(customers(), min_size=1, max_size=20))
def test_any_fit_gives_finite_parameters(rows):
    statistics = Statistics.grouped(*zip(*rows, strict=True))
    if statistics.repeat_customers == 0 or statistics.age.max() < 1:
        with pytest.raises(ValueError, match="repeat buyer"):
            bgnbd.fit(statistics)
        return
    fit = bgnbd.fit(statistics, [(1, 30, 1, 2)])
    assert np.isfinite([fit.r, fit.alpha, fit.a, fit.b, fit.log_likelihood]).all()
    assert all(error is None or error > 0 for error in fit.standard_errors)
    assert np.isfinite(bgnbd.expected_purchases(fit, statistics.x, statistics.t_x, statistics.age, 90)).all()


@pytest.mark.parametrize(
    ("x", "t_x", "age", "message"),
    [
        (-1, 0, 5, "x must"),
        (1, math.nan, 5, "t_x must"),
        (1, 1, math.inf, "age must"),
        (1, 6, 5, "must not exceed"),
    ],
)
def test_impossible_customers_are_refused(x, t_x, age, message):
    with pytest.raises(ValueError, match=message):
        bgnbd.probability_alive(CDNOW_FIT, x, t_x, age)
    with pytest.raises(ValueError, match=message):
        Statistics(x, t_x, age, 1)


def test_impossible_counts_and_horizons_are_refused():
    with pytest.raises(ValueError, match="count"):
        Statistics(1, 1, 2, 0)
    with pytest.raises(ValueError, match="horizon"):
        bgnbd.expected_purchases(CDNOW_FIT, 1, 1, 2, -1)
