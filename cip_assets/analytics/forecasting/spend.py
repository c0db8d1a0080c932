"""What a purchase day of a customer is worth: the value of a paid day times the expected share of paid days."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting import gamma_gamma, lognormal
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
from cip_assets.analytics.forecasting.plain import of_plain, to_plain
from cip_assets.analytics.forecasting.pooled import PooledMean, pooled_mean

MIN_REPEAT_CUSTOMERS = 50
"""With fewer repeat buyers, the standard error of a parameter exceeds the parameter."""

ValueModel = GammaGammaFit | LognormalFit | PooledMean
"""What a paid day is worth."""

VALUE_MODELS: Mapping[str, type[ValueModel]] = {
    "gamma_gamma": GammaGammaFit,
    "lognormal": LognormalFit,
    "pooled_mean": PooledMean,
}


@dataclass(frozen=True)
class SpendModel:
    """The value of a purchase day.

    Attributes:
        values: what a paid day is worth.
        after_paid: the share of paid days of buyers whose first purchase day was paid.
        after_unpaid: the share of paid days of the other buyers.
        notes: sentences that say which model is used and why.
        fitted: the value models that were fitted, whether used or not.

    """

    values: ValueModel
    after_paid: PaidShare = EVERY_DAY
    after_unpaid: PaidShare = EVERY_DAY
    notes: tuple[str, ...] = ()
    fitted: tuple[ValueModel, ...] = ()

    @property
    def name(self) -> str:
        return name_of(self.values)

    def expected_value(
        self, x: ArrayLike, paid_x: ArrayLike, mean_value: ArrayLike, is_first_paid: ArrayLike
    ) -> Floats:
        """The expected value of a purchase day, whether paid or not, in currency, shape (n,).

        Args:
            x: purchase days - 1.
            paid_x: paid days after the first purchase day.
            mean_value: the mean of these days; nan if there are none.
            is_first_paid: whether the first purchase day was paid.

        """
        value = np.broadcast_to(self.values.expected_value(paid_x, mean_value), np.shape(x))
        return np.asarray(value * expected_paid(self.after_paid, self.after_unpaid, is_first_paid, x, paid_x))

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, of what is used."""
        return {
            "name": self.name,
            "values": to_plain(self.values),
            "after_paid": to_plain(self.after_paid),
            "after_unpaid": to_plain(self.after_unpaid),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            ValueError: a field is missing or unknown.

        """
        return cls(
            of_plain(VALUE_MODELS[plain["name"]], plain["values"]),
            of_plain(PaidShare, plain["after_paid"]),
            of_plain(PaidShare, plain["after_unpaid"]),
            tuple(plain["notes"]),
        )


def name_of(values: ValueModel) -> str:
    return next(name for name, kind in VALUE_MODELS.items() if isinstance(values, kind))


def fit_spend(
    statistics: ValueStatistics, is_first_paid: Floats, x: Floats, paid_x: Floats, total: float
) -> SpendModel:
    """The value model and the paid shares. Any buyers are accepted, including none at all.

    Args:
        statistics: buyers with a paid day after the first, as from `gamma_gamma.bin_statistics`.
        is_first_paid: 1 if the first purchase day was paid, for every buyer, shape (n,).
        x: purchase days - 1, shape (n,).
        paid_x: paid days after the first purchase day, shape (n,).
        total: the spend of all buyers, from which the mean is taken if nobody paid on a second day.

    """
    notes: list[str] = []
    paid_days = float(paid_x.sum() + is_first_paid.sum())
    values, fitted = _fit_values(statistics, total / paid_days if paid_days else 0.0, notes)
    shares = (EVERY_DAY, EVERY_DAY)
    if paid_days < len(x) + x.sum():
        every = np.ones_like(x)
        shares = fit_paid_shares(PaidStatistics(is_first_paid, x, paid_x, every))
        notes.append(_about_unpaid(*shares))
    return SpendModel(values, *shares, tuple(notes), fitted)


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


def _fit_values(
    statistics: ValueStatistics, overall_mean: float, notes: list[str]
) -> tuple[ValueModel, tuple[ValueModel, ...]]:
    """Gamma-Gamma or lognormal spend, each of three parameters: the one with the higher likelihood, and all fits."""
    if statistics.customers < MIN_REPEAT_CUSTOMERS:
        fallback = pooled_mean(statistics, overall_mean)
        notes.append(
            f"The pooled mean of {fallback.mean:.4g} was used, because {statistics.customers} repeat buyers have a "
            f"mean value above 0, but {MIN_REPEAT_CUSTOMERS} are needed to fit a value model."
        )
        return fallback, (fallback,)
    gamma, normal = gamma_gamma.fit(statistics), lognormal.fit(statistics)
    fits = [fit for fit in (gamma, normal) if fit.converged]
    if not fits:
        fallback = pooled_mean(statistics, overall_mean)
        notes.append(
            f"The pooled mean of {fallback.mean:.4g} was used, because neither Gamma-Gamma ({gamma.message}) nor "
            f"lognormal spend ({normal.message}) could be fitted."
        )
        return fallback, (fallback,)
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
    return best, (gamma, normal)


def _correlation(statistics: ValueStatistics) -> float:
    """The correlation of x and the mean value over customers; 0 if one of them does not vary."""
    share = statistics.count / statistics.count.sum()
    x = statistics.x - dot(share, statistics.x)
    value = statistics.mean_value / dot(share, statistics.mean_value) - 1
    spread = float(np.sqrt(dot(share, x**2) * dot(share, value**2)))
    return dot(share, x * value) / spread if spread > 0 else 0.0
