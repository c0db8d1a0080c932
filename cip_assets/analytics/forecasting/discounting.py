"""The discounted value of customers over the next months, after Fader, Hardie, Lee (2005), "RFM and CLV: Using
Iso-Value Curves for Customer Base Analysis", Journal of Marketing Research 42(4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from cip_assets.analytics.forecasting.maximum_likelihood import Floats

DAYS_PER_MONTH = 365 / 12
MONTHS_OF_YEAR, MONTHS_OF_QUARTER = 12, 3


class PurchaseProcess(Protocol):
    """The predictions of a model of when customers buy."""

    def probability_alive(self, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats: ...

    def probability_active_if_alive(self, x: ArrayLike, age: ArrayLike, horizon_days: float) -> Floats: ...

    def purchases_if_alive(self, x: ArrayLike, age: ArrayLike, horizons_days: Sequence[float]) -> Floats: ...


@dataclass(frozen=True)
class Discounting:
    """How future spend counts today.

    Attributes:
        annual_rate: the yearly discount rate, as a share; a period is discounted from its middle.
        horizon_months: how many months ``clv_horizon`` looks ahead.

    """

    annual_rate: float
    horizon_months: int

    def ends(self) -> list[int]:
        """The months in which the periods end: each month of the first year, then each quarter."""
        last = max(MONTHS_OF_YEAR, self.horizon_months)
        later = [*range(MONTHS_OF_YEAR + MONTHS_OF_QUARTER, last, MONTHS_OF_QUARTER), last]
        ends = {*range(1, MONTHS_OF_YEAR + 1), *later, self.horizon_months}
        return sorted(end for end in ends if end <= last)

    def within(self, cumulative: Floats, months: int) -> Floats:
        """The discounted sum of the periods that end within some months.

        Args:
            cumulative: expected purchase days by the end of each period, shape (periods, n).
            months: the last month.

        """
        ends = np.array(self.ends(), dtype=float)
        starts = np.append(0.0, ends[:-1])
        factors = (1 + self.annual_rate) ** (-(starts + ends) / 2 / MONTHS_OF_YEAR)
        each = np.diff(cumulative, axis=0, prepend=0.0)
        return np.asarray(np.sum(each * np.where(ends <= months, factors, 0.0)[:, None], axis=0))
