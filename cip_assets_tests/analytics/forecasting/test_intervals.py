"""Intervals hold what comes as often as they say, on draws that they were not made from."""

import json

import numpy as np
import pytest

from cip_assets.analytics.forecasting.intervals import (
    COVERAGE,
    Interval,
    RateBand,
    coverage,
    interval_of,
    rate_band,
)


@pytest.mark.parametrize("is_count", [True, False])
def test_an_interval_holds_what_comes(*, is_count: bool) -> None:
    rng = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        forecast = rng.gamma(2, 20, 5000)
        return forecast, rng.gamma(1.5, forecast / 1.5) if not is_count else rng.poisson(forecast).astype(
            float
        )

    interval = interval_of(*draw(), is_count=is_count)
    forecast, came = draw()
    assert coverage(interval, forecast, came) == pytest.approx(COVERAGE, abs=0.05)
    low, high = interval(forecast)
    assert ((low >= 0) & (low <= forecast) & (forecast <= high)).all()
    assert Interval.from_dict(json.loads(json.dumps(interval.to_dict()))) == interval


def test_where_hardly_anybody_comes_the_interval_begins_at_none() -> None:
    rng = np.random.default_rng(2)
    forecast = np.full(2000, 0.15)
    interval = interval_of(forecast, rng.poisson(0.15, 2000).astype(float), is_count=True)
    low, high = interval(np.array([0.15]))
    assert low[0] == pytest.approx(0, abs=1e-9)
    assert high[0] == pytest.approx(0.15)


def test_a_longer_time_draws_the_ends_in() -> None:
    rng = np.random.default_rng(3)
    forecast = rng.gamma(2, 20, 1000)
    interval = interval_of(forecast, rng.gamma(1.5, forecast / 1.5), is_count=False)
    (low, high), (nearer_low, nearer_high) = interval(forecast), interval.closer(0.5)(forecast)
    assert nearer_low == pytest.approx((low + forecast) / 2)
    assert nearer_high == pytest.approx((high + forecast) / 2)


@pytest.mark.parametrize("off", [0.0, 0.3])
def test_the_band_of_a_rate_is_as_wide_as_the_windows_differ(off: float) -> None:
    rng = np.random.default_rng(4)

    def window(shift: float) -> tuple[np.ndarray, np.ndarray]:
        p = rng.uniform(0.2, 0.8, 20_000)
        odds = p / (1 - p) * np.exp(shift)
        return p, rng.random(20_000) < odds / (1 + odds)

    band = rate_band([window(shift) for shift in (off, -off, off, -off)])
    low, high = band(np.array([0.5]))
    # Student's t of 4 degrees of freedom at 90% is 1.533.
    assert np.log(high / (1 - high))[0] == pytest.approx(1.533 * off, abs=0.1)
    assert low[0] == pytest.approx(1 - high[0])
    assert RateBand.from_dict(json.loads(json.dumps(band.to_dict()))) == band
