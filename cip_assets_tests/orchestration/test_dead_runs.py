"""Runs whose process is gone are ended, so that nothing waits for them."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.orchestration.dead_runs import end_dead_runs
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.run_tags import PROCESS


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path / "dagster") as opened:
        yield opened


@dg.job
def nothing() -> None: ...


def begun(instance: dg.DagsterInstance, process: int) -> str:
    """A run of a process that began and did nothing else."""
    run = instance.create_run_for_job(nothing, tags={PROCESS: str(process)})
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, nothing.name), run.run_id
    )
    return run.run_id


def test_a_run_is_ended_only_if_its_process_is_gone_even_before_its_first_step(
    instance: dg.DagsterInstance,
) -> None:
    done = subprocess.Popen(["true"])
    done.wait()
    dead, alive = begun(instance, done.pid), begun(instance, os.getpid())
    assert end_dead_runs(instance) == [dead]
    runs = {run.run_id: run.status for run in instance.get_runs()}
    assert runs == {dead: dg.DagsterRunStatus.FAILURE, alive: dg.DagsterRunStatus.STARTED}


def test_a_run_that_has_ended_holds_no_pool_and_one_that_goes_on_keeps_its_own(
    instance: dg.DagsterInstance,
) -> None:
    storage = instance.event_log_storage
    ended, alive = begun(instance, os.getpid()), begun(instance, os.getpid())
    for pool, run_id in (("one", ended), ("other", alive)):
        storage.set_concurrency_slots(pool, 1)
        assert storage.claim_concurrency_slot(pool, run_id, "step").is_claimed
    run = instance.get_run_by_id(ended)
    assert run is not None
    instance.report_run_canceled(run)
    end_dead_runs(instance)
    assert storage.get_concurrency_run_ids() == {alive}
