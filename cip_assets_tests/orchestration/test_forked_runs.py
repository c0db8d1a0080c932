"""Runs of the Dagster UI are forked. That its code server uses this, test_dagster_page.py shows."""

import os
from multiprocessing.context import ForkServerProcess, SpawnProcess
from pathlib import Path

import pytest

from cip_assets.orchestration import forked_runs
from cip_assets.orchestration.forked_runs import ForkedRuns


def test_a_run_is_forked_unless_a_module_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked_runs, "PACKAGE", tmp_path)
    monkeypatch.setattr(forked_runs, "IMPORTED", ["colorsys"])  # is imported at once
    (tmp_path / "layers").mkdir()
    module = tmp_path / "layers" / "table.py"
    module.touch()
    runs = ForkedRuns()
    forked = runs.Process(target=os._exit, args=[7])
    assert isinstance(forked, ForkServerProcess)
    forked.start()
    forked.join()
    assert forked.exitcode == 7
    module.write_text("changed = True")
    assert isinstance(runs.Process(), SpawnProcess)
