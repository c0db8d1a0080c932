"""Which of many rates certainly rose from one window to the next.

If a rate did not change, each of its events falls into the later window with the share that this window has of the
exposure. So the number of later events is binomial, whatever the rate is, also for few events (Przyborowski and
Wilenski 1940). As many rates are tested at once, those that are called certain are chosen so that on average at most a
small share of them did not rise (Benjamini and Hochberg 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counted:
    """Events and exposure of a rate in the window before and the window after it."""

    events_before: int
    exposure_before: int
    events: int
    exposure: int

    @property
    def rose(self) -> bool:
        """Whether the rate is higher than before; false if it was not observed before."""
        return self.events * self.exposure_before > self.events_before * self.exposure > 0 or (
            self.events > 0 and self.events_before == 0 < min(self.exposure, self.exposure_before)
        )


def certain(rates: Sequence[Counted], confidence: float) -> list[bool]:
    """For each rate, whether it certainly rose."""
    if not rates:
        return []
    events, before, exposure, exposure_before = np.array(
        [(r.events, r.events_before, r.exposure, r.exposure_before) for r in rates], dtype=float
    ).T
    share = exposure / np.maximum(exposure + exposure_before, 1)
    # The chance of at least so many later events; it is 1 if there are none.
    chance = scipy.special.betainc(np.maximum(events, 1), before + 1, share)
    chance = np.where((events > 0) & (exposure_before > 0), chance, 1.0)
    return [bool(p) for p in np.round(_adjusted(chance), 9) <= round(1 - confidence, 9)]


def _adjusted(chance: NDArray[Any]) -> NDArray[Any]:
    """The chances after Benjamini and Hochberg, as by ``scipy.stats``, which takes long to import."""
    order = np.argsort(chance)
    ranked = chance[order] * (len(chance) / np.arange(1, len(chance) + 1))
    adjusted = np.empty_like(ranked)
    adjusted[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(adjusted, 1)
