"""Pareto/NBD: customers may drop out at any time."""

from cip_assets.analytics.forecasting import pareto_nbd
from cip_assets.analytics.forecasting.candidates.process import ProcessCandidate

PARETO_NBD = ProcessCandidate("pareto_nbd", pareto_nbd.ParetoNbdFit, pareto_nbd.fit, pareto_nbd.PARAMETERS)
