"""Maximum likelihood over positive parameters: several starts, an analytic gradient, standard errors.

``import scipy`` is quick: it imports its parts when they are used, as ``scipy.optimize`` here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Loss = Callable[[Floats], tuple[float, Floats]]
"""Maps log-parameters to the mean loss of a customer and its gradient."""

LOG_BOUND = 12.0
"""Log-parameters stay within -12..12. Beyond that, a parameter has no visible effect on either likelihood once time and
money are scaled to order one, and log-gamma differences lose their last digits.
"""

GRADIENT_TOLERANCE = 1e-5
"""Largest slope of the mean log-likelihood, per log-parameter, that still counts as a maximum."""

DIGITS = 8
"""Significant digits of fitted parameters. All processors agree on them, and no data determines more."""

IDENTIFIED = 1e-10
"""A curvature below this share of the largest is noise from the differences, so that direction is not identified."""

NEAR = 1e-6
"""A log-parameter within this share of a bound is at it."""

DIGITS_OF_ERRORS = 5
"""Significant digits of standard errors. On a ridge, processors differ in the seventh."""

MOST_STEPS = 20
"""Steps from the optimizer's point to the maximum; two or three suffice."""

STEP = 1e-4
"""Step of the central differences of the gradient, which give the Hessian with an error of about 1e-8."""


def dot(weights: NDArray[Any], values: NDArray[Any]) -> float:
    """The sum of products. `@` is not used, because its threads compete with the engine's for the cores (10 times
    slower if those are busy), and the last digits would depend on the number of threads.
    """
    return float(np.sum(weights * values))


@dataclass(frozen=True)
class Maximum:
    """The best point found. Parameters are in the order of the objective's argument.

    Attributes:
        parameters: shape (k,), on the scale of the objective.
        log_likelihood: the total over all customers, on the scale of the objective.
        log_standard_errors: of the log-parameters, from the inverse of the negative Hessian; None for a
            parameter at its bound, and for all if the Hessian is singular (the data does not determine them).
        at_bound: which parameters ended at a bound.
        converged: whether the slope is 0, except in directions that a bound blocks.
        starts: how many starting points were tried.
        message: whether the fit converged, in words.

    """

    parameters: Floats
    log_likelihood: float
    log_standard_errors: tuple[float | None, ...]
    at_bound: tuple[bool, ...]
    converged: bool
    starts: int
    message: str

    def described(self, names: Sequence[str], values: Sequence[float]) -> dict[str, Any]:
        """What all fits say of the point, as the fields of a fit.

        Args:
            names: of the parameters.
            values: of the parameters, on the scale of the data. Their standard errors follow from those of their logs,
                by the delta method.

        """
        errors = zip(self.log_standard_errors, values, strict=True)
        return {
            "standard_errors": tuple(None if error is None else error * value for error, value in errors),
            "log_standard_errors": self.log_standard_errors,
            "at_bound": tuple(name for name, at in zip(names, self.at_bound, strict=True) if at),
            "converged": self.converged,
            "starts": self.starts,
            "message": self.message,
        }


def maximize(
    objective: Callable[[Floats], tuple[float, Floats]], starts: Sequence[Sequence[float]], weight: float
) -> Maximum:
    """The highest maximum of a log-likelihood that is reached from `starts`.

    Args:
        objective: maps positive parameters, shape (k,), to the log-likelihood and its gradient with respect
            to the logs of the parameters, shape (k,).
        starts: positive starting points, each of length k.
        weight: the number of customers; tolerances are per customer.

    """

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        value, gradient = objective(np.exp(log_parameters))
        return -value / weight, -gradient / weight

    results = [
        scipy.optimize.minimize(
            loss,
            np.clip(np.log(np.asarray(start, dtype=float)), 1 - LOG_BOUND, LOG_BOUND - 1),
            jac=True,
            # As exact as L-BFGS-B here, in a fifth of the time, because L-BFGS-B starts threads for 4 x 4 matrices.
            method="SLSQP",
            bounds=[(-LOG_BOUND, LOG_BOUND)] * len(start),
            options={"maxiter": 500, "ftol": 1e-15},
        )
        for start in starts
    ]
    best = min(results, key=lambda result: float(result.fun) if np.isfinite(result.fun) else np.inf)
    point = _polished(loss, np.asarray(best.x, dtype=float))
    value, gradient = loss(point)
    at_bound = np.abs(point) == LOG_BOUND
    slope = _steepest(point, gradient)
    converged = bool(np.isfinite(value) and slope < GRADIENT_TOLERANCE)
    return Maximum(
        parameters=np.exp(point),
        log_likelihood=-value * weight,
        log_standard_errors=_standard_errors(loss, point, at_bound, weight),
        at_bound=tuple(bool(at) for at in at_bound),
        converged=converged,
        starts=len(results),
        message="converged" if converged else f"not converged, largest slope {slope:.1e}: {best.message}",
    )


