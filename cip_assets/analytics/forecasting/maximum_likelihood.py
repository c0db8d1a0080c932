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

LOG_BOUND = 12.0
"""Log-parameters stay within -12..12. Beyond that, a parameter has no visible effect on either likelihood once time and
money are scaled to order one, and log-gamma differences lose their last digits.
"""

GRADIENT_TOLERANCE = 1e-5
"""Largest slope of the mean log-likelihood, per log-parameter, that still counts as a maximum."""

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
    point = np.asarray(best.x, dtype=float)
    value, gradient = loss(point)
    at_bound = np.abs(point) >= LOG_BOUND * (1 - 1e-9)
    # A slope that points beyond a bound does not mean that a maximum was missed.
    blocked = at_bound & (np.sign(gradient) == -np.sign(point))
    slope = float(np.max(np.abs(np.where(blocked, 0.0, gradient))))
    converged = bool(np.isfinite(value) and slope < GRADIENT_TOLERANCE)
    return Maximum(
        parameters=np.exp(point),
        log_likelihood=-value * weight,
        log_standard_errors=_standard_errors(loss, point, at_bound, weight),
        at_bound=tuple(bool(at) for at in at_bound),
        converged=converged,
        starts=len(results),
        message=(
            f"converged, largest slope {slope:.1e}"
            if converged
            else f"not converged, largest slope {slope:.1e}: {best.message}"
        ),
    )


def _standard_errors(
    loss: Callable[[Floats], tuple[float, Floats]],
    point: Floats,
    at_bound: NDArray[np.bool_],
    weight: float,
) -> tuple[float | None, ...]:
    free = np.flatnonzero(~at_bound)
    errors: list[float | None] = [None] * len(point)
    if len(free) == 0:
        return tuple(errors)
    rows = []
    for index in free:
        step = np.zeros_like(point)
        step[index] = STEP
        rows.append((loss(point + step)[1] - loss(point - step)[1])[free] / (2 * STEP))
    hessian = np.array(rows) * weight
    hessian = (hessian + hessian.T) / 2
    if not np.isfinite(hessian).all():
        return tuple(errors)
    eigenvalues, vectors = np.linalg.eigh(hessian)
    # A smaller curvature is noise from the differences, so that direction is not identified.
    if eigenvalues[0] <= max(1e-10 * eigenvalues[-1], 0.0):
        return tuple(errors)
    variances = (vectors**2 / eigenvalues).sum(axis=1)
    for index, variance in zip(free, variances, strict=True):
        errors[index] = float(np.sqrt(variance))
    return tuple(errors)
