"""The past of a shop in steps of one window: what was known on each origin, and what came after it.

Origin 0 is the snapshot day D; origin k is k windows before it. Nothing that a model learns on an origin was dated
after it. Fits are kept, because several candidates build on the same ones.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from cip_assets.analytics.forecasting import gamma_gamma
from cip_assets.analytics.forecasting.bg_nbd import Statistics
from cip_assets.analytics.forecasting.history import Came, History, Known, Numbers
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.spend import SpendModel, fit_spend
from cip_assets.analytics.kept import Kept

Made = TypeVar("Made")

FEWEST_BUYERS = 20
"""With fewer buyers on an origin before D, nothing is learned on it."""

YEAR, NEAR = 365, 15
"""A season is compared if a whole number of windows is within so many days of a year."""


class Past:
    """The origins of a sample of buyers.

    Args:
        history: the sample.
        today: the snapshot day.
        window_days: the churn window.
        is_money_known: whether every amount of the shop is known.
        fits: the fits of an earlier run.

    """

    def __init__(
        self,
        history: History,
        today: int,
        window_days: int,
        *,
        is_money_known: bool = True,
        fits: Kept | None = None,
    ) -> None:
        self.history, self.today, self.window_days = history, today, window_days
        self.is_money_known = is_money_known
        self.fits = fits or Kept()
        self._kept: dict[tuple[Any, ...], Any] = {}

    def kept(self, key: tuple[Any, ...], make: Callable[[], Made]) -> Made:
        """What was made for the key, made once."""
        if key not in self._kept:
            self._kept[key] = make()
        found: Made = self._kept[key]
        return found

    def day(self, origin: int) -> int:
        return self.today - origin * self.window_days

    @cached_property
    def first_day(self) -> int:
        return int(self.history.purchases.day.min()) if len(self.history.purchases.day) else self.today

    def is_there(self, origin: int) -> bool:
        """Whether something can be learned on an origin: on D if anybody had bought, and earlier if half a window had
        passed and enough buyers had bought.
        """
        if origin == 0:
            return len(self.known(0)) > 0
        if 2 * (self.day(origin) - self.first_day) < self.window_days:
            return False
        return len(self.known(origin)) >= FEWEST_BUYERS

    def buyers(self, origin: int) -> Numbers:
        """The numbers of the buyers known on an origin, in the order of its arrays."""
        return self.kept(("buyers", origin), lambda: self.history.buyers_on(self.day(origin)))

    def known(self, origin: int) -> Known:
        return self.kept(("known", origin), lambda: self.history.known_on(self.day(origin)))

    def came(self, origin: int, windows: int = 1) -> Came:
        """What the buyers known on an origin did in the windows after it, which must be over."""
        if windows > origin:
            raise ValueError("the window is not over")
        days = windows * self.window_days
        return self.kept(("came", origin, windows), lambda: self.history.came(self.day(origin), days))

    def statistics(self, origin: int) -> Statistics:
        def make() -> Statistics:
            known = self.known(origin)
            return Statistics.grouped(known.x, known.t_x, known.age)

        return self.kept(("statistics", origin), make)

    def spend(self, origin: int) -> SpendModel | None:
        """What a purchase day is worth, as learned on an origin; None if an amount is unknown."""
        if not self.is_money_known:
            return None

        def make() -> SpendModel:
            known = self.known(origin)
            return fit_spend(
                gamma_gamma.bin_statistics(known.paid_x, np.nan_to_num(known.mean_value)),
                known.is_first_paid,
                known.x,
                known.paid_x,
                float(known.spend.sum()),
            )

        return self.kept(("spend", origin), make)

    @property
    def season(self) -> int | None:
        """How many windows are a year, if a whole number of them is near enough."""
        windows = round(YEAR / self.window_days)
        return windows if windows and abs(windows * self.window_days - YEAR) <= NEAR else None


def of_values(spend: SpendModel, known: Known) -> Floats:
    """The expected value of a purchase day of each buyer, shape (n,)."""
    return spend.expected_value(known.x, known.paid_x, known.mean_value, known.is_first_paid)
