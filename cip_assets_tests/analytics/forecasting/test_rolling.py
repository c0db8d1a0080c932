"""The candidates, their levels, the rolling backtest and the choice, on shops in which the truth is known."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from cip_assets.analytics.forecasting.candidates import (
    BG_NBD,
    BY_NAME,
    CANDIDATES,
    HURDLE,
    MBG_NBD,
    PARETO_NBD,
    POOLED_RATE,
)
from cip_assets.analytics.forecasting.candidates.candidate import Candidate, logit
from cip_assets.analytics.forecasting.candidates.process import FURTHEST, ProcessCandidate
from cip_assets.analytics.forecasting.history import History
from cip_assets.analytics.forecasting.judgment import judge
from cip_assets.analytics.forecasting.level import CARRIED, PLAIN, SEASONAL, at_level, level_that
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.rolling import Backtest, Variant, backtest, compared
from cip_assets.analytics.forecasting.scores import Judged
from cip_assets_tests.analytics.forecasting.shops import TODAY, declining, shop

WINDOW = 90
FEW = tuple(
    Variant(candidate, level)
    for candidate in (POOLED_RATE, BG_NBD, HURDLE)
    for level in (PLAIN, CARRIED, SEASONAL)
)


@pytest.fixture(scope="module")
def steady() -> Past:
    return Past(shop(1500, seed=2), TODAY, WINDOW)


@pytest.fixture(scope="module")
def judged(steady: Past) -> Backtest:
    return backtest(steady)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_forecast_agrees_with_itself_and_can_be_restored(candidate: Candidate, steady: Past) -> None:
    known = steady.known(0)
    learned = candidate.learn(steady, 0)
    assert learned is not None
    outlook = learned.outlook(known, WINDOW, [30, 90, 365])
    assert ((outlook.p_active > 0) & (outlook.p_active < 1)).all()
    assert (outlook.p_active <= outlook.days).all()
    assert (np.diff(outlook.ahead, axis=0) > 0).all()
    assert outlook.ahead[1] == pytest.approx(outlook.days, rel=1e-5)
    again = BY_NAME[candidate.name].from_dict(json.loads(json.dumps(learned.to_dict(), allow_nan=False)))
    assert again.outlook(known, WINDOW, [30, 90, 365]).ahead == pytest.approx(outlook.ahead, rel=1e-12)
    odds = learned.history(known, WINDOW) + sum(learned.others(known).values())
    assert odds == pytest.approx(logit(outlook.p_active), abs=1e-6)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_nothing_after_an_origin_is_learned_on_it(candidate: Candidate, steady: Past) -> None:
    until = steady.day(2)
    history = steady.history
    cut = replace(
        history,
        purchases=history.purchases.between(-1, until),
        sessions=history.sessions.between(-1, until),
    )
    then = Past(cut, TODAY, WINDOW)
    first, second = (candidate.learn(past, 2) for past in (steady, then))
    assert first is not None
    assert second is not None
    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize("candidate", [BG_NBD, MBG_NBD, PARETO_NBD], ids=lambda candidate: candidate.name)
def test_a_fit_that_begins_where_the_window_before_ended_is_the_best_one(
    candidate: ProcessCandidate, steady: Past
) -> None:
    for origin in (4, 1):
        learned = candidate.learn(steady, origin)
        assert learned is not None
        best = candidate.fit(steady.statistics(origin)).log_likelihood
        assert getattr(learned.process, "log_likelihood") == pytest.approx(best, abs=0.01)  # noqa: B009


@pytest.mark.parametrize("level", [0.1, 0.7, 1.0, 1.9])
def test_a_level_keeps_a_forecast_in_step_with_itself(level: float) -> None:
    rng = np.random.default_rng(3)
    p = rng.random(500)
    days = p * (1 + rng.exponential(1, 500))
    moved, expected = at_level(p, days, level)
    assert ((moved >= 0) & (moved <= 1) & (moved <= expected)).all()
    assert (np.sign(np.round(moved - p, 12)) == np.sign(round(level - 1, 12))).all()
    # 50 days that came as expected keep the level from going all the way.
    came = float(at_level(p, days, 0.5)[1].sum())
    assert 0.5 < level_that(p, days, came) < 0.6


def test_in_a_steady_shop_a_purchase_process_is_used_as_it_is(steady: Past, judged: Backtest) -> None:
    assert judged.is_judged
    assert not judged.is_withheld
    assert judged.chosen is not None
    assert judged.chosen.level == PLAIN
    assert judged.chosen.candidate in (BG_NBD, MBG_NBD, PARETO_NBD)
    figures = {row["model"]: row for row in judge(steady, judged, 0.5).overall}
    assert abs(figures["bg_nbd"]["orders_bias"]) < 0.1
    assert abs(figures["bg_nbd"]["spend_bias"]) < 0.1
    for baseline in ("base_rate", "recency", "carry_forward"):
        assert figures["bg_nbd"]["log_loss"] < figures[baseline]["log_loss"]
        assert figures["bg_nbd"]["auc"] > figures[baseline]["auc"]


def test_in_a_declining_shop_the_level_is_carried_and_the_total_is_near() -> None:
    past = Past(shop(1200, seed=4, pace=declining), TODAY, WINDOW)
    found = backtest(past, FEW)
    assert found.chosen is not None
    assert found.chosen.level != PLAIN or found.chosen.candidate is HURDLE
    figures = {row["model"]: row for row in judge(past, found, 0.5).overall}
    assert abs(figures[found.chosen.name]["orders_bias"]) < 0.25
    assert abs(figures[found.chosen.name]["orders_bias"]) < 0.6 * figures["bg_nbd"]["orders_bias"]


def test_visits_that_tell_who_left_are_used() -> None:
    history = shop(1200, seed=5, visits=True)
    found = backtest(Past(history, TODAY, WINDOW), FEW)
    # Each buyer visits until dropping out, which BG/NBD cannot see.
    assert found.chosen is not None
    assert found.chosen.candidate is HURDLE
    without = replace(history, sessions=history.sessions.between(-2, -1))
    assert backtest(Past(without, TODAY, WINDOW), FEW).chosen == Variant(BG_NBD, PLAIN)


def of_losses(better_by: Mapping[int, np.ndarray]) -> tuple[dict[int, Judged], dict[int, Judged]]:
    """Two forecasts of the same windows, the second of which is closer by so much for each buyer."""
    standing, other = {}, {}
    for origin, better in better_by.items():
        n = len(better)
        p = np.full(n, 0.3)
        rest = (np.full(n, 1.0), np.full(n, 9.0), p, np.ones(n), np.full(n, 9.0))
        standing[origin] = Judged(p, *rest)
        other[origin] = Judged(p * np.exp(better), *rest)
    return standing, other


NOISE = np.random.default_rng(6).normal(0, 0.3, 400)

COMPARED: Mapping[str, tuple[Mapping[int, np.ndarray], bool]] = {
    "better everywhere": ({1: 0.1 + NOISE / 10, 2: 0.1 + NOISE / 10}, True),
    "better, but not beyond chance": ({1: 0.01 + NOISE}, False),
    "much better in one window of three": (
        {1: np.full(400, 0.3), 2: np.full(400, -0.01), 3: np.full(400, -0.01)},
        False,
    ),
    "worse": ({1: np.full(400, -0.1)}, False),
    "better by next to nothing": ({1: np.full(400, 0.001)}, False),
}


@pytest.mark.parametrize(("better_by", "is_certain"), COMPARED.values(), ids=COMPARED)
def test_the_standing_choice_is_left_only_for_what_is_certainly_better(
    better_by: Mapping[int, np.ndarray], *, is_certain: bool
) -> None:
    history = replace(shop(5, seed=1), buyers=400)
    past = Past(history, TODAY, WINDOW)
    for origin in better_by:
        past.kept(("buyers", origin), lambda: np.arange(400))
    gain = compared(past, *of_losses(better_by))
    assert gain.is_certain is is_certain
    weights = np.array([0.5**origin for origin in better_by])
    means = np.array([better.mean() for better in better_by.values()])
    assert gain.mean == pytest.approx(float(np.sum(weights / weights.sum() * means)), abs=1e-9)


def test_buyers_who_come_at_random_have_no_forecast_beyond_the_base_rate() -> None:
    rng = np.random.default_rng(7)
    who, day = np.arange(400).repeat(2), rng.integers(300, TODAY, 800)
    day[::2] = 0
    bought = shop(1, seed=1).purchases
    purchases = type(bought)(who, day, np.full(800, 10.0))
    past = Past(History(400, purchases, *[shop(1, seed=1).tickets] * 3), TODAY, WINDOW)
    found = backtest(past, (Variant(POOLED_RATE, PLAIN),))
    assert (found.is_judged, found.is_withheld) == (True, True)
    assert "did not certainly beat the base rate" in " ".join(found.notes)


def test_with_few_forecasts_the_simplest_is_used_and_shown() -> None:
    past = Past(shop(40, seed=8), TODAY, WINDOW)
    found = backtest(past, FEW)
    assert (found.is_judged, found.is_withheld) == (False, False)
    assert "but 200 are needed to choose" in found.notes[0]


def test_without_a_buyer_there_is_nothing_to_choose() -> None:
    empty = shop(1, seed=1)
    past = Past(replace(empty, buyers=0, purchases=empty.tickets), TODAY, WINDOW)
    found = backtest(past, FEW)
    assert found.chosen is None
    assert judge(past, found, 0.5).error_band.startswith("No window is over")


def test_the_judgment_says_how_far_the_forecasts_were_off(steady: Past, judged: Backtest) -> None:
    found = judge(steady, judged, 0.5)
    assert found.origins == [1, 2, 3, 4]
    assert found.error_band.startswith("In the last 4 windows of 90 days, orders were ")
    assert found.figures["orders_coverage"] == pytest.approx(0.85, abs=0.1)
    assert found.figures["spend_coverage"] == pytest.approx(0.85, abs=0.1)
    mine = [row for row in found.by_window if row["model"] == found.chosen]
    segments = {row["segment"] for row in mine}
    assert segments == {"all", "bought once", "bought again"}
    parts = [row for row in mine if row["origin"] == 1]
    whole = next(row for row in parts if row["segment"] == "all")
    assert sum(row["customers"] for row in parts) == 2 * whole["customers"]
    assert sum(row["came_orders"] for row in parts) == pytest.approx(2 * whole["came_orders"])


def test_a_small_shop_may_be_further_off_than_a_large_one(steady: Past, judged: Backtest) -> None:
    small = Past(shop(300, seed=9), TODAY, WINDOW)
    few = judge(small, backtest(small, FEW), 0.5).figures["allowed_orders_bias"]
    many = judge(steady, judged, 0.5).figures["allowed_orders_bias"]
    assert few is not None
    assert many is not None
    assert 0.5 < many < few


def test_the_bias_of_a_shop_with_few_purchases_has_no_limit() -> None:
    tiny = Past(shop(60, seed=9), TODAY, WINDOW)
    found = judge(tiny, backtest(tiny, FEW), 0.5)
    came = next(row["came_orders"] for row in found.overall if row["model"] == found.chosen)
    assert came < 200
    assert found.figures["orders_bias"] is not None
    assert found.figures["allowed_orders_bias"] is None


def test_a_longer_history_needs_no_more_fits() -> None:
    past = Past(shop(300, seed=2), TODAY, 30)
    assert past.is_there(FURTHEST + 5)
    assert BG_NBD.learn(past, 0)
    assert max(origin for name, origin, *_ in past._kept if name == BG_NBD.name) == FURTHEST
