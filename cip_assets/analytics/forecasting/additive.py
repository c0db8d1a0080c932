"""Regressions that add up: each input has a curve, and a prediction is the sum of what the curves say.

A curve is straight between its knots and level beyond them, so it is read with ``np.interp``, says the same for a
customer whoever else is predicted, and fits in a line of JSON. The curves are fitted together by Newton's method on the
penalized likelihood, with the squared changes of slope as the penalty (after Eilers, Marx 1996, "Flexible Smoothing
with B-splines and Penalties").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, Self

import numpy as np
import scipy

from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.special import expit

KNOTS = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
"""Where the knots of a curve are: these shares of the customers lie below."""

BENT = 300.0
"""Weight of the squared changes of slope, with an input in standard deviations: where the data is thin, a curve is a
straight line.
"""

STEEP = 1.0
"""Weight of the squared slopes. It keeps curves finite where nobody bought."""

SMALL = 1e-3
"""Weight of the squared heights, which settles the level of each curve: only the sum of the levels is determined."""

MOST_STEPS = 50
SMALL_STEP = 1e-9

Family = Literal["binomial", "poisson"]


@dataclass(frozen=True)
class Curve:
    """What an input is worth: ``worth`` at the values ``at``, on the log odds or the log of the mean."""

    at: tuple[float, ...]
    worth: tuple[float, ...]

    def __call__(self, values: Floats) -> Floats:
        return np.asarray(np.interp(values, self.at, self.worth))


@dataclass(frozen=True)
class Additive:
    """The sum of an intercept and of curves. A curve is worth 0 on average over the customers it was fitted on."""

    intercept: float
    curves: Mapping[str, Curve]

    def __call__(self, inputs: Mapping[str, Floats]) -> Floats:
        parts = [curve(inputs[name]) for name, curve in self.curves.items()]
        start = np.full(len(next(iter(inputs.values()))), self.intercept)
        return reduce(np.add, parts, start)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of ``asdict``, which may have gone through JSON."""
        curves = {
            name: Curve(tuple(curve["at"]), tuple(curve["worth"])) for name, curve in plain["curves"].items()
        }
        return cls(plain["intercept"], curves)


def fit_additive(
    inputs: Mapping[str, Floats], outcome: Floats, family: Family, bent: float = BENT
) -> Additive:
    """The curves that explain an outcome.

    Args:
        inputs: the values of each input, finite, each of the shape (n,). An input with one value has no curve.
        outcome: 0 or 1 (``binomial``), or a count (``poisson``), of the shape (n,).
        family: the distribution of the outcome.
        bent: the weight of the squared changes of slope.

    """
    knots = {name: _knots(values) for name, values in inputs.items()}
    used = [name for name, at in knots.items() if len(at) > 1]
    hats = [_hats(inputs[name], knots[name]) for name in used]
    ones = scipy.sparse.csr_matrix(np.ones((len(outcome), 1)))
    design = scipy.sparse.hstack([ones, *hats], format="csr")
    penalty = _penalty([(knots[name], float(inputs[name].std())) for name in used], bent)
    beta = _newton(design, outcome, penalty, family)
    curves, intercept, place = {}, float(beta[0]), 1
    for name, hat in zip(used, hats, strict=True):
        worth = beta[place : place + hat.shape[1]]
        mean = float(np.sum(np.asarray(hat.mean(axis=0)).ravel() * worth))
        curves[name] = Curve(
            tuple(float(at) for at in knots[name]), tuple(float(value - mean) for value in worth)
        )
        intercept += mean
        place += hat.shape[1]
    return Additive(intercept, curves)


def _knots(values: Floats) -> Floats:
    return np.unique(np.quantile(values, KNOTS, method="inverted_cdf")) if len(values) else np.zeros(0)


def _hats(values: Floats, at: Floats) -> "scipy.sparse.csr_matrix":
    """For each value the weights of the two knots around it, shape (n, knots)."""
    right = np.clip(np.searchsorted(at, values, side="right"), 1, len(at) - 1)
    share = np.clip((values - at[right - 1]) / (at[right] - at[right - 1]), 0, 1)
    rows = np.repeat(np.arange(len(values)), 2)
    columns = np.column_stack([right - 1, right]).ravel()
    weights = np.column_stack([1 - share, share]).ravel()
    return scipy.sparse.csr_matrix((weights, (rows, columns)), shape=(len(values), len(at)))


def _penalty(curves: Sequence[tuple[Floats, float]], bent: float) -> Floats:
    """The penalty of all curves, each given by its knots and the standard deviation of its input."""
    size = 1 + sum(len(at) for at, _ in curves)
    whole = np.zeros((size, size))
    whole[0, 0] = SMALL
    place = 1
    for at, deviation in curves:
        n = len(at)
        slopes = np.diff(np.eye(n), axis=0) * (deviation / np.diff(at))[:, None]
        bends = np.diff(slopes, axis=0)
        block = STEEP * slopes.T @ slopes + bent * bends.T @ bends + SMALL * np.eye(n)
        whole[place : place + n, place : place + n] = block
        place += n
    return whole


def _newton(design: "scipy.sparse.csr_matrix", outcome: Floats, penalty: Floats, family: Family) -> Floats:
    """The maximum of the penalized likelihood. Steps that do not improve it are halved."""
    beta = np.zeros(design.shape[1])
    share = (outcome.sum() + 0.5) / (len(outcome) + 1)
    beta[0] = np.log(share / (1 - share)) if family == "binomial" else np.log(share)

    def value(candidate: Floats) -> float:
        eta = design @ candidate
        log_norm = np.logaddexp(0, eta) if family == "binomial" else np.exp(np.minimum(eta, 50))
        return float(np.sum(outcome * eta - log_norm)) - 0.5 * float(candidate @ penalty @ candidate)

    best = value(beta)
    for _ in range(MOST_STEPS):
        eta = design @ beta
        mean = expit(eta) if family == "binomial" else np.exp(np.minimum(eta, 50))
        weight = mean * (1 - mean) if family == "binomial" else mean
        slope = design.T @ (outcome - mean) - penalty @ beta
        curvature = (design.T @ design.multiply(weight[:, None]).tocsr()).toarray() + penalty
        step = np.linalg.solve(curvature, slope)
        for _halving in range(MOST_STEPS):
            reached = value(beta + step)
            if reached >= best:
                break
            step = step / 2
        beta, best = beta + step, max(best, reached)
        if np.max(np.abs(step)) < SMALL_STEP:
            break
    return beta
