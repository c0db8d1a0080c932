"""Tells at once when a folder changes: Dagster evaluates sensors every five seconds, and the system knows it sooner."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from cip_assets.sources.streams.files import FOLDER as FROM_STREAMS

TOGETHER = 0.2
"""Files of several topics and partitions that appear within so many seconds come together."""

READING = {"opened", "closed_no_write"}
"""The kinds of events that change nothing."""


class Changes(FileSystemEventHandler):
    """The changes in a folder since it is watched."""

    def __init__(self) -> None:
        self._happened = Event()
        self._are_whole = True

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note a change."""
        if event.event_type not in READING:
            self._are_whole &= FROM_STREAMS in Path(os.fsdecode(event.src_path)).parts
            self._happened.set()

    def settled(self, within: float, quiet: float, *, is_changing: bool) -> bool:
        """Wait for a change, and until nothing has changed for some time.

        Args:
            within: seconds in which the change must begin and end.
            quiet: seconds without a change after which it has ended. Files of topics are whole when they appear, so if
                nothing else changes, it has ended sooner.
            is_changing: it began before.

        """
        until = time.monotonic() + within
        if not is_changing and not self._happened.wait(within - quiet):
            return False
        while time.monotonic() + quiet <= until:
            self._happened.clear()
            is_whole = self._are_whole and not is_changing
            if not self._happened.wait(min(quiet, TOGETHER) if is_whole else quiet):
                return True
        return False


@contextmanager
def watched(folder: Path) -> Iterator[Changes]:
    """Watch a folder and its folders. There is nothing to see if the system cannot watch it."""
    changes, observer = Changes(), Observer()
    try:
        observer.schedule(changes, str(folder), recursive=True)
        observer.start()
    except OSError:  # it does not exist yet, or as many folders are watched as the system allows
        yield changes
        return
    try:
        yield changes
    finally:
        observer.stop()
        observer.join()
