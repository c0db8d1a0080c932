"""Kept results: found by what they were computed from, and only then."""

from dataclasses import replace

import numpy as np
import pytest

from cip_assets.analytics.forecasting import maximum_likelihood
from cip_assets.analytics.forecasting.history import History
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.rolling import backtest
from cip_assets.analytics.kept import Kept
from cip_assets_tests.analytics.forecasting.shops import TODAY, shop

ONE, OTHERS = (
    [1.0, "a", None, np.array([1.0, 2.0])],
    [
        [1.5, "a", None, np.array([1.0, 2.0])],
        ["1.0", "a", None, np.array([1.0, 2.0])],
        [1.0, "b", None, np.array([1.0, 2.0])],
        [1.0, "a", 0, np.array([1.0, 2.0])],
        [1.0, "a", None, np.array([1.0, 3.0])],
        [1.0, "a", None, np.array([1, 2])],
        [1.0, "a", None, np.array([[1.0, 2.0]])],
        [1.0, "a", None, np.array([1.0]), np.array([2.0])],
        [1.0, "a", None, [np.array([1.0, 2.0])]],
    ],
)


def test_what_is_computed_from_the_same_is_made_once() -> None:
    first = Kept()
    assert first.made("half", ONE, lambda: (0.5, None)) == [0.5, None]
    assert first.made("half", ONE, lambda: pytest.fail("made again")) == [0.5, None]
    later = Kept(first.used)
    assert later.made("half", ONE, lambda: pytest.fail("made again")) == [0.5, None]


@pytest.mark.parametrize("other", OTHERS, ids=repr)
def test_what_is_computed_from_something_else_is_made(other: object) -> None:
    kept = Kept()
    kept.made("half", ONE, lambda: 1)
    assert Kept(kept.used).made("half", other, lambda: 2) == 2
    assert Kept(kept.used).made("third", ONE, lambda: 3) == 3


def test_what_a_run_does_not_use_is_not_kept_on() -> None:
    assert Kept({"half of something": 1}).used == {}


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not a value to compute from"):
        Kept().made("half", object(), lambda: 1)


def test_a_purchase_of_today_leaves_the_fits_of_older_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the backtest with kept fits is the one without, to the last digit."""
    before = shop(1200, seed=2)
    first = Kept()
    backtest(Past(before, TODAY, 90, fits=first))
    found = []
    maximize = maximum_likelihood.maximize
    for kept in (Kept(), Kept(first.used)):
        fits = []

        def counted(*given: object, fits: list[object] = fits) -> object:
            fits.append(given)
            return maximize(*given)  # type: ignore[arg-type]

        for module in ("bg_nbd", "pareto_nbd"):
            monkeypatch.setattr(f"cip_assets.analytics.forecasting.{module}.maximize", counted)
        past = Past(with_a_purchase_today(before), TODAY, 90, fits=kept)
        judged = backtest(past)
        found.append((judged.chosen, judged.notes, kept.used, len(fits)))
    (*anew, every), (*of_kept, left) = found
    assert anew == of_kept
    assert 0 < left <= every / 2


def with_a_purchase_today(history: History) -> History:
    bought = history.purchases
    place = int(np.searchsorted(bought.buyer, 0, side="right"))
    return replace(
        history,
        purchases=type(bought)(
            np.insert(bought.buyer, place, 0),
            np.insert(bought.day, place, TODAY),
            np.insert(bought.value, place, 12.5),
        ),
    )
