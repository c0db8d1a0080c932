"""Start a command in a session of its own, and kill all its processes at a certain moment."""

import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from cip_assets.__main__ import main

LONGEST = 300.0
"""Seconds until a command that was not killed is given up."""

STARTER = multiprocessing.get_context("forkserver")
"""Starts processes from one that has imported the commands, which saves two seconds each."""
STARTER.set_forkserver_preload(
    ["cip_assets.cli.run", "cip_assets.cli.recovery", "cip_assets.cli.ui", "pysail.spark"]
)


@dataclass(frozen=True)
class Moment:
    """When to kill: as soon as a file appears whose path in the data folder matches, or after a number of seconds.

    ``name`` stands in the report.
    """

    name: str
    appears: str = ""
    after: float = LONGEST


@dataclass(frozen=True)
class Killed:
    """The output of a command, and whether it was killed or ended before its moment came."""

    was_killed: bool
    output: str


class _Watcher(FileSystemEventHandler):
    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, re.compile(pattern)
        self.seen = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type not in {"created", "moved"}:
            return
        for path in (event.src_path, event.dest_path):
            name = os.fsdecode(path)
            if name and self._pattern.fullmatch(os.path.relpath(name, self._folder)):
                self.seen.set()


def killed(command: Sequence[str], data_dir: Path, engine: str, moment: Moment) -> Killed:
    """Run `cip` with the arguments and kill it at the moment.

    Raises:
        TimeoutError: the moment never came, and the command does not end.

    """
    environment = {"CIP_DATA_DIR": str(data_dir), "CIP_ENGINE": engine}
    observer = Observer()
    watcher = _Watcher(data_dir, moment.appears or "(?!)")
    observer.schedule(watcher, str(data_dir), recursive=True)
    observer.start()
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        process = STARTER.Process(target=_cip, args=(command, environment, output.name))
        process.start()
        ended = threading.Thread(target=lambda: (process.join(LONGEST), watcher.seen.set()))
        ended.start()
        watcher.seen.wait(moment.after)
        _kill(process)
        ended.join()
        observer.stop()
        observer.join()
        if process.exitcode is None:
            raise TimeoutError(f"cip {' '.join(command)} does not end")
        return Killed(process.exitcode == -signal.SIGKILL, output.read())


def _cip(command: Sequence[str], environment: Mapping[str, str], output: str) -> None:
    """`cip` in a session of its own, with its output in a file."""
    os.setsid()
    with open(output, "w", encoding="utf-8") as stream:  # noqa: PTH123 -- it is the descriptor that is needed
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment)
    sys.argv = ["cip", *command]
    main()


def _kill(process: BaseProcess) -> None:
    """Kill the process group, and what its processes started in groups of their own."""
    if process.pid is None or process.exitcode is not None:
        return
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return  # it has just ended
    for child in below:
        if child.is_running():
            child.kill()
    psutil.wait_procs(below)
