"""Why a buyer may not come back: what each group of facts adds to the log odds of churn, by the model that forecasts.

The part of the log odds that follows from the purchase days is shared out by Shapley's values between the time since
the last purchase, the number of purchases and the time as a customer, against a typical buyer (Shapley 1953; with three
groups they are exact sums of eight terms). Each of the other parts is one group of its own. So all groups add up to the
difference between the buyer's log odds and those of a typical buyer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import factorial

import numpy as np

from cip_assets.analytics.forecasting.candidates.candidate import Learned
from cip_assets.analytics.forecasting.candidates.hurdle import COMPLAINTS, RETURNS, SPEND, VISITS
from cip_assets.analytics.forecasting.history import Known
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.special import expit

RECENCY, PURCHASES, TENURE = "recency", "purchases", "tenure"
OF_HISTORY = (RECENCY, PURCHASES, TENURE)
WORDS: Mapping[str, str] = {
    RECENCY: "time since the last purchase",
    PURCHASES: "number of purchases",
    TENURE: "time as a customer",
    SPEND: "spend per purchase",
    VISITS: "visits",
    COMPLAINTS: "complaints",
    RETURNS: "returns",
}
"""The groups, and how they are named in ``churn_reasons``."""

LEAST = 0.2
"""A group is a reason if it adds so much to the log odds of churn: the odds are at least 1.22 times as high."""

MOST_STEPS = 50


@dataclass(frozen=True)
class Typical:
    """A typical buyer: the medians of recency, age and x."""

    recency: float
    purchases: float
    tenure: float

    @classmethod
    def of(cls, known: Known) -> "Typical":
        return cls(*(float(np.median(values)) for values in (known.recency, known.x, known.age)))


def contributions(learned: Learned, known: Known, typical: Typical, window_days: int) -> Mapping[str, Floats]:
    """What each group adds to the log odds of churn, each of the shape (n,)."""
    worth = {
        taken: learned.history(_history(known, typical, taken), window_days)
        for taken in product((False, True), repeat=len(OF_HISTORY))
    }
    players = len(OF_HISTORY)
    found: dict[str, Floats] = {}
    for place, name in enumerate(OF_HISTORY):
        total = np.zeros(len(known))
        for without in (taken for taken in worth if not taken[place]):
            size = sum(without)
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            with_it = tuple(held or at == place for at, held in enumerate(without))
            total -= weight * (worth[with_it] - worth[without])
        found[name] = total
    return found | {name: -part for name, part in learned.others(known).items()}


def _history(known: Known, typical: Typical, taken: Sequence[bool]) -> Known:
    """The buyers with the facts of the typical buyer in place of those that are not taken."""
    n = len(known)
    recency, x, age = (
        values if own else np.full(n, instead)
        for own, values, instead in zip(
            taken,
            (known.recency, known.x, known.age),
            (typical.recency, typical.purchases, typical.tenure),
            strict=True,
        )
    )
    # A buyer of one day was last seen on the first day.
    return replace(known, x=x, t_x=np.where(x > 0, np.maximum(age - recency, 0.0), 0.0), age=age)


def in_words(parts: Mapping[str, Floats]) -> list[str]:
    """The reasons of each buyer, the largest first, separated by '; '."""
    names = list(parts)
    table = np.array([parts[name] for name in names])
    # Rounded, so that no last digit of a sum decides.
    order = np.argsort(-np.round(table, 6), axis=0, kind="stable")
    held = np.take_along_axis(np.round(table, 6), order, axis=0) >= LEAST
    # Few lists of reasons differ, so each is put into words once. Its digits are the reasons in their order.
    base = len(names) + 1
    digits = np.where(held, order + 1, 0)
    lists = np.sum(digits * base ** np.arange(len(names))[::-1, None], axis=0)
    _, buyers, which = np.unique(lists, return_index=True, return_inverse=True)
    words = ["; ".join(WORDS[names[place]] for place in order[held[:, buyer], buyer]) for buyer in buyers]
    return [words[place] for place in which]


@dataclass(frozen=True)
class Tested:
    """Whether buyers with a reason churned more, other things equal.

    Attributes:
        reason: the group, in words.
        buyers: how many had the reason.
        churned_share: the share of them that churned.
        effect: what having the reason adds to the log odds of churn, with what all other groups add held fixed.
        z_score: the effect divided by its standard error.

    """

    reason: str
    buyers: int
    churned_share: float
    effect: float
    z_score: float


def tested(parts: Mapping[str, Floats], churned: Floats) -> list[Tested]:
    """The test of each reason that some buyers had and others had not, on a window that no model had seen.

    Logistic regression of churn on having the reason, with the sum of all other groups as offset.
    """
    total = np.sum(list(parts.values()), axis=0)
    found = []
    for name, part in parts.items():
        has = np.round(part, 6) >= LEAST
        if 0 < has.sum() < len(has) and 0 < churned.sum() < len(churned):
            effect, error = _logistic(has.astype(float), churned.astype(float), total - part)
            share = float(churned[has].mean())
            found.append(Tested(WORDS[name], int(has.sum()), share, effect, effect / error))
    return found


def _logistic(x: Floats, y: Floats, offset: Floats) -> tuple[float, float]:
    """The coefficient of x and its standard error, by Newton's method with a weak normal prior (variance 100)."""
    beta, prior = np.zeros(2), np.eye(2) / 100
    design = np.column_stack([np.ones_like(x), x])
    for _ in range(MOST_STEPS):
        mean = expit(np.einsum("ij,j->i", design, beta) + offset)
        slope = np.einsum("ij,i->j", design, y - mean) - np.einsum("ij,j->i", prior, beta)
        curvature = np.einsum("ij,i,ik->jk", design, mean * (1 - mean), design) + prior
        step = np.linalg.solve(curvature, slope)
        beta = beta + np.clip(step, -2, 2)
        if np.max(np.abs(step)) < 1e-9:
            break
    return float(beta[1]), float(np.sqrt(np.linalg.inv(curvature)[1, 1]))
