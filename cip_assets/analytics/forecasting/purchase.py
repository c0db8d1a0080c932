"""The purchase model of a snapshot: the models used, the reason, and the scores of customers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cip_assets.analytics.forecasting import bg_nbd as bgnbd
from cip_assets.analytics.forecasting import gamma_gamma, lognormal
from cip_assets.analytics.forecasting.bg_nbd import BgNbdFit, Statistics, customer_arrays
from cip_assets.analytics.forecasting.discounting import discounted_purchases
from cip_assets.analytics.forecasting.gamma_gamma import GammaGammaFit, ValueStatistics
from cip_assets.analytics.forecasting.lognormal import LognormalFit
from cip_assets.analytics.forecasting.maximum_likelihood import Floats, dot
from cip_assets.analytics.forecasting.paid import (
    EVERY_DAY,
    PaidShare,
    PaidStatistics,
    expected_paid,
    fit_paid_shares,
)
from cip_assets.analytics.forecasting.pooled import PooledMean, PooledRate, pooled_mean, pooled_rate

MIN_REPEAT_CUSTOMERS = 50
"""With fewer repeat buyers, the standard error of b exceeds b. On CDNOW, with 946 of them, it is 0.29 b."""

HORIZONS_DAYS = (30, 90, 365)

_PROCESSES: Mapping[str, type[BgNbdFit] | type[PooledRate]] = {"bg_nbd": BgNbdFit, "pooled_rate": PooledRate}
ValueModel = GammaGammaFit | LognormalFit | PooledMean
"""What a paid day is worth."""

_VALUES: Mapping[str, type[ValueModel]] = {
    "gamma_gamma": GammaGammaFit,
    "lognormal": LognormalFit,
    "pooled_mean": PooledMean,
}


@dataclass(frozen=True)
class PurchaseModel:
    """The models used for one snapshot. `to_dict` gives plain JSON values, so that it can be sent to any task.

    Attributes:
        purchases: when customers buy.
        values: what a paid day is worth; None if the amounts are unknown.
        after_paid: the share of paid days of buyers whose first purchase day was paid.
        after_unpaid: the share of paid days of the other buyers.
        annual_rate: the yearly discount rate, as a share.
        window_days: the length of the churn window.
        notes: sentences that say which models are used and why.

    """

    purchases: BgNbdFit | PooledRate
    values: ValueModel | None
    after_paid: PaidShare = EVERY_DAY
    after_unpaid: PaidShare = EVERY_DAY
    annual_rate: float = 0.1
    window_days: int = 90
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """'bg_nbd' or 'pooled_rate'."""
        return "bg_nbd" if isinstance(self.purchases, BgNbdFit) else "pooled_rate"

    @property
    def value_model(self) -> str | None:
        """'gamma_gamma', 'lognormal' or 'pooled_mean'; None if the amounts are unknown."""
        return next((name for name, kind in _VALUES.items() if isinstance(self.values, kind)), None)

    def score(
        self,
        x: ArrayLike,
        t_x: ArrayLike,
        age: ArrayLike,
        mean_value: ArrayLike,
        *,
        paid_x: ArrayLike | None = None,
        is_first_paid: ArrayLike = True,
    ) -> dict[str, Floats]:
        """The predictions for each customer. Every array has the shape (n,) and is finite.

        Args:
            x: purchase days - 1.
            t_x: days from the first to the last purchase day.
            age: days from the first purchase day to the snapshot day.
            mean_value: mean daily total of the paid days after the first purchase day; nan if there are none.
            paid_x: paid days after the first purchase day; all of them unless given.
            is_first_paid: whether the first purchase day was paid.

        Returns:
            expected_purchases_30, expected_purchases_90, expected_purchases_365: purchase days in the next days;
            p_alive; p_active_<window_days>: P(at least one purchase within the window); expected_value: of a
            purchase day, whether paid or not, in currency; clv_12m: discounted expected spend over the next 12
            months, in currency. The last two are nan if the amounts are unknown.

        Raises:
            ValueError: a statistic is missing, negative or infinite, or t_x exceeds age.

        """
        x, t_x, age = customer_arrays(x, t_x, age)
        alive = self.purchases.probability_alive(x, t_x, age)
        if self.values is None:
            value = np.full(x.shape, np.nan)
        else:
            paid_x = x if paid_x is None else np.asarray(paid_x, dtype=float)
            value = np.broadcast_to(self.values.expected_value(paid_x, mean_value), x.shape)
            value = value * expected_paid(self.after_paid, self.after_unpaid, is_first_paid, x, paid_x)

        # The rest depends only on x and age, and ages are whole days, so many customers share both.
        pair_x, pair_age, pair = _distinct_pairs(x, age)
        ahead = self.purchases.purchases_if_alive(pair_x, pair_age, HORIZONS_DAYS)
        active = self.purchases.probability_active_if_alive(pair_x, pair_age, self.window_days)
        discounted = discounted_purchases(self.purchases, pair_x, pair_age, self.annual_rate)
        return {
            **{
                f"expected_purchases_{h}": alive * ahead[index][pair] for index, h in enumerate(HORIZONS_DAYS)
            },
            "p_alive": alive,
            f"p_active_{self.window_days}": alive * active[pair],
            "expected_value": value,
            "clv_12m": alive * discounted[pair] * value,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values only: strings, numbers, lists, None."""
        plain = {
            "model": self.model,
            "value_model": self.value_model,
            "purchases": asdict(self.purchases),
            "values": self.values and asdict(self.values),
            "after_paid": asdict(self.after_paid),
            "after_unpaid": asdict(self.after_unpaid),
            "annual_rate": self.annual_rate,
            "window_days": self.window_days,
            "notes": list(self.notes),
        }
        # Passing through JSON turns tuples into lists, and fails on nan, which JSON does not have.
        result: dict[str, Any] = json.loads(json.dumps(plain, allow_nan=False))
        return result

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            ValueError: the name of a model is unknown, or a key is missing or unknown.

        """
        try:
            process = _PROCESSES[plain["model"]]
            kind = plain["value_model"]
            values = None if kind is None else _build(_VALUES[kind], plain["values"])
            return cls(
                purchases=_build(process, plain["purchases"]),
                values=values,
                after_paid=_build(PaidShare, plain["after_paid"]),
                after_unpaid=_build(PaidShare, plain["after_unpaid"]),
                annual_rate=float(plain["annual_rate"]),
                window_days=int(plain["window_days"]),
                notes=tuple(plain["notes"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a purchase model: {error}") from error


def _build(kind: type[Any], plain: Mapping[str, Any]) -> Any:
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
    missing = {field.name for field in fields(kind)} - values.keys()
    if missing:
        raise ValueError(f"not a purchase model: {kind.__name__} has no {', '.join(sorted(missing))}")
    return kind(**values)


def _distinct_pairs(x: Floats, age: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """The distinct (x, age), and for each customer the index of their pair."""
    x_values, x_index = np.unique(x, return_inverse=True)
    age_values, age_index = np.unique(age, return_inverse=True)
    ages = max(len(age_values), 1)
    codes, index = np.unique(x_index * ages + age_index, return_inverse=True)
    return x_values[codes // ages], age_values[codes % ages], index


def fit_purchase_model(
    statistics: Statistics,
    value_statistics: ValueStatistics | None,
    *,
    overall_mean_value: float = 0.0,
    paid_statistics: PaidStatistics | None = None,
    annual_rate: float = 0.1,
    window_days: int = 90,
    min_repeat_customers: int = MIN_REPEAT_CUSTOMERS,
) -> PurchaseModel:
    """Fit BG/NBD and a value model, or the pooled model if one cannot be fitted. Valid input never causes an error.

    Args:
        statistics: every buyer, x = 0 included.
        value_statistics: buyers with a paid day after the first purchase day, by the number of such days and their
            mean value, as from `gamma_gamma.bin_statistics`; None if the amounts are unknown.
        overall_mean_value: mean daily total of all paid days; used only if nobody paid on a second day.
        paid_statistics: every buyer; None if every purchase day was paid.
        annual_rate: the yearly discount rate, as a share.
        window_days: the length of the churn window.
        min_repeat_customers: the fewest repeat buyers to fit a model on.

    """
    notes: list[str] = []
    purchases = _fit_purchases(statistics, min_repeat_customers, notes)
    values = None
    if value_statistics is None:
        notes.append("No value is expected, because some amounts are unknown.")
    else:
        values = _fit_values(value_statistics, overall_mean_value, min_repeat_customers, notes)
    shares = (EVERY_DAY, EVERY_DAY)
    if paid_statistics is not None:
        shares = fit_paid_shares(paid_statistics)
        notes.append(_about_unpaid(*shares))
    return PurchaseModel(purchases, values, *shares, annual_rate, window_days, tuple(notes))


def _about_unpaid(after_paid: PaidShare, after_unpaid: PaidShare) -> str:
    def in_words(share: PaidShare) -> str:
        return (
            f"{share.mean:.3g} (of all purchase days, because too few of these buyers bought again)"
            if share.counts_first_day
            else f"{share.mean:.3g} of the days after the first"
        )

    return (
        "Some purchase days cost nothing. Expected share of paid days for buyers whose first day was paid: "
        f"{in_words(after_paid)}; for the other buyers: {in_words(after_unpaid)}."
    )


def _fit_purchases(statistics: Statistics, minimum: int, notes: list[str]) -> BgNbdFit | PooledRate:
    if statistics.repeat_customers < minimum:
        reason = f"{statistics.repeat_customers} customers bought on a second day, but {minimum} are needed"
    elif statistics.count.size == 1:
        reason = "all customers have the same history, so their differences cannot be estimated"
    elif statistics.age.max() < 1:
        reason = "no day has passed since the first purchases"
    else:
        fit = bgnbd.fit(statistics)
        if fit.converged:
            notes.append(
                f"BG/NBD was fitted on {fit.customers} buyers, {fit.repeat_customers} of them repeat buyers: "
                f"r {fit.r:.3g}, alpha {fit.alpha:.4g} days, a {fit.a:.3g}, b {fit.b:.3g}."
            )
            if fit.at_bound:
                notes.append(
                    f"The data does not determine {' and '.join(fit.at_bound)} of BG/NBD, which reached the limit of "
                    "the search. The forecasts are still valid."
                )
            return fit
        reason = f"the fit is not usable ({fit.message})"
    fallback = pooled_rate(statistics)
    notes.append(
        f"BG/NBD was not used: {reason}. A pooled rate of {365 * fallback.r / fallback.alpha:.3g} purchase days a year "
        "was used instead; it has no dropout, so p_alive is 1."
    )
    return fallback


def _fit_values(
    statistics: ValueStatistics, overall_mean: float, minimum: int, notes: list[str]
) -> ValueModel:
    """Gamma-Gamma or lognormal spend, each of three parameters: the one with the higher likelihood."""
    if statistics.customers < minimum:
        fallback = pooled_mean(statistics, overall_mean)
        notes.append(
            f"The pooled mean of {fallback.mean:.4g} was used, because {statistics.customers} repeat buyers have a "
            f"mean value above 0, but {minimum} are needed to fit a value model."
        )
        return fallback
    gamma, normal = gamma_gamma.fit(statistics), lognormal.fit(statistics)
    fits = [fit for fit in (gamma, normal) if fit.converged]
    if not fits:
        fallback = pooled_mean(statistics, overall_mean)
        notes.append(
            f"The pooled mean of {fallback.mean:.4g} was used, because neither Gamma-Gamma ({gamma.message}) nor "
            f"lognormal spend ({normal.message}) could be fitted."
        )
        return fallback
    best = max(fits, key=lambda fit: fit.log_likelihood or -np.inf)
    if isinstance(best, GammaGammaFit):
        name, values = "Gamma-Gamma", f"p {best.p:.3g}, q {best.q:.3g}, gamma {best.gamma:.4g}"
    else:
        name, values = "Lognormal spend", f"between {best.between:.3g}, within {best.within:.3g}"
    (mean,) = best.expected_value(0, np.nan)
    notes.append(
        f"{name} was fitted on {best.customers} repeat buyers: {values}; a paid day is worth {mean:.4g} on average. "
        "It has the highest likelihood of the value models."
    )
    notes.append(
        f"{name} assumes that how often customers buy and how much they spend are independent; their correlation is "
        f"{_correlation(statistics):.2f}."
    )
    return best


def _correlation(statistics: ValueStatistics) -> float:
    """The correlation of x and the mean value over customers; 0 if one of them does not vary."""
    share = statistics.count / statistics.count.sum()
    x = statistics.x - dot(share, statistics.x)
    value = statistics.mean_value / dot(share, statistics.mean_value) - 1
    spread = float(np.sqrt(dot(share, x**2) * dot(share, value**2)))
    return dot(share, x * value) / spread if spread > 0 else 0.0
