"""Reasons add up to what the model says, and the test of them finds one that points backwards."""

import numpy as np
import pytest

from cip_assets.analytics.forecasting import reasons
from cip_assets.analytics.forecasting.candidates import BG_NBD, HURDLE
from cip_assets.analytics.forecasting.candidates.candidate import Candidate
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.reasons import LEAST, WORDS, Typical, contributions, in_words
from cip_assets_tests.analytics.forecasting.shops import TODAY, shop


@pytest.fixture(scope="module")
def past() -> Past:
    return Past(shop(1500, seed=2, visits=True), TODAY, 90)


@pytest.mark.parametrize("candidate", [BG_NBD, HURDLE], ids=lambda candidate: candidate.name)
def test_all_groups_add_up_to_the_difference_from_a_typical_buyer(candidate: Candidate, past: Past) -> None:
    known, learned = past.known(1), candidate.learn(past, 1)
    assert learned is not None
    typical = Typical.of(known)
    parts = contributions(learned, known, typical, 90)
    p = learned.outlook(known, 90, []).p_active
    churn_odds = np.log((1 - p) / p)
    of_typical = Known(
        **{
            name: getattr(known, name)[:1]
            for name in Known.__dataclass_fields__
            if name not in {"x", "t_x", "age"}
        },
        x=np.array([typical.purchases]),
        t_x=np.array([max(typical.tenure - typical.recency, 0.0) if typical.purchases else 0.0]),
        age=np.array([typical.tenure]),
    )
    apart = sum(parts.values()) - (churn_odds + learned.history(of_typical, 90)[0])
    assert apart == pytest.approx(0, abs=1e-5)


def test_buyers_who_came_often_and_stay_away_have_a_reason(past: Past) -> None:
    learned = BG_NBD.learn(past, 1)
    assert learned is not None
    known = past.known(1)
    parts = contributions(learned, known, Typical.of(known), 90)
    often = known.x > 5
    assert (parts["recency"][often & (known.recency > 300)] > LEAST).all()
    assert (parts["recency"][often & (known.recency < 10)] < LEAST).all()


def test_reasons_are_in_words_the_largest_first() -> None:
    parts = {"recency": np.array([0.3, 0.1, -1.0]), "visits": np.array([0.5, 0.2, 0.1999])}
    assert in_words(parts) == [f"{WORDS['visits']}; {WORDS['recency']}", WORDS["visits"], ""]


def test_whoever_has_a_reason_churned_more_and_one_that_points_backwards_is_found(past: Past) -> None:
    learned = HURDLE.learn(past, 1)
    assert learned is not None
    known, churned = past.known(1), past.came(1).days == 0
    parts = contributions(learned, known, Typical.of(known), 90)
    right = {each.reason: each.z_score for each in reasons.tested(parts, churned)}
    assert min(right.values()) > -3
    assert right[WORDS["visits"]] > 0
    wrong = {
        each.reason: each.z_score for each in reasons.tested({**parts, "visits": -parts["visits"]}, churned)
    }
    assert wrong[WORDS["visits"]] < -3


def test_a_reason_without_any_effect_is_about_zero() -> None:
    rng = np.random.default_rng(3)
    noise, other = rng.normal(0, 1, 4000), rng.normal(0, 1, 4000)
    churned = rng.random(4000) < 1 / (1 + np.exp(-other))
    (of_noise, _) = reasons.tested({"visits": noise, "spend": other}, churned)
    assert abs(of_noise.z_score) < 3
    assert of_noise.buyers == int((np.round(noise, 6) >= LEAST).sum())
