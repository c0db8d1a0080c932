"""The candidates: one file each, and a line here."""

from collections.abc import Mapping, Sequence

from cip_assets.analytics.forecasting.candidates.bg_nbd import BG_NBD
from cip_assets.analytics.forecasting.candidates.candidate import Candidate
from cip_assets.analytics.forecasting.candidates.hurdle import HURDLE
from cip_assets.analytics.forecasting.candidates.mbg_nbd import MBG_NBD
from cip_assets.analytics.forecasting.candidates.pareto_nbd import PARETO_NBD
from cip_assets.analytics.forecasting.candidates.pooled_rate import POOLED_RATE

CANDIDATES: Sequence[Candidate] = (POOLED_RATE, BG_NBD, MBG_NBD, PARETO_NBD, HURDLE)
"""The candidates, the simplest first."""

__all__ = ["BG_NBD", "BY_NAME", "CANDIDATES", "HURDLE", "MBG_NBD", "PARETO_NBD", "POOLED_RATE"]

BY_NAME: Mapping[str, Candidate] = {candidate.name: candidate for candidate in CANDIDATES}
