"""How long a dropped file takes to the exports, while ``cip ui`` runs: seconds from its landing to the last file in
``final``.

Nothing is polled: the operating system tells which files were replaced, and Dagster when a run has ended.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import dagster as dg
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from benchmarks import END
from cip_assets.config.settings import Settings
from cip_assets.layers import CSV_FILES, SOURCE_TABLES
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.jobs.names import REFRESH
from cip_assets.synthetic import GeneratorConfig, generate

CUSTOMERS, PURCHASES, TIMES = 10_000, 70, 10
"""The size of the shop, the purchases of a day in it, and how many days land."""

PORT = 3_977
LONGEST = 600.0
"""After this many seconds the benchmark fails."""

EXPORTS = frozenset({*(f"{file.name}.csv" for file in CSV_FILES), "dashboard.html"})


@dataclass(frozen=True)
class Dropped:
    """The seconds that each file took."""

    seconds: list[float]


class Replaced(FileSystemEventHandler):
    """Waits until each of the exports was replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._missing: set[str] = set()
        self._complete = threading.Event()

    def expect(self) -> None:
        self._complete.clear()
        self._missing = set(EXPORTS)

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note the file, if it is an export that was put in its place."""
        path = Path(os.fsdecode(event.dest_path or event.src_path))
        if event.event_type in ("moved", "created") and path.parent == self._folder:
            self._missing.discard(path.name)
            if not self._missing:
                self._complete.set()

    def wait(self) -> None:
        """Wait for the last of them.

        Raises:
            SystemExit: it took too long.

        """
        if not self._complete.wait(LONGEST):
            raise SystemExit(f"after {LONGEST:.0f} seconds these are not replaced: {sorted(self._missing)}")


def measured(times: int = TIMES) -> Dropped:
    """Land the files of some days, one after the other."""
    with tempfile.TemporaryDirectory(prefix="cip-dropped-") as scratch:
        settings = Settings(Path(scratch), "sail")
        generate(GeneratorConfig(customers=CUSTOMERS, end=END, seed=1), settings.landing)
        environment = {**os.environ, "CIP_DATA_DIR": scratch, "CIP_ENGINE": "sail"}
        subprocess.run(
            [sys.executable, "-m", "cip_assets", "run"],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        replaced, seconds = Replaced(settings.final), []
        with (
            watching(settings.final, replaced),
            ui(environment),
            open_instance(settings.dagster_home) as instance,
        ):
            for number in range(times + 1):
                replaced.expect()
                began = _drop(settings.landing, END + timedelta(days=1 + number))
                replaced.wait()
                seconds.append(round(time.monotonic() - began, 1))
                wait_for_the_end(instance)
    return Dropped(seconds[1:])  # the first one also waited for the start of the page and its daemon


def _drop(landing: Path, day: date) -> float:
    """Land a day's purchases, complete at once; return the moment."""
    columns = SOURCE_TABLES["transactions"].columns
    lines = [
        f"D{day:%y%m%d}{number:03d},C{1 + number * 97:07d},P{1 + number:05d},1,12.50,12.50,PayPal,{day}"
        for number in range(PURCHASES)
    ]
    folder = landing / "transactions" / f"dt={day}"
    folder.mkdir()
    hidden = folder / ".day.csv"
    hidden.write_text("\n".join([",".join(columns), *lines, ""]), encoding="utf-8")
    hidden.rename(folder / "day.csv")
    return time.monotonic()


def wait_for_the_end(instance: dg.DagsterInstance) -> None:
    """Wait for the run that wrote the exports, so that the next file does not wait for it."""
    for run in instance.get_runs(dg.RunsFilter(job_name=REFRESH), limit=1):
        ended = threading.Event()

        def note(event: dg.EventLogEntry, _cursor: str, ended: threading.Event = ended) -> None:
            if event.is_dagster_event and event.get_dagster_event().is_run_failure:
                ended.set()
            if (
                event.is_dagster_event
                and event.get_dagster_event().event_type is dg.DagsterEventType.RUN_SUCCESS
            ):
                ended.set()

        instance.watch_event_logs(run.run_id, None, note)
        stored = instance.get_run_by_id(run.run_id)
        if stored is None or not stored.is_finished:
            ended.wait(LONGEST)
        instance.end_watch_event_logs(run.run_id, note)


@contextmanager
def watching(folder: Path, handler: FileSystemEventHandler) -> Iterator[None]:
    observer = Observer()
    observer.schedule(handler, str(folder), recursive=True)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()


@contextmanager
def ui(environment: dict[str, str]) -> Iterator[None]:
    """``cip ui``, as ``make ui`` starts it; it is ended as by Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cip_assets", "ui", "--port", str(PORT)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def section(dropped: Collection[Dropped]) -> list[str]:
    """The part of docs/benchmarks.md about dropped files."""
    lines: list[str] = []
    for entry in dropped:
        lines += [
            "",
            "## A file that lands while the page runs",
            "",
            f"`make ui` runs on a shop of {CUSTOMERS:,} customers, and a day's file with {PURCHASES} purchases lands.",
            f"All {len(EXPORTS)} exports were written {median(entry.seconds):.1f} seconds later (median of",
            f"{len(entry.seconds)}, {min(entry.seconds)} to {max(entry.seconds)}). The sensor waits until nobody has",
            "written to the file for two seconds, Dagster starts a process for the run, and the run computes the",
            "snapshot of the new day.",
        ]
    return lines
