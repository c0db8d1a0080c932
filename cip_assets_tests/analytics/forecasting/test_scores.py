"""The figures of the backtest, by hand."""

import numpy as np
import pytest

from cip_assets.analytics.forecasting.scores import Judged, auc_error, auc_of, deciles, figures

P = np.array([0.2, 0.2, 0.2, 0.2, 0.8, 0.8])
CAME = np.array([1.0, 0, 0, 0, 2, 1])
JUDGED = Judged(
    P, np.array([0.5, 0.5, 0.5, 0.5, 1.0, 1.0]), np.array([5.0, 5, 5, 5, 10, 20]), P, CAME, 10 * CAME
)


def test_the_figures_of_six_forecasts_by_hand() -> None:
    found = figures(JUDGED)
    # (1 x 0.8^2 + 3 x 0.2^2 + 2 x 0.2^2) / 6 = 0.84 / 6
    assert found["brier"] == pytest.approx(0.14)
    # -(ln 0.2 + 3 ln 0.8 + 2 ln 0.8) / 6
    assert found["log_loss"] == pytest.approx((1.6094379 + 5 * 0.2231436) / 6)
    # 3 buyers x 3 non-buyers = 9 pairs: the two buyers at 0.8 win 6, and the one at 0.2 ties with 3.
    assert found["auc"] == pytest.approx((6 + 1.5) / 9)
    # 4 purchase days were expected and 4 came; 50 were expected to be spent, and 40 were.
    assert (found["orders_bias"], found["spend_bias"]) == (pytest.approx(0), pytest.approx(0.25))
    # (0.5^2 + 3 x 0.5^2 + 1^2 + 0^2) / 6 = 2 / 6
    assert found["rmse_orders"] == pytest.approx((2 / 6) ** 0.5)
    # 2 [(ln 2 - 0.5) + 3 x 0.5 + (2 ln 2 - 1) + 0] / 6 = 2 x 3 ln 2 / 6
    assert found["poisson_deviance"] == pytest.approx(np.log(2))
    # A tenth of six buyers is one: the last, who spent 10 of 40.
    assert found["top_decile_spend_share"] == pytest.approx(0.25)


def test_auc_needs_both_and_its_error_is_how_far_it_varies() -> None:
    assert auc_of(P, CAME >= 0) is None
    rng = np.random.default_rng(1)
    bought = np.arange(100) < 40
    # The formula is exact for exponential ranks: with means of 4 and 1, the area is 4 / 5.
    areas = [auc_of(rng.exponential(np.where(bought, 4.0, 1.0)), bought) for _ in range(2000)]
    assert np.mean(areas) == pytest.approx(0.8, abs=0.005)
    assert np.std(areas) == pytest.approx(auc_error(0.8, 40, 60), rel=0.05)


def test_unknown_spend_has_no_figure() -> None:
    unknown = Judged(P, P, np.full(6, np.nan), P, CAME, np.full(6, np.nan))
    found = figures(unknown)
    assert {
        found[name] for name in ("expected_spend", "came_spend", "spend_bias", "top_decile_spend_share")
    } == {None}


def test_deciles_keep_equal_probabilities_together() -> None:
    same = Judged(*[np.full(10, 0.5)] * 4, np.arange(10) % 2.0, np.zeros(10))
    assert list(deciles(same)) == [(6, 10, 0.5, 0.5)]
    apart = np.arange(100) / 100
    (first, *_, last) = deciles(Judged(*[apart] * 4, np.arange(100) % 2.0, apart))
    assert first == (1, 10, pytest.approx(0.045), 0.5)
    assert last[:2] == (10, 10)
