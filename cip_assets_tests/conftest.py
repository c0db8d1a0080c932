"""Shared by all tests: one Spark session per process, on the engine that CIP_ENGINE names."""

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cip_assets.engines.resource import start_session
from cip_assets.rules import Rules, load_rules

ENGINE = os.environ.get("CIP_ENGINE") or "sail"


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """The session of this test process; tests that use it and are marked `engine` run on every engine."""
    return start_session(ENGINE)


@pytest.fixture(scope="session")
def rules() -> Rules:
    return load_rules()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data folder with a landing folder in it."""
    (tmp_path / "landing").mkdir()
    return tmp_path
