"""Sail and Spark give the same tables to the last digit, and with the golden hashes the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cip_assets.config.settings import Settings
from cip_assets_tests.conftest import ENGINE, sample_of
from cip_assets_tests.golden import LONG
from cip_assets_tests.integration.helpers import every_table
from cip_assets_tests.sample import Sample


@pytest.mark.last
@pytest.mark.engine
@pytest.mark.skipif(ENGINE == "sail", reason="the default engine would be compared with itself")
def test_the_default_engine_gives_the_same_digits(sample: Sample, tmp_path: Path) -> None:
    """The golden hashes compare all files, and all values but those with more digits than two machines agree on.

    The tables with such values, and all before them, are compared here. The other engine needs a separate process,
    because PySpark is either classic or Connect in one process: the one in which ``make test`` has run the sample by
    now, or one that is started here.
    """
    mine = every_table(sample.settings)
    long = {
        name
        for name, table in mine.items()
        if any(LONG.search(repr(value)) for column in table.columns for value in column.to_pylist())
    }
    other = sample_of("sail")
    if other is None or not other.lake.exists():
        other = run_on_sail(sample, tmp_path, long)
    others = every_table(other)
    assert others.keys() > long > set()
    differing = {name for name, table in others.items() if not mine[name].equals(table)}
    assert differing == set(), f"{ENGINE} and sail differ"


def run_on_sail(sample: Sample, data_dir: Path, tables: set[str]) -> Settings:
    """The folder in which another process computes some tables of the sample."""
    (data_dir / "landing").symlink_to(sample.settings.landing)
    environment = {**os.environ, "CIP_ENGINE": "sail", "CIP_DATA_DIR": str(data_dir)}
    command = [Path(sys.executable).with_name("cip"), "run", *(f"--select={name}" for name in tables)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Settings(data_dir, "sail")
