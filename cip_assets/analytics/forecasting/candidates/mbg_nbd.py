"""MBG/NBD: customers may drop out after each purchase, the first included."""

from cip_assets.analytics.forecasting import bg_nbd, mbg_nbd
from cip_assets.analytics.forecasting.candidates.process import ProcessCandidate

MBG_NBD = ProcessCandidate("mbg_nbd", mbg_nbd.MbgNbdFit, mbg_nbd.fit, bg_nbd.PARAMETERS)
