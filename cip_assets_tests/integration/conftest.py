"""A complete run on generated data and the tested engine, made once, in a folder with an odd name."""

from dataclasses import dataclass
from datetime import date

import dagster as dg
import pytest

from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.reporting.dashboard.figures import Figures, figures
from cip_assets.synthetic import GeneratorConfig, Truth, generate
from cip_assets_tests.conftest import ENGINE, ODD_NAME

SAMPLE = GeneratorConfig(customers=400, seed=7, end=date(2025, 6, 20), months=4, defects=0.03)


@dataclass(frozen=True)
class Sample:
    """Generated landing files, their ground truth, and the result of a run."""

    settings: Settings
    truth: Truth
    platform: Platform
    report: Report


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    settings = Settings(tmp_path_factory.mktemp("sample") / ODD_NAME, ENGINE)
    truth = generate(SAMPLE, settings.landing)
    platform = open_platform(settings, dg.DagsterInstance.ephemeral())
    return Sample(settings, truth, platform, platform.run())


@pytest.fixture(scope="session")
def found(sample: Sample) -> Figures:
    """The figures of the sample's dashboard."""
    assert sample.report.as_of is not None
    return figures(sample.settings, sample.report.as_of, load_rules())
