"""Purchase days that cost nothing: the expected share, by hand and for simulated customers with a known future."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cip_assets.analytics.forecasting import bg_nbd
from cip_assets.analytics.forecasting.bg_nbd import Statistics
from cip_assets.analytics.forecasting.gamma_gamma import bin_statistics
from cip_assets.analytics.forecasting.paid import PaidShare, PaidStatistics, expected_paid, fit_paid_shares
from cip_assets.analytics.forecasting.spend import SpendModel, fit_spend

if TYPE_CHECKING:
    from collections.abc import Callable

FREE = PaidShare(mean=0.0)
OFTEN = PaidShare(mean=0.75, strength=4.0)


def test_a_share_weighs_the_mean_of_the_group_against_the_days_of_the_buyer():
    # (4 * 0.75 + 1 paid day) / (4 + 6 days)
    assert expected_paid(OFTEN, FREE, True, 6, 1) == pytest.approx(0.4)
    assert expected_paid(OFTEN, FREE, [True, False], [0, 0], [0, 0]).tolist() == [0.75, 0.0]
    # If the first day counts, it is one more day: (4 * 0.75 + 0) / (4 + 0 + 1)
    assert expected_paid(FREE, PaidShare(0.75, 4.0, counts_first_day=True), False, 0, 0) == pytest.approx(0.6)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 10**6)), min_size=1, max_size=6),
    st.floats(0.1, 100),
    st.booleans(),
)
def test_if_every_day_was_paid_the_share_is_exactly_one(rows, strength, counts_first):
    days, count = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    shares = fit_paid_shares(PaidStatistics(np.ones(len(days)), days, days, count))
    for share in (*shares, PaidShare(1.0, strength, counts_first)):
        assert share.mean == 1.0
        assert (expected_paid(share, share, np.ones(len(days)), days, days) == 1.0).all()


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 50), st.integers(0, 50), st.integers(1, 30)),
        min_size=1,
        max_size=8,
    )
)
def test_any_days_give_a_share(rows):
    first, days, paid, count = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    paid = np.minimum(days, paid)
    found = expected_paid(*fit_paid_shares(PaidStatistics(first, days, paid, count)), first > 0, days, paid)
    assert ((found >= 0) & (found <= 1)).all()


def test_without_buyers_the_share_is_one():
    nobody = np.zeros(0)
    assert fit_paid_shares(PaidStatistics(nobody, nobody, nobody, nobody))[0].mean == 1.0


def test_more_paid_days_than_days_are_refused():
    with pytest.raises(ValueError, match="must not exceed"):
        PaidStatistics(1, 2, 3, 1)


def test_a_known_beta_is_recovered():
    rng = np.random.default_rng(3)
    days = rng.integers(1, 12, 50_000)
    paid = rng.binomial(days, rng.beta(3.0, 1.0, 50_000))
    share, _ = fit_paid_shares(PaidStatistics(np.ones(50_000), days, paid, np.ones(50_000)))
    assert share.mean == pytest.approx(0.75, abs=0.01)
    assert share.strength == pytest.approx(4.0, rel=0.05)


def test_a_group_with_few_repeat_buyers_uses_all_days_of_all_buyers():
    # 100 buyers paid on both days, and one bought once and paid nothing: 200 of 201 days are paid.
    _, others = fit_paid_shares(PaidStatistics([1, 0], [1, 0], [1, 0], [100, 1]))
    assert others.counts_first_day
    assert others.mean == pytest.approx(200 / 201, abs=0.01)
    assert expected_paid(FREE, others, False, 0, 0) < 0.6


# --- simulated ----------------------------------------------------------------------------------------------


@dataclass
class Shop:
    """Buyers who buy according to BG/NBD, and the value of each of their purchase days."""

    days: list[np.ndarray]
    values: list[np.ndarray]
    age: np.ndarray
    is_odd: np.ndarray

    @classmethod
    def open(cls, customers: int, seed: int) -> Shop:
        rng = np.random.default_rng(seed)
        rate, drop = rng.gamma(0.8, 1 / 30, customers), rng.beta(0.8, 5, customers)
        mean, age = 1 / rng.gamma(5, 1 / 20, customers), rng.integers(30, 500, customers)
        days, values = [], []
        for i in range(customers):
            mine, clock = [0], 0.0
            while rng.random() > (drop[i] if len(mine) > 1 else 0):
                clock += rng.exponential(1 / rate[i])
                if clock > age[i] + 90:
                    break
                mine.append(max(int(np.ceil(clock)), mine[-1] + 1))
            days.append(np.array(mine))
            values.append(1 + rng.gamma(6, 20 * mean[i], len(mine)))
        return cls(days, values, age.astype(float), np.arange(customers) % 2 == 1)

    def give_away(self, free: Callable[[int, int], bool]) -> None:
        """Make a purchase day cost nothing if `free` is true for the buyer and the number of the day."""
        for i, values in enumerate(self.values):
            values[[free(i, j) for j in range(len(values))]] = 0.0

    def seen(self) -> dict[str, np.ndarray]:
        """The data of the model."""
        past = [v[d <= age] for d, v, age in zip(self.days, self.values, self.age, strict=True)]
        last = [d[d <= age][-1] for d, age in zip(self.days, self.age, strict=True)]
        paid_x = np.array([(v[1:] > 0).sum() for v in past], float)
        spent = np.array([v[1:].sum() for v in past])
        return {
            "x": np.array([len(v) - 1 for v in past], float),
            "t_x": np.array(last, float),
            "age": self.age,
            "mean_value": np.where(paid_x > 0, spent / np.maximum(paid_x, 1), np.nan),
            "paid_x": paid_x,
            "is_first_paid": np.array([v[0] > 0 for v in past]),
        }

    def actual_value(self) -> float:
        """The mean value of a purchase day in the next 90 days."""
        later = [v[d > age] for d, v, age in zip(self.days, self.values, self.age, strict=True)]
        return float(sum(v.sum() for v in later) / sum(map(len, later)))

    def heavy_tailed(self, seed: int) -> None:
        """Make the spend lognormal, with a standard deviation of its log of 1.15, half of it among a buyer's days."""
        rng = np.random.default_rng(seed)
        for values in self.values:
            values[:] = np.exp(4 + rng.normal(0, 0.8) + rng.normal(0, 0.8, len(values)))


