"""The value models: the more likely one is used, and the pooled ones by hand."""

import json
import math

import numpy as np
import pytest

from cip_assets.analytics.forecasting.bg_nbd import Statistics
from cip_assets.analytics.forecasting.gamma_gamma import ValueStatistics, bin_statistics
from cip_assets.analytics.forecasting.pooled import PooledMean, pooled_mean, pooled_rate
from cip_assets.analytics.forecasting.spend import SpendModel, fit_spend

NO_VALUES = bin_statistics([], [])


def fitted(statistics: ValueStatistics, total: float = 0.0) -> SpendModel:
    return fit_spend(statistics, np.ones(4), np.zeros(4), np.zeros(4), total)


def test_of_the_value_models_the_more_likely_one_is_used() -> None:
    rng = np.random.default_rng(4)
    x = rng.geometric(0.4, 5000)
    gamma = rng.gamma(4.0 * x) / rng.gamma(3.0, 1 / 40.0, 5000) / x
    normal = np.exp(rng.normal(3, 0.8, 5000) + rng.normal(0, 0.5 / np.sqrt(x)))
    for mean_value, name, words in (
        (gamma, "gamma_gamma", "Gamma-Gamma"),
        (normal, "lognormal", "Lognormal"),
    ):
        model = fitted(bin_statistics(x, mean_value))
        assert model.name == name
        assert any(note.startswith(words) and "highest likelihood" in note for note in model.notes)
        again = SpendModel.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
        assert (again.values, again.notes) == (model.values, model.notes)


def test_values_without_a_mean_have_a_finite_expectation() -> None:
    rng = np.random.default_rng(4)
    x = rng.geometric(0.5, 5000)
    mean_value = rng.gamma(4.0 * x) / rng.gamma(0.6, 1 / 40.0, 5000) / x
    model = fitted(bin_statistics(x, mean_value))
    # Gamma-Gamma has none, at q = 0.6.
    assert model.name == "lognormal"
    expected = model.values.expected_value(x, mean_value)
    assert np.average(expected, weights=x) == pytest.approx(np.average(mean_value, weights=x), rel=0.01)


def test_with_few_repeat_buyers_the_mean_of_the_paid_days_is_used() -> None:
    model = fitted(NO_VALUES, total=50.0)
    assert model.name == "pooled_mean"
    assert "0 repeat buyers have a mean value above 0, but 50 are needed" in model.notes[0]
    assert model.expected_value(np.zeros(1), np.zeros(1), np.full(1, math.nan), np.ones(1)).tolist() == [12.5]


def test_a_model_that_is_not_whole_is_refused() -> None:
    plain = fitted(NO_VALUES).to_dict()
    with pytest.raises(ValueError, match="not a PooledMean: 'more' is missing or unknown"):
        SpendModel.from_dict({**plain, "values": {**plain["values"], "more": 1}})


def test_pooled_rate_recovers_known_parameters() -> None:
    rng = np.random.default_rng(7)
    age = rng.integers(1, 700, 200_000)
    x = rng.poisson(rng.gamma(1.5, 1 / 90.0, 200_000) * age)
    found = pooled_rate(Statistics.grouped(x, np.where(x > 0, age, 0), age))
    assert found.r == pytest.approx(1.5, rel=0.05)
    assert found.alpha == pytest.approx(90, rel=0.05)


def test_pooled_mean_by_hand() -> None:
    # 10 customers with one purchase of 20, and 10 with three of 40 on average: (200 + 1200) / 40.
    assert pooled_mean(ValueStatistics([1, 3], [20, 40], [10, 10])).mean == pytest.approx(35)
    assert pooled_mean(NO_VALUES, math.nan) == PooledMean(0.0, 1.0)
