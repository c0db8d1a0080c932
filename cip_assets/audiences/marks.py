"""What a destination was told: a file of its own, to which each batch adds lines before and after it is sent.

Before a batch is sent, nobody knows whether it will arrive: from then on its customers may be at the destination. Only
an answer that says so settles it. So a killed process and an answer that got lost end in a row that is sent again.
With who arrived, a hash of what was sent of them is kept, which tells when it changed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from filelock import FileLock

from cip_assets.audiences.config import Destination
from cip_assets.config.settings import Settings
from cip_assets.storage import place
from cip_assets.storage.files import replace_text


class Mark(StrEnum):
    """Whether a customer is at a destination."""

    IN = "in"
    OUT = "out"
    MAYBE = "maybe"


Named = Mapping[str, str | None]
"""Customers, each with the hash of what was sent of them, if they arrived."""

Line = tuple[int, str, Named]
"""The sequence of a batch, a mark, and the customers who got it."""

MOST_IDLE = 10_000
"""How many ids that no longer count a file may have, beside three times as many as count, before it is rewritten."""


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a destination's file that were written whole."""
    for line in _whole(path).splitlines():
        sequence, mark, named = json.loads(line)
        yield sequence, mark, named if isinstance(named, dict) else dict.fromkeys(named)


def text_of(sequence: int, mark: str, named: Named) -> str:
    """A line of a destination's file."""
    return f"{json.dumps([sequence, mark, named])}\n"


def _whole(path: Path) -> bytes:
    """A file without part of a line at its end, which a killed process can leave."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


class Marks:
    """The marks of a destination. A customer without one was never sent to it."""

    def __init__(self, settings: Settings, audience: str, destination: Destination) -> None:
        self._settings = settings
        self.path = settings.data_dir / "delivered" / audience / f"{destination.name}.jsonl"
        self.of: dict[str, Mark] = {}
        self.sent: dict[str, str | None] = {}
        self.sequence = 0
        if self.path.exists():
            with self._alone():
                self._read()

    def _alone(self) -> FileLock:
        return FileLock(self.path.with_suffix(".lock"))

    def _read(self) -> None:
        """Read the lines that were written whole; what a killed process left of another one is cut off."""
        whole = len(_whole(self.path))
        if whole != self.path.stat().st_size:
            os.truncate(self.path, whole)
        read = 0
        for sequence, mark, named in lines_of(self.path):
            self.sequence = max(self.sequence, sequence)
            self._keep(Mark(mark), named)
            read += len(named)
        there = {each: mark for each, mark in self.of.items() if mark is not Mark.OUT}
        if read > 4 * len(there) + MOST_IDLE:
            self._write_again(there)

    def _write_again(self, there: Mapping[str, Mark]) -> None:
        """Replace the file, in one step, by one with only those who may be at the destination."""
        lines = [
            text_of(self.sequence, mark, {each: self.sent[each] for each in there if there[each] is mark})
            for mark in Mark
        ]
        replace_text(self.path, "".join(lines))
        place.publish(self._settings, self.path)

    def _keep(self, mark: Mark, named: Named) -> None:
        self.of.update(dict.fromkeys(named, mark))
        self.sent.update(named)

    def add(self, mark: Mark, named: Named) -> None:
        """Keep the mark of some customers, on disk before this returns."""
        if not named:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone(), self.path.open("ab") as stream:
            stream.write(text_of(self.sequence, mark, named).encode())
            stream.flush()
            os.fsync(stream.fileno())
        place.publish(self._settings, self.path)
        self._keep(mark, named)

    def next_sequence(self) -> int:
        """A number that is higher than that of every batch before."""
        self.sequence += 1
        return self.sequence
