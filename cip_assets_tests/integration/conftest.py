"""A whole run on generated data, on the engine under test, made once."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.generate import GeneratorConfig, Truth, generate
from cip_assets.runner import Platform, Report
from cip_assets.settings import Settings
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import land_all

SAMPLE = GeneratorConfig(customers=400, seed=7, end=date(2025, 6, 20), months=4, defects=0.03)


@dataclass(frozen=True)
class Sample:
    """Generated landing files, what is true of them, and what a run made of them."""

    settings: Settings
    truth: Truth
    platform: Platform
    report: Report


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    settings = Settings(tmp_path_factory.mktemp("sample"), ENGINE)
    truth = generate(SAMPLE, settings.landing)
    platform = Platform(settings, dg.DagsterInstance.ephemeral())
    return Sample(settings, truth, platform, platform.run())


@pytest.fixture(scope="session")
def _small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("small")
    land_all(data_dir / "landing")
    assert Platform(Settings(data_dir, ENGINE), dg.DagsterInstance.ephemeral()).run().succeeded
    return data_dir


@pytest.fixture
def healthy(_small_run: Path, tmp_path: Path) -> Path:
    """A data folder of its own in which the small landing folder was run: tables, exports and all."""
    return Path(shutil.copytree(_small_run, tmp_path / "healthy"))


@pytest.fixture
def platform_on() -> Callable[[Path], Platform]:
    """A platform on a data folder, with a Dagster instance that leaves nothing behind."""

    def make(data_dir: Path) -> Platform:
        return Platform(Settings(data_dir, ENGINE), dg.DagsterInstance.ephemeral())

    return make
