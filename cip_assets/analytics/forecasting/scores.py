"""How good forecasts were: figures of n buyers in one or several windows that are over.

Arrays have the shape (n,): ``p`` is the probability of at least one purchase day in the window, ``days`` and
``spend`` are expected, and ``came`` is what came.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cip_assets.analytics.forecasting.maximum_likelihood import Floats

Flags = NDArray[np.bool_]

LEAST = 1e-4
"""Probabilities and expected days count as at least this much, and probabilities as at most 1 less this much, in
logarithms."""

DECILES = 10
TWO_SIDED_95 = 1.96


@dataclass(frozen=True, eq=False)
class Judged:
    """Forecasts of one window, and what came.

    Attributes:
        p: P(at least one purchase day), shape (n,).
        days: expected purchase days, shape (n,).
        spend: expected spend, shape (n,); nan if an amount is unknown.
        rank: what buyers are ranked by, shape (n,): p, or something finer.
        came_days: purchase days that came, shape (n,).
        came_spend: spend that came, shape (n,).

    """

    p: Floats
    days: Floats
    spend: Floats
    rank: Floats
    came_days: Floats
    came_spend: Floats

    def of(self, chosen: Flags) -> "Judged":
        """The forecasts of some of the buyers."""
        return Judged(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @property
    def bought(self) -> Flags:
        return self.came_days > 0


def log_losses(p: Floats, bought: Flags) -> Floats:
    """The log loss of each probability."""
    p = np.clip(p, LEAST, 1 - LEAST)
    return np.asarray(-np.where(bought, np.log(p), np.log1p(-p)))


def poisson_deviances(days: Floats, came: Floats) -> Floats:
    """The Poisson deviance of each expectation: 2 (came log(came / expected) - (came - expected))."""
    expected = np.maximum(days, LEAST)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(came > 0, came * np.log(came / expected), 0.0)
    return np.asarray(2 * (part - (came - expected)))


def losses(judged: Judged) -> Floats:
    """What candidates are chosen by, in nats per buyer: the log loss of who comes, and half the Poisson deviance of how
    often, shape (n,).
    """
    deviance = poisson_deviances(judged.days, judged.came_days)
    return log_losses(judged.p, judged.bought) + deviance / 2


def auc_of(rank: Floats, bought: Flags) -> float | None:
    """The probability that a buyer who came is ranked above one who did not; a tie counts half."""
    came, others = float(np.sum(bought)), float(np.sum(~bought))
    if not came or not others:
        return None
    _, place, size = np.unique(rank, return_inverse=True, return_counts=True)
    middle = (np.cumsum(size) - (size - 1) / 2)[place]
    return float((np.sum(middle[bought]) - came * (came + 1) / 2) / (came * others))


def auc_error(auc: float, came: int, others: int) -> float:
    """The standard error of an AUC (Hanley, McNeil 1982, equation 3)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (came - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return sqrt(variance / (came * others))


def figures(judged: Judged) -> Mapping[str, float | None]:
    """The figures of the backtest, by name; empty where they are undefined."""
    p, bought = judged.p, judged.bought
    auc, came, people = auc_of(judged.rank, bought), int(bought.sum()), len(p)
    error = None if auc is None else auc_error(auc, came, people - came)
    expected, days = float(judged.days.sum()), float(judged.came_days.sum())
    expected_spend, spend = float(judged.spend.sum()), float(judged.came_spend.sum())
    return {
        "bought_share": came / people,
        "expected_share": float(p.mean()),
        "expected_orders": expected,
        "came_orders": days,
        "orders_bias": _bias(expected, days),
        "expected_spend": _known(expected_spend),
        "came_spend": _known(spend),
        "spend_bias": _bias(expected_spend, spend),
        "brier": float(np.mean((p - bought) ** 2)),
        "log_loss": float(np.mean(log_losses(p, bought))),
        "auc": auc,
        "auc_low": None if auc is None or error is None else max(auc - TWO_SIDED_95 * error, 0.0),
        "auc_high": None if auc is None or error is None else min(auc + TWO_SIDED_95 * error, 1.0),
        "calibration_error": sum(n * abs(expects - actual) for _, n, expects, actual in deciles(judged))
        / people,
        "rmse_orders": float(np.sqrt(np.mean((judged.days - judged.came_days) ** 2))),
        "poisson_deviance": float(np.mean(poisson_deviances(judged.days, judged.came_days))),
        "top_decile_spend_share": top_share(judged),
    }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _bias(expected: float, came: float) -> float | None:
    return expected / came - 1 if came > 0 and np.isfinite(expected) else None


def top_share(judged: Judged) -> float | None:
    """The share of the spend that came from the tenth of the buyers who were expected to spend the most."""
    total = judged.came_spend.sum()
    if not total > 0 or not np.isfinite(judged.spend).all():
        return None
    order = np.lexsort((np.arange(len(judged.spend)), -judged.spend))
    return float(judged.came_spend[order[: max(len(order) // DECILES, 1)]].sum() / total)


def deciles(judged: Judged) -> Iterator[tuple[int, int, float, float]]:
    """Number, buyers, expected and actual share of each decile of the probability. Equal probabilities stay
    together.
    """
    _, place, size = np.unique(judged.p, return_inverse=True, return_counts=True)
    before = np.cumsum(size) - size
    decile = np.minimum(((before + size / 2) * DECILES / len(judged.p)).astype(int), DECILES - 1)[place]
    for number in np.unique(decile):
        those = decile == number
        yield (
            int(number) + 1,
            int(those.sum()),
            float(judged.p[those].mean()),
            float(judged.bought[those].mean()),
        )
