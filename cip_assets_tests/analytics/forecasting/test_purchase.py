"""The purchase model: the models used, the scores of customers, and the conversion to JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from cip_assets.analytics.forecasting.purchase import PurchaseModel, fit_purchase_model
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.analytics.forecasting.bg_nbd import BgNbdFit, Statistics
from cip_assets.analytics.forecasting.discounting import discount_factors, discounted_value
from cip_assets.analytics.forecasting.gamma_gamma import GammaGammaFit, ValueStatistics, bin_statistics
from cip_assets.analytics.forecasting.pooled import PooledMean, PooledRate, pooled_mean, pooled_rate

SCORES = {
    "expected_purchases_30",
    "expected_purchases_90",
    "expected_purchases_365",
    "p_alive",
    "p_active_90",
    "expected_value",
    "clv_12m",
}
NOBODY = Statistics.grouped([], [], [])
NO_VALUES = bin_statistics([], [])

MODELS = [
    PurchaseModel(BgNbdFit(0.243, 30.9, 0.793, 2.426), GammaGammaFit(6.25, 3.74, 15.44)),
    PurchaseModel(PooledRate(0.5, 200.0), PooledMean(40.0, 2.0)),
]


@st.composite
def customer_lists(draw: st.DrawFn) -> list[tuple[float, float, float, float]]:
    """x, t_x, age and mean_value of a few customers, often equal."""
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        age = draw(st.one_of(st.just(0.0), st.integers(0, 36_500).map(float)))
        t_x = draw(st.one_of(st.just(0.0), st.just(age), st.floats(0, age)))
        x = draw(st.one_of(st.just(0), st.integers(0, 10**6)))
        rows.append((x, t_x, age, draw(st.one_of(st.just(0.0), st.floats(0.01, 1e16), st.just(math.nan)))))
    return rows * draw(st.sampled_from([1, 60]))


def check_scores(scores, customers):
    assert all(array.shape == (customers,) and np.isfinite(array).all() for array in scores.values())
    assert all((array >= 0).all() for array in scores.values())
    for name in ("p_alive", "p_active_90"):
        assert (scores[name] <= 1).all()


def test_a_model_is_fitted_on_cdnow(cdnow):
    model = fit_purchase_model(
        Statistics.grouped(cdnow.x, cdnow.t_x, cdnow.age), bin_statistics(cdnow.x, cdnow.mean_value)
    )
    assert (model.model, model.value_model) == ("bg_nbd", "gamma_gamma")
    assert any("2357 buyers, 946 of them repeat" in note for note in model.notes)
    scores = model.score(cdnow.x, cdnow.t_x, cdnow.age, cdnow.mean_value)
    assert set(scores) == SCORES
    check_scores(scores, 2357)
    assert (scores["p_alive"][cdnow.x == 0] == 1).all()
    assert scores["expected_purchases_365"].sum() > scores["expected_purchases_90"].sum() > 0


@pytest.mark.parametrize("model", MODELS)
def test_clv_is_the_sum_of_its_months(model):
    x, t_x, age, mean_value = [0, 3, 3, 1], [0, 200, 200, 9], [10, 300, 300, 400], [math.nan, 25, 80, 0]
    scores = model.score(x, t_x, age, mean_value)
    months = [365 / 12 * k for k in range(13)]
    ahead = model.purchases.purchases_if_alive(x, age, months)
    by_hand = sum(
        scores["p_alive"] * (ahead[k] - ahead[k - 1]) * scores["expected_value"] / 1.1 ** ((k - 0.5) / 12)
        for k in range(1, 13)
    )
    assert scores["clv_12m"] == pytest.approx(by_hand)
    value = discounted_value(model.purchases, x, t_x, age, scores["expected_value"], annual_rate=0.1)
    assert value == pytest.approx(by_hand)
    undiscounted = discounted_value(model.purchases, x, t_x, age, 2.0, annual_rate=0.0)
    assert undiscounted == pytest.approx(scores["expected_purchases_365"] * 2)


def test_discount_factors():
    assert discount_factors(0.0, 2).tolist() == [1, 1]
    assert discount_factors(0.21, 12)[5] == pytest.approx(1.21 ** (-5.5 / 12))
    with pytest.raises(ValueError, match="above -1"):
        discount_factors(-1.0)


@settings(deadline=None)
@given(model=st.sampled_from(MODELS), rows=customer_lists())
def test_any_customers_get_finite_scores(model, rows):
    check_scores(model.score(*zip(*rows, strict=True)), len(rows))


@settings(deadline=None, max_examples=25)  # two fits each
@given(rows=customer_lists())
def test_any_customers_get_a_model_that_scores_them(rows):
    x, t_x, age, mean_value = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    model = fit_purchase_model(
        Statistics.grouped(x, t_x, age), bin_statistics(x, mean_value), min_repeat_customers=1
    )
    assert model.notes
    check_scores(model.score(x, t_x, age, mean_value), len(rows))
    assert PurchaseModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


def test_too_few_repeat_buyers_get_the_pooled_rate():
    # 40 customers observed for 100 days; 10 of them bought once more.
    statistics = Statistics([0, 1], [0, 30], [100, 100], [30, 10])
    values = ValueStatistics([1, 1], [20, 40], [5, 5])
    model = fit_purchase_model(statistics, values, window_days=60)
    assert (model.model, model.value_model) == ("pooled_rate", "pooled_mean")
    assert any("10 customers bought on a second day, but 50 are needed" in note for note in model.notes)
    scores = model.score([0, 1], [0, 30], [100, 100], [math.nan, 20])
    rate = (10 + 0.5) / (40 * 100 + 365)
    assert model.purchases.r / model.purchases.alpha == pytest.approx(rate)
    assert "p_active_60" in scores
    assert scores["p_alive"].tolist() == [1, 1]
    assert scores["expected_purchases_30"][0] < 30 * rate < scores["expected_purchases_30"][1]
    assert scores["expected_value"][0] == pytest.approx(30)
    assert 20 < scores["expected_value"][1] < 30


@pytest.mark.parametrize(
    ("statistics", "reason"),
    [
        (NOBODY, "0 customers"),
        (Statistics(0, 0, 400, 1000), "0 customers"),
        (Statistics(2, 30, 60, 500), "the same history"),
        (Statistics([1, 2], [0, 0], [0, 0], [90, 90]), "no day has passed"),
    ],
)
def test_the_notes_give_the_reason_for_degenerate_data(statistics, reason):
    model = fit_purchase_model(statistics, NO_VALUES, overall_mean_value=12.5)
    assert model.model == "pooled_rate"
    assert reason in model.notes[0]
    check_scores(model.score([0, 5], [0, 10], [0, 90], [math.nan, 7]), 2)
    assert model.score(0, 0, 0, math.nan)["expected_value"].tolist() == [12.5]


def test_of_the_value_models_the_more_likely_one_is_used():
    rng = np.random.default_rng(4)
    x = rng.geometric(0.4, 5000)
    gamma = rng.gamma(4.0 * x) / rng.gamma(3.0, 1 / 40.0, 5000) / x
    normal = np.exp(rng.normal(3, 0.8, 5000) + rng.normal(0, 0.5 / np.sqrt(x)))
    for mean_value, name, words in (
        (gamma, "gamma_gamma", "Gamma-Gamma"),
        (normal, "lognormal", "Lognormal"),
    ):
        model = fit_purchase_model(NOBODY, bin_statistics(x, mean_value))
        assert model.value_model == name
        assert any(note.startswith(f"{words}") and "highest likelihood" in note for note in model.notes)
        assert PurchaseModel.from_dict(json.loads(json.dumps(model.to_dict()))) == model


def test_values_without_a_mean_have_a_finite_expectation():
    rng = np.random.default_rng(4)
    x = rng.geometric(0.5, 5000)
    mean_value = rng.gamma(4.0 * x) / rng.gamma(0.6, 1 / 40.0, 5000) / x
    model = fit_purchase_model(NOBODY, bin_statistics(x, mean_value))
    # Gamma-Gamma has none, at q = 0.6.
    assert model.value_model == "lognormal"
    expected = model.values.expected_value(x, mean_value)
    assert np.average(expected, weights=x) == pytest.approx(np.average(mean_value, weights=x), rel=0.01)


def test_without_dropout_a_model_is_fitted():
    rng = np.random.default_rng(6)
    age = rng.integers(100, 400, 3000)
    x = rng.poisson(rng.gamma(2.0, 1 / 40.0, 3000) * age)
    t_x = np.where(x > 0, np.round(age * rng.beta(np.maximum(x, 1), 1)), 0)
    model = fit_purchase_model(Statistics.grouped(x, t_x, age), NO_VALUES)
    assert model.model == "bg_nbd"
    assert model.score(3, 50, 100, math.nan)["p_alive"] > 0.97


def test_pooled_rate_recovers_known_parameters():
    rng = np.random.default_rng(7)
    age = rng.integers(1, 700, 200_000)
    x = rng.poisson(rng.gamma(1.5, 1 / 90.0, 200_000) * age)
    fitted = pooled_rate(Statistics.grouped(x, np.where(x > 0, age, 0), age))
    assert fitted.r == pytest.approx(1.5, rel=0.05)
    assert fitted.alpha == pytest.approx(90, rel=0.05)


def test_pooled_mean_by_hand():
    # 10 customers with one purchase of 20, and 10 with three of 40 on average: (200 + 1200) / 40.
    fitted = pooled_mean(ValueStatistics([1, 3], [20, 40], [10, 10]))
    assert fitted.mean == pytest.approx(35)
    assert pooled_mean(NO_VALUES, math.nan) == PooledMean(0.0, 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_models_can_be_restored_from_json(model):
    plain = json.loads(json.dumps(model.to_dict(), allow_nan=False))
    back = PurchaseModel.from_dict(plain)
    assert back == model
    before, after = (m.score([0, 4], [0, 50], [9, 99], [math.nan, 12]) for m in (model, back))
    assert all((before[name] == after[name]).all() for name in before)


def test_anything_other_than_a_purchase_model_is_refused():
    plain = MODELS[0].to_dict()
    for broken in (
        {},
        {**plain, "model": "other"},
        {**plain, "purchases": {"r": 1}},
        {**plain, "values": {**plain["values"], "more": 1}},
    ):
        with pytest.raises(ValueError, match="not a purchase model"):
            PurchaseModel.from_dict(broken)


def test_a_customer_gets_the_same_scores_alone_and_among_many():
    rng = np.random.default_rng(9)
    age = rng.integers(0, 900, 20_000)
    x = np.minimum(rng.poisson(2, 20_000), age)
    t_x = np.where(x > 0, rng.integers(0, age + 1), 0)
    mean_value = rng.gamma(2, 20, 20_000)
    among_many = MODELS[0].score(x, t_x, age, mean_value)
    for i in range(5):
        alone = MODELS[0].score(x[i], t_x[i], age[i], mean_value[i])
        for name, array in among_many.items():
            assert alone[name] == pytest.approx(array[i], rel=1e-6)


def test_no_customers_get_no_scores():
    check_scores(MODELS[0].score([], [], [], []), 0)
