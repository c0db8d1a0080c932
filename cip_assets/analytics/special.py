"""Special functions of scipy, which imports them at the first call: only a process that fits waits for them."""

from typing import Any

import scipy


def betaln(a: Any, b: Any) -> Any:
    """The logarithm of the beta function."""
    return scipy.special.betaln(a, b)


def digamma(x: Any) -> Any:
    """The derivative of the logarithm of the gamma function."""
    return scipy.special.digamma(x)


def expit(x: Any) -> Any:
    """The logistic function."""
    return scipy.special.expit(x)


def gammaln(x: Any) -> Any:
    """The logarithm of the gamma function."""
    return scipy.special.gammaln(x)


def stdtrit(df: float, p: float) -> float:
    """The value that Student's t with `df` degrees of freedom stays below with probability `p`."""
    return float(scipy.special.stdtrit(df, p))
