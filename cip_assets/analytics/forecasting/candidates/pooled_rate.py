"""A pooled rate: purchases at random, at rates that differ, and nobody drops out. It can always be fitted."""

from typing import Any

from cip_assets.analytics.forecasting.bg_nbd import Statistics
from cip_assets.analytics.forecasting.candidates.process import ProcessCandidate
from cip_assets.analytics.forecasting.pooled import PooledRate, pooled_rate


def _fit(statistics: Statistics, starts: Any = None) -> PooledRate:  # noqa: ARG001  # it has a closed form
    return pooled_rate(statistics)


POOLED_RATE = ProcessCandidate("pooled_rate", PooledRate, _fit)
