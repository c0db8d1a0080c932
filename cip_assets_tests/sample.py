"""A complete run on generated data and the tested engine."""

from dataclasses import dataclass
from datetime import date

from cip_assets.config.settings import Settings
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.synthetic import GeneratorConfig, Truth

SAMPLE = GeneratorConfig(customers=400, seed=7, end=date(2025, 6, 20), months=9, defects=0.03)


@dataclass(frozen=True)
class Sample:
    """Generated landing files, their ground truth, and the result of a run."""

    settings: Settings
    truth: Truth
    platform: Platform
    report: Report