def to_digits(value: float, digits: int = DIGITS) -> float:
    """The value with as many significant digits as fitted parameters have, or as given."""
    return float(f"{value:.{digits}g}")


def _steepest(point: Floats, gradient: Floats) -> float:
    """The largest slope. One that points beyond a bound does not mean that a maximum was missed."""
    return float(np.max(np.abs(gradient), where=_is_free(point, gradient), initial=0.0))


def _is_free(point: Floats, gradient: Floats) -> NDArray[np.bool_]:
    """Which parameters are not held by a bound."""
    return np.asarray((np.abs(point) < LOG_BOUND) | (np.sign(gradient) == np.sign(point)))


def _polished(loss: Loss, point: Floats) -> Floats:
    """The maximum near the point where the optimizer stopped, to about ten digits.

    Where its line search stops depends on the last digits of the loss, and so on the processor. Newton's steps lead on,
    along a ridge to the bound that ends it, for as long as they make the slope smaller.
    """
    point = np.where(np.abs(point) >= LOG_BOUND * (1 - NEAR), np.sign(point) * LOG_BOUND, point)
    hessian = _hessian(loss, point)
    if not np.isfinite(hessian).all():
        return point
    value, gradient = loss(point)
    for _ in range(MOST_STEPS):
        step = _newton_step(hessian, point, gradient)
        # The share of the step until a bound is reached.
        room = np.divide(
            LOG_BOUND - point * np.sign(step), np.abs(step), out=np.full_like(step, np.inf), where=step != 0
        )
        share = min(1.0, float(room.min()))
        moved = np.where(room <= share, np.sign(step) * LOG_BOUND, point + share * step)
        reached, slopes = loss(moved)
        is_better = _steepest(moved, slopes) < _steepest(point, gradient)
        if not (is_better or (share < 1 and reached < value)):
            break
        point, value, gradient = moved, reached, slopes
    return point


def _newton_step(hessian: Floats, point: Floats, gradient: Floats) -> Floats:
    """The step to where the slopes would be 0 if the hessian were the same there, without those that a bound blocks."""
    step = np.zeros_like(point)
    free = np.flatnonzero(_is_free(point, gradient))
    while len(free):
        eigenvalues, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
        steep = eigenvalues > IDENTIFIED * eigenvalues[-1]
        step[free] = -(vectors[:, steep] / eigenvalues[steep] @ (vectors[:, steep].T @ gradient[free]))
        outward = (np.abs(point) == LOG_BOUND) & (step * point > 0)
        if not outward.any():
            break
        step[outward] = 0.0
        free = np.setdiff1d(free, np.flatnonzero(outward))
    return step


def _hessian(loss: Loss, point: Floats) -> Floats:
    """The second derivatives of the loss, shape (k, k)."""
    steps = STEP * np.eye(len(point))
    rows = np.array([loss(point + step)[1] - loss(point - step)[1] for step in steps]) / (2 * STEP)
    return np.asarray((rows + rows.T) / 2)


def _standard_errors(
    loss: Loss, point: Floats, at_bound: NDArray[np.bool_], weight: float
) -> tuple[float | None, ...]:
    free = np.flatnonzero(~at_bound)
    errors: list[float | None] = [None] * len(point)
    hessian = _hessian(loss, point)[np.ix_(free, free)] * weight
    if len(free) == 0 or not np.isfinite(hessian).all():
        return tuple(errors)
    eigenvalues, vectors = np.linalg.eigh(hessian)
    if eigenvalues[0] <= max(IDENTIFIED * eigenvalues[-1], 0.0):
        return tuple(errors)
    variances = (vectors**2 / eigenvalues).sum(axis=1)
    for index, variance in zip(free, variances, strict=True):
        errors[index] = to_digits(float(np.sqrt(variance)), DIGITS_OF_ERRORS)
    return tuple(errors)
