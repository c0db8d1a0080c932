"""BG/NBD: customers may drop out after each purchase but the first."""

from cip_assets.analytics.forecasting import bg_nbd
from cip_assets.analytics.forecasting.candidates.process import ProcessCandidate

BG_NBD = ProcessCandidate("bg_nbd", bg_nbd.BgNbdFit, bg_nbd.fit, bg_nbd.PARAMETERS)
