"""The progress of a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.progress import TaskID

from cip_assets.cli.console import bars, err
from cip_assets.orchestration.runs import Listener


@contextmanager
def progress_of_run() -> Iterator[Listener]:
    """Show one bar per asset, which is full when the asset and its checks are done."""
    with bars() as progress:
        tasks: dict[str, TaskID] = {}

        def listen(event: dg.DagsterEvent) -> None:
            step = event.step_key
            if step is None:
                return
            if event.is_step_start:
                tasks[step] = progress.add_task(step.replace("__", "/"), total=None)
            elif step in tasks and (event.is_step_success or event.is_step_failure):
                progress.update(tasks[step], total=1, completed=1)
                if event.is_step_success and not sys.stderr.isatty():
                    err.print(f"{step.replace('__', '/')} {event.step_success_data.duration_ms / 1000:.1f} s")

        yield listen
