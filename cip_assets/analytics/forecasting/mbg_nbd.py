"""MBG/NBD: BG/NBD in which customers can also stop right after their first purchase.

So a one-time buyer whose purchase was long ago is probably gone, whereas BG/NBD takes every one-time buyer to be alive.
Batislam, Denizel, Filiztekin (2007), "Empirical Validation and Comparison of Models for Customer Base Analysis",
International Journal of Research in Marketing 24(3). Hoppe, Wagner (2007), "Customer Base Analysis: The Case for a
Central Variant of the Betageometric/NBD Model", Marketing - Journal of Research and Management 3(2).

After x repeat purchases a customer had n = x + 1 chances to drop out. In the formulas of ``bg_nbd``, n is x + 1 instead
of x. All times are in days, alpha too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cip_assets.analytics.forecasting.bg_nbd import BetaGeometricFit, Statistics, fit_kind, log_likelihood_of


@dataclass(frozen=True)
class MbgNbdFit(BetaGeometricFit):
    """MBG/NBD: customers can drop out after every purchase, the first included."""

    chances_at_first = 1


def log_likelihood(statistics: Statistics, r: float, alpha: float, a: float, b: float) -> float:
    """The sum over customers of the log-likelihood; alpha in days."""
    return log_likelihood_of(MbgNbdFit(r, alpha, a, b), statistics)


def fit(
    statistics: Statistics, starts: Sequence[tuple[float, float, float, float]] | None = None
) -> MbgNbdFit:
    """The maximum of the likelihood over r, alpha (days), a, b; see `fit_kind`.

    Raises:
        ValueError: there is no repeat buyer, or no day has passed, so no parameter can be determined.

    """
    return fit_kind(MbgNbdFit, statistics, starts)