def fitted(seen: dict[str, np.ndarray]) -> SpendModel:
    x, paid_x, first = seen["x"], seen["paid_x"], seen["is_first_paid"].astype(float)
    statistics = bin_statistics(paid_x, np.nan_to_num(seen["mean_value"]))
    return fit_spend(statistics, first, x, paid_x, float(np.nansum(paid_x * seen["mean_value"])))


def expected(model: SpendModel, seen: dict[str, np.ndarray]) -> np.ndarray:
    return model.expected_value(seen["x"], seen["paid_x"], seen["mean_value"], seen["is_first_paid"])


def mean_of_a_day(model: SpendModel, seen: dict[str, np.ndarray]) -> float:
    """The expected value of the purchase days that BG/NBD expects in the next 90 days."""
    process = bg_nbd.fit(Statistics.grouped(seen["x"], seen["t_x"], seen["age"]))
    alive = process.probability_alive(seen["x"], seen["t_x"], seen["age"])
    days = alive * process.purchases_if_alive(seen["x"], seen["age"], [90])[0]
    return float((days * expected(model, seen)).sum() / days.sum())


GIVEN_AWAY: dict[str, Callable[[np.random.Generator], Callable[[int, int], bool]]] = {
    "half of the buyers never pay": lambda _: lambda i, _j: i % 2 == 1,
    "everybody's first day is a voucher": lambda _: lambda _i, j: j == 0,
    "every day is free with a probability of 0.1": lambda rng: lambda _i, _j: rng.random() < 0.1,
    "a quarter of the buyers never pay, and the others not on the first day": lambda _: (
        lambda i, j: i % 4 == 1 or j == 0
    ),
}


@pytest.mark.parametrize("case", GIVEN_AWAY)
def test_the_expected_value_of_a_purchase_day_is_the_actual_value_in_the_next_window(case):
    shop = Shop.open(6000, seed=8)
    shop.give_away(GIVEN_AWAY[case](np.random.default_rng(1)))
    seen = shop.seen()
    model = fitted(seen)
    assert mean_of_a_day(model, seen) == pytest.approx(shop.actual_value(), rel=0.05)
    value = expected(model, seen)
    assert (np.isfinite(value) & (value >= 0)).all()
    assert any(note.startswith("Some purchase days cost nothing") for note in model.notes)
    again = SpendModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert (expected(again, seen) == value).all()


@pytest.mark.parametrize("case", [None, *GIVEN_AWAY])
def test_so_is_it_under_heavy_tailed_spend(case):
    errors = []
    for seed in range(2):
        shop = Shop.open(6000, seed)
        shop.heavy_tailed(seed)
        if case:
            shop.give_away(GIVEN_AWAY[case](np.random.default_rng(1)))
        seen = shop.seen()
        model = fitted(seen)
        assert model.name == "lognormal"
        errors.append(mean_of_a_day(model, seen) / shop.actual_value() - 1)
    assert np.mean(errors) == pytest.approx(0, abs=0.06)


def test_a_buyer_who_never_paid_is_worth_much_less_than_the_others():
    shop = Shop.open(120, seed=8)
    shop.give_away(lambda i, _: i % 2 == 1)
    seen = shop.seen()
    value = expected(fitted(seen), seen)
    assert value[shop.is_odd].max() < 0.05 * value[~shop.is_odd].mean()


def test_if_every_day_was_paid_the_value_is_that_of_a_paid_day():
    seen = Shop.open(400, seed=8).seen()
    model = fitted(seen)
    assert seen["is_first_paid"].all()
    assert (expected(model, seen) == model.values.expected_value(seen["paid_x"], seen["mean_value"])).all()
