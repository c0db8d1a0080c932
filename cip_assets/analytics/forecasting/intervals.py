"""80% intervals of forecasts, from how far like forecasts were off on the origins.

Like forecasts are classes of the same size by the forecast. Between the middles of the classes, the widths are
interpolated. Intervals of orders, spend and value are conformal: the quantiles of what came, relative to the forecast.
If nothing came for many buyers of a class, the lower end is 0, and the upper end alone leaves out 20%. The interval
of a probability is another thing: the rate at which like buyers come, which differs from window to window.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cip_assets.analytics.forecasting.additive import Curve
from cip_assets.analytics.forecasting.candidates.candidate import logit
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.scores import Flags
from cip_assets.analytics.special import expit, stdtrit

COVERAGE = 0.8
CLASSES = 10
FEWEST_IN_CLASS = 50
SMALL = 1e-6


@dataclass(frozen=True)
class Interval:
    """For a forecast, the ends of its interval as multiples: of its square root, added to it (``is_count``), or of
    itself.
    """

    low: Curve
    high: Curve
    is_count: bool

    def __call__(self, forecast: Floats) -> tuple[Floats, Floats]:
        """The lower and the upper end, with the forecast between them, each of the shape (n,)."""
        low, high = self.low(forecast), self.high(forecast)
        if self.is_count:
            root = np.sqrt(forecast)
            low, high = forecast + low * root, forecast + high * root
        else:
            low, high = forecast * low, forecast * high
        return np.clip(low, 0.0, forecast), np.maximum(high, forecast)

    def to_dict(self) -> dict[str, Any]:
        return {
            "at": list(self.low.at),
            "low": list(self.low.worth),
            "high": list(self.high.worth),
            "is_count": self.is_count,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        at = tuple(plain["at"])
        return cls(
            Curve(at, tuple(plain["low"])), Curve(at, tuple(plain["high"])), is_count=plain["is_count"]
        )

    def closer(self, share: float) -> Self:
        """The interval of a longer time, whose ends are this share of the way from the forecast. Only of multiples."""
        low, high = (
            Curve(curve.at, tuple(1 + share * (worth - 1) for worth in curve.worth))
            for curve in (self.low, self.high)
        )
        return type(self)(low, high, is_count=False)


def _classes(forecast: Floats) -> list[NDArray[np.intp]]:
    """The places of the forecasts of each class, in the order of the forecast."""
    order = np.argsort(forecast, kind="stable")
    return np.array_split(order, max(1, min(CLASSES, len(order) // FEWEST_IN_CLASS)))


def interval_of(forecast: Floats, came: Floats, *, is_count: bool) -> Interval:
    """The interval from forecasts of windows that are over, and what came; at least one of each."""
    base = np.maximum(forecast, SMALL)
    score = (came - base) / np.sqrt(base) if is_count else came / base
    at, lows, highs = [], [], []
    for those in _classes(forecast):
        scores = score[those]
        low = float(np.quantile(scores, (1 - COVERAGE) / 2, method="higher"))
        below = float(np.mean(scores < low))
        high = float(np.quantile(scores, min(COVERAGE + below, 1.0), method="higher"))
        at.append(float(forecast[those].mean()))
        lows.append(low)
        highs.append(high)
    places = _rising(at)
    return Interval(Curve(places, tuple(lows)), Curve(places, tuple(highs)), is_count=is_count)


def _rising(at: Sequence[float]) -> tuple[float, ...]:
    """Places that rise, as interpolation needs; equal ones are moved apart by next to nothing."""
    found: list[float] = []
    for place in at:
        found.append(place if not found or place > found[-1] else float(np.nextafter(found[-1], np.inf)))
    return tuple(found)


@dataclass(frozen=True)
class RateBand:
    """The half-width, in log odds, of the band in which like buyers come."""

    width: Curve

    def __call__(self, p: Floats) -> tuple[Floats, Floats]:
        """The lower and the upper end, with the probability between them, each of the shape (n,)."""
        width, odds = self.width(p), logit(p)
        return np.minimum(expit(odds - width), p), np.maximum(expit(odds + width), p)

    def to_dict(self) -> dict[str, Any]:
        return {"at": list(self.width.at), "width": list(self.width.worth)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        return cls(Curve(tuple(plain["at"]), tuple(plain["width"])))


def rate_band(windows: Sequence[tuple[Floats, Flags]]) -> RateBand:
    """The band from the windows that are over.

    For each class, how far the rate of a window was off, in log odds, is taken to be normal around 0, so the half-width
    is the root mean square times Student's t for as many windows.

    Args:
        windows: for each, the probabilities, and whether the buyers came; at least one.

    """
    p = np.concatenate([window[0] for window in windows])
    came = np.concatenate([window[1] for window in windows]).astype(float)
    number = np.repeat(np.arange(len(windows)), [len(window[0]) for window in windows])
    t = stdtrit(len(windows), (1 + COVERAGE) / 2)
    at, widths = [], []
    for those in _classes(p):
        off = []
        for window in range(len(windows)):
            inside = those[number[those] == window]
            if len(inside):
                # Half a buyer more who came and who did not keeps the log odds finite.
                rate = (came[inside].sum() + 0.5) / (len(inside) + 1)
                off.append(float(logit(np.array([rate]))[0] - logit(p[inside].mean(keepdims=True))[0]))
        at.append(float(p[those].mean()))
        widths.append(t * float(np.sqrt(np.mean(np.square(off)))))
    return RateBand(Curve(_rising(at), tuple(widths)))


def coverage(interval: Interval, forecast: Floats, came: Floats) -> float:
    """The share of buyers whose interval held what came."""
    low, high = interval(forecast)
    return float(np.mean((came >= low - SMALL) & (came <= high + SMALL)))
