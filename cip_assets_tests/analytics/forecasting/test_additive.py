"""Additive regressions: the curves are found, they add up, and nothing is needed to predict but the curves."""

import numpy as np
import pytest

from cip_assets.analytics.forecasting.additive import Additive, Curve, fit_additive


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_known_curves_are_recovered(family: str) -> None:
    rng = np.random.default_rng(1)
    inputs = {
        "up": rng.uniform(0, 2, 40_000),
        "bent": rng.uniform(-1, 1, 40_000),
        "noise": rng.random(40_000),
    }
    eta = -0.5 + inputs["up"] + np.abs(inputs["bent"])
    outcome = (
        rng.random(40_000) < 1 / (1 + np.exp(-eta)) if family == "binomial" else rng.poisson(np.exp(eta))
    )
    model = fit_additive(inputs, outcome.astype(float), family)  # type: ignore[arg-type]
    for name, true in (("up", inputs["up"]), ("bent", np.abs(inputs["bent"])), ("noise", 0 * eta)):
        found = model.curves[name](inputs[name])
        assert found.mean() == pytest.approx(0, abs=1e-8)
        assert np.sqrt(np.mean((found - (true - true.mean())) ** 2)) < 0.1
    total = sum(curve(inputs[name]) for name, curve in model.curves.items()) + model.intercept
    assert model(inputs) == pytest.approx(total)


def test_an_input_with_one_value_has_no_curve_and_rare_classes_stay_finite() -> None:
    outcome = np.array([1.0] * 3 + [0.0] * 997)
    model = fit_additive({"same": np.ones(1000), "tells": outcome}, outcome, "binomial")
    assert set(model.curves) == {"tells"}
    assert np.isfinite(model({"tells": outcome})).all()


def test_beyond_its_knots_a_curve_is_level() -> None:
    model = Additive(1.0, {"a": Curve((0.0, 1.0), (0.0, 2.0))})
    assert model({"a": np.array([-9.0, 0.5, 9.0])}).tolist() == [1.0, 2.0, 3.0]
