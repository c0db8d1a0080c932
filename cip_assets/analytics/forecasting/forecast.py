"""The forecast of a snapshot: the model that was chosen, as plain values, and what it says about each buyer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cip_assets.analytics.forecasting.candidates import BY_NAME
from cip_assets.analytics.forecasting.candidates.candidate import Learned, Outlook
from cip_assets.analytics.forecasting.discounting import DAYS_PER_MONTH, MONTHS_OF_YEAR, Discounting
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.intervals import Interval, RateBand, interval_of, rate_band
from cip_assets.analytics.forecasting.level import at_level, spend_level
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.past import YEAR, Past, of_values
from cip_assets.analytics.forecasting.reasons import Typical, contributions
from cip_assets.analytics.forecasting.rolling import Backtest, Variant
from cip_assets.analytics.forecasting.scores import Judged
from cip_assets.analytics.forecasting.spend import SpendModel

HORIZONS_DAYS = (30, 90, 365)


@dataclass(frozen=True)
class Bands:
    """The intervals of the forecasts; None where no window is over.

    Attributes:
        rate: of the probability.
        orders: of the purchase days within the window.
        spend: of the spend within the window.
        value: of the spend within 12 months.
        is_value_scaled: whether that of the window stands for it, because no forecast is a year old.

    """

    rate: RateBand
    orders: Interval
    spend: Interval | None
    value: Interval | None
    is_value_scaled: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "rate": self.rate.to_dict(),
            "orders": self.orders.to_dict(),
            "spend": self.spend and self.spend.to_dict(),
            "value": self.value and self.value.to_dict(),
            "is_value_scaled": self.is_value_scaled,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        spend, value = (
            None if plain[name] is None else Interval.from_dict(plain[name]) for name in ("spend", "value")
        )
        return cls(
            RateBand.from_dict(plain["rate"]),
            Interval.from_dict(plain["orders"]),
            spend,
            value,
            plain["is_value_scaled"],
        )


@dataclass(frozen=True)
class ForecastModel:
    """The model of a snapshot.

    Attributes:
        candidate: its name in the registry.
        learned: what it learned.
        level: by how much more buyers come than it says.
        spend: what a purchase day is worth; None if an amount is unknown.
        spend_level: by how much more it is worth than that.
        window_days: the churn window.
        discounting: how future spend counts today.
        typical: the buyer that reasons are measured against.
        bands: the intervals; None if no window is over.

    """

    candidate: str
    learned: Learned
    level: float
    spend: SpendModel | None
    spend_level: float
    window_days: int
    discounting: Discounting
    typical: Typical
    bands: Bands | None

    def score(self, known: Known) -> dict[str, Floats]:
        """The forecast of each buyer. Every array has the shape (n,), and is nan where something is unknown.

        Returns:
            p_alive; p_active within the window, with p_active_low and p_active_high; expected_orders within the window,
            with orders_low and orders_high; expected_purchases_30, _90 and _365; expected_value of a purchase day;
            expected_spend within the window, with spend_low and spend_high; clv_12m, with clv_12m_low and clv_12m_high;
            clv_horizon.

        """
        ends = self.discounting.ends()
        horizons = [*HORIZONS_DAYS, *(DAYS_PER_MONTH * end for end in ends)]
        outlook = self.learned.outlook(known, self.window_days, horizons)
        p, days, ahead = leveled(outlook, self.level)
        unknown = np.full(len(known), np.nan)
        value = unknown if self.spend is None else of_values(self.spend, known) * self.spend_level
        spend, ahead_of_value = days * value, ahead[len(HORIZONS_DAYS) :]
        clv = self.discounting.within(ahead_of_value, MONTHS_OF_YEAR) * value
        found = {
            "p_alive": outlook.p_alive,
            "p_active": p,
            "expected_orders": days,
            **{f"expected_purchases_{h}": ahead[index] for index, h in enumerate(HORIZONS_DAYS)},
            "expected_value": value,
            "expected_spend": spend,
            "clv_12m": clv,
            "clv_horizon": self.discounting.within(ahead_of_value, self.discounting.horizon_months) * value,
        }
        bands = self.bands
        of: dict[str, tuple[Floats, Interval | RateBand | None]] = {
            "p_active": (p, bands.rate if bands else None),
            "orders": (days, bands.orders if bands else None),
            "spend": (spend, bands.spend if bands else None),
            "clv_12m": (clv, bands.value if bands else None),
        }
        for name, (values, band) in of.items():
            low, high = (unknown, unknown) if band is None or np.isnan(values).any() else band(values)
            found |= {f"{name}_low": low, f"{name}_high": high}
        return found

    def reasons(self, known: Known) -> Mapping[str, Floats]:
        """What each group of facts adds to the log odds of churn of each buyer, each of the shape (n,)."""
        return contributions(self.learned, known, self.typical, self.window_days)

    def to_dict(self) -> dict[str, Any]:
        """Plain values only."""
        return {
            "candidate": self.candidate,
            "learned": self.learned.to_dict(),
            "level": self.level,
            "spend": self.spend and self.spend.to_dict(),
            "spend_level": self.spend_level,
            "window_days": self.window_days,
            "annual_rate": self.discounting.annual_rate,
            "horizon_months": self.discounting.horizon_months,
            "typical": [self.typical.recency, self.typical.purchases, self.typical.tenure],
            "bands": self.bands and self.bands.to_dict(),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            candidate=plain["candidate"],
            learned=BY_NAME[plain["candidate"]].from_dict(plain["learned"]),
            level=plain["level"],
            spend=None if plain["spend"] is None else SpendModel.from_dict(plain["spend"]),
            spend_level=plain["spend_level"],
            window_days=plain["window_days"],
            discounting=Discounting(plain["annual_rate"], plain["horizon_months"]),
            typical=Typical(*plain["typical"]),
            bands=None if plain["bands"] is None else Bands.from_dict(plain["bands"]),
        )


def leveled(outlook: Outlook, level: float) -> tuple[Floats, Floats, Floats]:
    """P and the expected days within the window at a level, and those of the horizons in proportion to the latter."""
    p, days = at_level(outlook.p_active, outlook.days, level)
    return p, days, outlook.ahead * (days / np.maximum(outlook.days, 1e-12))


def forecast_model(past: Past, found: Backtest, discounting: Discounting) -> ForecastModel | None:
    """The chosen variant as learned on the snapshot day, with intervals from the origins; None if nothing was
    chosen.
    """
    if found.chosen is None:
        return None
    forecast = found.chosen.forecast(past, 0)
    if forecast is None:
        raise ValueError(f"{found.chosen.name} was chosen, but nothing was learned on the snapshot day")
    learned, level = forecast
    return ForecastModel(
        found.chosen.candidate.name,
        learned,
        level,
        past.spend(0),
        spend_level(past, 0),
        past.window_days,
        discounting,
        Typical.of(past.known(0)),
        bands_of(past, found.chosen, list(found.of_chosen.values())),
    )


def bands_of(past: Past, chosen: Variant, judged: Sequence[Judged]) -> Bands | None:
    """The intervals from some windows that are over; None without any."""
    if not judged:
        return None
    days, came, spend, came_spend = (
        np.concatenate([getattr(window, name) for window in judged])
        for name in ("days", "came_days", "spend", "came_spend")
    )
    of_spend = interval_of(spend, came_spend, is_count=False) if past.is_money_known else None
    of_year = _of_year(past, chosen) if past.is_money_known else None
    scaled = None if of_spend is None else of_spend.closer(float(np.sqrt(past.window_days / YEAR)))
    return Bands(
        rate_band([(window.p, window.bought) for window in judged]),
        interval_of(days, came, is_count=True),
        of_spend,
        of_year or scaled,
        is_value_scaled=of_year is None and scaled is not None,
    )


def _of_year(past: Past, chosen: Variant) -> Interval | None:
    """The interval of the spend within 12 months, from the newest origin that is a year old; None if there is none."""
    origin = past.season
    forecast = chosen.forecast(past, origin) if origin is not None and past.is_there(origin) else None
    if origin is None or forecast is None or (spend := past.spend(origin)) is None:
        return None
    learned, level = forecast
    known = past.known(origin)
    year = origin * past.window_days
    outlook = learned.outlook(known, past.window_days, [year])
    expected = leveled(outlook, level)[2][0] * of_values(spend, known) * spend_level(past, origin)
    # Spend counts more the sooner it comes, in what came as in what was expected, so the discount cancels out.
    return interval_of(expected, past.came(origin, windows=origin).spend, is_count=False)
