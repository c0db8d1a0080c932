"""Sail and Spark give the same tables and the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cip_assets.config.settings import Settings
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import every_table, files_of
from cip_assets_tests.sample import Sample


@pytest.mark.engine
@pytest.mark.skipif(ENGINE == "sail", reason="the default engine would be compared with itself")
def test_the_default_engine_gives_the_same_tables_and_files(sample: Sample, tmp_path: Path) -> None:
    """The other engine needs a separate process, because PySpark is either classic or Connect in one process.

    Its data folder has a plain name, and the sample's has not: that makes no difference either.
    """
    other = Settings(tmp_path, "sail")
    (tmp_path / "landing").symlink_to(sample.settings.landing)
    environment = {**os.environ, "CIP_ENGINE": "sail", "CIP_DATA_DIR": str(tmp_path)}
    cip = Path(sys.executable).with_name("cip")
    done = subprocess.run([cip, "run"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert files_of(other) == files_of(sample.settings)
    mine, others = every_table(sample.settings), every_table(other)
    differing = {name for name in mine if not mine[name].equals(others[name])}
    assert differing == set(), f"{ENGINE} and sail differ"
