"""Gamma-Gamma: the published estimates, the recovery of known parameters, and the small effect of binning."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma

from cip_assets.analytics.forecasting import gamma_gamma
from cip_assets.analytics.forecasting.gamma_gamma import GammaGammaFit, ValueStatistics

positive = st.floats(-9, 9).map(math.exp)
amounts = st.one_of(st.just(0.0), st.floats(0.01, 1e16), st.just(math.nan))


def simulate(p, q, scale, customers, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.geometric(0.4, customers).astype(float)
    rate = rng.gamma(q, 1 / scale, customers)
    return x, rng.gamma(p * x) / rate / x


def test_cdnow_gives_the_published_estimates(cdnow):
    used = cdnow.x > 0
    fit = gamma_gamma.fit(ValueStatistics(cdnow.x[used], cdnow.mean_value[used], np.ones(used.sum())))
    assert (fit.converged, fit.customers) == (True, 946)
    assert (fit.p, fit.q, fit.gamma) == pytest.approx((6.25, 3.74, 15.44), rel=0.01)
    assert fit.population_mean == pytest.approx(35.2, abs=0.1)


def test_known_parameters_are_recovered():
    x, mean_value = simulate(4.0, 3.0, 40.0, 100_000)
    fit = gamma_gamma.fit(ValueStatistics(x, mean_value, np.ones(len(x))))
    distance = (np.log([fit.p, fit.q, fit.gamma]) - np.log([4.0, 3.0, 40.0])) / fit.log_standard_errors
    assert np.abs(distance).max() < 3
    assert max(fit.log_standard_errors) < 0.05


@pytest.mark.parametrize("scale", [0.4, 40.0, 4e9])
def test_bins_change_the_parameters_by_less_than_half_a_percent(scale):
    x, mean_value = simulate(4.0, 3.0, scale, 50_000)
    full = gamma_gamma.fit(ValueStatistics(x, mean_value, np.ones(len(x))))
    binned = gamma_gamma.bin_statistics(x, mean_value)
    assert len(binned.x) < len(x) / 10
    assert binned.customers == len(x)
    fit = gamma_gamma.fit(binned)
    assert (fit.p, fit.q, fit.gamma) == pytest.approx((full.p, full.q, full.gamma), rel=0.005)


def test_there_are_few_bins_for_any_number_of_customers():
    rng = np.random.default_rng(1)
    values = np.exp(rng.uniform(np.log(0.01), np.log(1e16), 300_000))
    binned = gamma_gamma.bin_statistics(np.ones(300_000), values)
    assert len(binned.x) <= gamma_gamma.BINS_PER_E_FOLD * math.log(1e18) + 2


def test_bins_of_bins_and_of_counts_equal_the_bins_of_customers():
    x, mean_value = simulate(4.0, 3.0, 40.0, 2000)
    once = gamma_gamma.bin_statistics(x, mean_value)
    twice = gamma_gamma.bin_statistics(once.x, once.mean_value, once.count)
    each = gamma_gamma.bin_statistics(np.repeat(x, 2), np.repeat(mean_value, 2))
    for other, times in ((twice, 1), (each, 2)):
        assert (other.x == once.x).all()
        assert other.mean_value == pytest.approx(once.mean_value)
        assert (other.count == once.count * times).all()


def test_one_time_buyers_zero_values_and_missing_values_are_left_out():
    binned = gamma_gamma.bin_statistics([0, 1, 1, 2, 1], [5, 0, math.nan, 8, math.inf])
    assert (binned.x.tolist(), binned.mean_value.tolist()) == ([2], pytest.approx([8]))
    assert gamma_gamma.bin_statistics([], []).customers == 0


@pytest.mark.parametrize(("x", "mean_value"), [(1, 30.0), (3, 12.0), (12, 200.0)])
def test_the_likelihood_is_the_integral_over_customers(x, mean_value):
    """The density of the mean of x Gamma(p, nu) values, integrated over nu ~ Gamma(q, gamma)."""
    p, q, scale = 2.5, 3.5, 60.0

    def density(nu: float) -> float:
        return gamma.pdf(mean_value, p * x, scale=1 / (x * nu)) * gamma.pdf(nu, q, scale=1 / scale)

    integral = quad(density, 0, 5, epsabs=0, epsrel=1e-10, points=[0.01, 0.1, 0.5], limit=200)[0]
    statistics = ValueStatistics(x, mean_value, 1)
    assert gamma_gamma.log_likelihood(statistics, p, q, scale) == pytest.approx(math.log(integral), abs=1e-8)


def test_expected_value_by_hand():
    fit = GammaGammaFit(p=2.0, q=3.0, gamma=10.0)  # population mean 2 * 10 / 2 = 10
    # Without a repeat purchase: 10. With 4, the weight is 8 / (8 + 2), so 0.8 * 20 + 0.2 * 10.
    assert fit.expected_value([0, 4, 4], [math.nan, 20.0, math.nan]).tolist() == pytest.approx([10, 18, 10])


def test_the_mean_of_all_is_the_observed_one():
    # With (q - 1) / p = 1, weights 1/2 and 3/4: (0.5 * 10 + 0.75 * 30) / 1.25.
    fit = GammaGammaFit(p=2.0, q=3.0, gamma=10.0, observed_mean=22.0)
    assert fit.expected_value([0, 1], [math.nan, 10.0]).tolist() == pytest.approx([22, 16])
    x, mean_value = simulate(4.0, 3.0, 40.0, 5000)
    fitted = gamma_gamma.fit(ValueStatistics(x, mean_value, np.ones(len(x))))
    weight = x / (x + (fitted.q - 1) / fitted.p)
    assert fitted.observed_mean == pytest.approx(np.average(mean_value, weights=weight))


@settings(deadline=None)
@given(p=positive, q=positive, scale=positive, x=st.integers(0, 10**6), mean_value=amounts)
def test_any_value_gives_a_finite_expectation(p, q, scale, x, mean_value):
    fit = GammaGammaFit(p, 1 + q, scale)
    value = fit.expected_value(x, mean_value)
    assert np.isfinite(value)
    low, high = sorted(
        [fit.population_mean, mean_value if x and np.isfinite(mean_value) else fit.population_mean]
    )
    assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9)


@settings(deadline=None, max_examples=25)  # a fit each
@given(rows=st.lists(st.tuples(st.integers(1, 1000), st.floats(0.01, 1e16)), min_size=1, max_size=20))
def test_any_fit_gives_finite_parameters(rows):
    fit = gamma_gamma.fit(gamma_gamma.bin_statistics(*zip(*rows, strict=True)))
    assert np.isfinite([fit.p, fit.q, fit.gamma, fit.log_likelihood]).all()
    assert fit.q > 1 or not fit.converged


def test_spending_without_a_mean_is_reported_as_not_converged():
    x, mean_value = simulate(4.0, 0.6, 40.0, 20_000)
    fit = gamma_gamma.fit(gamma_gamma.bin_statistics(x, mean_value))
    assert (fit.converged, fit.population_mean) == (False, math.inf)
    assert "no finite mean" in fit.message
    with pytest.raises(ValueError, match="no finite mean"):
        fit.expected_value(1, 5)


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match="mean_value must"):
        ValueStatistics(1, 0, 1)
    with pytest.raises(ValueError, match="same length"):
        ValueStatistics([1, 2], [1, 2], [1])
    with pytest.raises(ValueError, match="at least one"):
        gamma_gamma.fit(gamma_gamma.bin_statistics([0], [1]))
    with pytest.raises(ValueError, match="x must"):
        GammaGammaFit(2, 3, 4).expected_value(-1, 5)
