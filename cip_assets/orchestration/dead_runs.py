"""Runs whose process is gone: they are ended, so that nobody waits for them and their pools are free."""

from collections.abc import Iterator

import dagster as dg
import psutil

from cip_assets.orchestration import event_storage as sqlite


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report the runs in progress whose process was killed as failed; returns their ids.

    Dagster's code server does so for the runs that it started, as long as it lives itself; a run of the command
    line, or one that went down with the whole page, has nobody else.
    """
    if not sqlite.is_in_a_folder(instance):  # then its runs are processes of this machine
        return []
    ended = []
    in_progress = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for record in instance.get_run_records(dg.RunsFilter(statuses=in_progress)):
        run = record.dagster_run
        pids = list(_pids_of(instance, run.run_id))
        if pids and not _is_there(pids[-1], record.start_time or 0):
            instance.report_run_failed(run, f"Its process ({pids[-1]}) ended before it did.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def _pids_of(instance: dg.DagsterInstance, run_id: str) -> Iterator[int]:
    """The processes that executed steps of a run, as its log names them."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
        if pid is not None:
            yield int(str(pid.value))


def _is_there(pid: int, run_began: float) -> bool:
    """Whether the process is there and is not a later one with the same number."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= run_began and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
