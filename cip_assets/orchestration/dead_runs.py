"""Ends runs whose process no longer exists, so that nothing waits for them and their pools are free."""

from collections.abc import Iterator

import dagster as dg
import psutil

from cip_assets.orchestration import event_storage as sqlite
from cip_assets.orchestration.run_tags import PROCESS


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs in progress as failed if their process was killed; return their ids.

    Dagster's code server does this for the runs that it started, while it runs itself. Nothing else does it for a run
    of the command line, or for one that ended together with the Dagster UI.
    """
    ended = (
        _end(instance) if sqlite.is_in_a_folder(instance) else []
    )  # its runs are processes of this machine
    _free_pools(instance)
    return ended


def _end(instance: dg.DagsterInstance) -> list[str]:
    ended = []
    in_progress = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in instance.get_run_records(dg.RunsFilter(statuses=in_progress)):
        run = record.dagster_run
        pids = [*_pids_of(instance, run)]
        if pids and not _is_there(pids[-1], record.start_time or 0):
            instance.report_run_failed(run, f"The process of the run ({pids[-1]}) ended before the run did.")
            ended.append(run.run_id)
    return ended


def _free_pools(instance: dg.DagsterInstance) -> None:
    """Free what runs still hold that have ended. A run that was stopped does not free the pools of its last steps, and
    Dagster's daemon does it only while it runs.
    """
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is not None and run.is_finished:
            storage.free_concurrency_slots_for_run(run_id)


def _pids_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[int]:
    """The processes of a run, the last one last. What its log says comes after its tag, which a run that is executed
    again has from the one before.
    """
    if PROCESS in run.tags:
        yield int(run.tags[PROCESS])
    for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            yield int(str(pid.value))


def _is_there(pid: int, run_began: float) -> bool:
    """Whether the process exists and is not a later one with the same number."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= run_began and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
