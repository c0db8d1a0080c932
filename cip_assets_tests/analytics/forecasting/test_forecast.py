"""The forecast of a snapshot: its parts agree with each other, and it can be stored."""

import json

import numpy as np
import pytest

from cip_assets.analytics.forecasting.candidates import BG_NBD, HURDLE, POOLED_RATE
from cip_assets.analytics.forecasting.discounting import Discounting
from cip_assets.analytics.forecasting.forecast import ForecastModel, forecast_model
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.level import CARRIED, PLAIN
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.rolling import Variant, backtest
from cip_assets_tests.analytics.forecasting.shops import TODAY, shop


@pytest.fixture(scope="module")
def past() -> Past:
    return Past(shop(1200, seed=2, visits=True), TODAY, 90)


@pytest.fixture(
    params=[Variant(POOLED_RATE, PLAIN), Variant(BG_NBD, PLAIN), Variant(HURDLE, CARRIED)], scope="module"
)
def model(request: pytest.FixtureRequest, past: Past) -> ForecastModel:
    found = forecast_model(past, backtest(past, (request.param,)), Discounting(0.1, 36))
    assert found is not None
    return found


def test_every_figure_of_a_row_agrees_with_the_others(model: ForecastModel, past: Past) -> None:
    found = model.score(past.known(0))
    assert all(np.isfinite(values).all() and (values >= 0).all() for values in found.values())
    assert (found["p_active"] <= found["expected_orders"]).all()
    assert found["expected_purchases_90"] == pytest.approx(found["expected_orders"], rel=1e-4)
    assert (found["expected_purchases_30"] <= found["expected_purchases_90"]).all()
    assert (found["expected_purchases_90"] <= found["expected_purchases_365"]).all()
    assert found["expected_spend"] == pytest.approx(found["expected_orders"] * found["expected_value"])
    assert (found["clv_12m"] <= found["expected_purchases_365"] * found["expected_value"] * (1 + 1e-9)).all()
    assert (found["clv_12m"] <= found["clv_horizon"]).all()
    for name, value in (("p_active", "p_active"), ("orders", "expected_orders"), ("spend", "expected_spend")):
        assert (found[f"{name}_low"] <= found[value]).all()
        assert (found[f"{name}_high"] >= found[value]).all()


def test_a_model_can_be_restored_from_json(model: ForecastModel, past: Past) -> None:
    again = ForecastModel.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    before, after = model.score(past.known(0)), again.score(past.known(0))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_buyer_gets_the_same_forecast_alone_and_among_many(model: ForecastModel, past: Past) -> None:
    known = past.known(0)
    among = model.score(known)
    for place in range(0, 1000, 250):
        one = Known(**{name: getattr(known, name)[place : place + 1] for name in Known.__dataclass_fields__})
        for name, values in model.score(one).items():
            assert values[0] == pytest.approx(among[name][place], rel=1e-5, abs=1e-9)


def test_discounted_months_add_up_by_hand() -> None:
    discounting = Discounting(0.1, 14)
    assert discounting.ends() == [*range(1, 13), 14]
    # One purchase a month: each is discounted from the middle of its month, and the last two from the end of the 13th.
    cumulative = np.array([[end] for end in discounting.ends()], float)
    year = sum(1.1 ** -((month + 0.5) / 12) for month in range(12))
    assert discounting.within(cumulative, 12)[0] == pytest.approx(year)
    assert discounting.within(cumulative, 14)[0] == pytest.approx(year + 2 * 1.1 ** (-13 / 12))
    assert Discounting(0.0, 6).within(cumulative[:12], 6)[0] == pytest.approx(6)


def test_if_an_amount_is_unknown_only_money_is(past: Past) -> None:
    history = past.history
    hidden = type(history.purchases)(
        history.purchases.buyer, history.purchases.day, np.full(len(history.purchases.day), np.nan)
    )
    blind = Past(
        type(history)(history.buyers, hidden, history.sessions, history.tickets, history.returns),
        TODAY,
        90,
        is_money_known=False,
    )
    for variant in (Variant(BG_NBD, PLAIN), Variant(HURDLE, PLAIN)):
        found = forecast_model(blind, backtest(blind, (variant,)), Discounting(0.1, 36))
        assert found is not None
        scores = found.score(blind.known(0))
        unknown = {name for name, values in scores.items() if np.isnan(values).all()}
        assert unknown == {
            *("expected_value", "expected_spend", "spend_low", "spend_high"),
            *("clv_12m", "clv_12m_low", "clv_12m_high", "clv_horizon"),
        }
        assert all(np.isfinite(values).all() for name, values in scores.items() if name not in unknown)


def test_on_the_first_days_there_is_a_forecast_without_intervals() -> None:
    young = shop(30, seed=1)
    first = young.purchases.between(-1, 40)
    past = Past(type(young)(30, first, young.sessions, young.tickets, young.returns), 40, 90)
    found = forecast_model(past, backtest(past), Discounting(0.1, 36))
    assert found is not None
    assert found.bands is None
    scores = found.score(past.known(0))
    assert np.isfinite(scores["expected_orders"]).all()
    assert np.isnan(scores["orders_high"]).all()
