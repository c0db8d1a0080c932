"""A pooled rate: purchases at random, at rates that differ little, and nobody drops out. It can always be fitted."""

from cip_assets.analytics.forecasting.candidates.process import ProcessCandidate
from cip_assets.analytics.forecasting.pooled import PooledRate, pooled_rate

POOLED_RATE = ProcessCandidate("pooled_rate", PooledRate, pooled_rate, fewest_repeat_buyers=0)
