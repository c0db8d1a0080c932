"""What a destination was told: a file of its own, to which each batch adds lines before and after it is sent.

Before a batch is sent, nobody knows whether it will arrive: from then on its customers may be at the destination. Only
an answer that says so settles it. So a killed process and an answer that got lost end in a row that is sent again.
"""

import json
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from cip_assets.audiences.config import Destination
from cip_assets.config.settings import Settings
from cip_assets.storage import place


class Mark(StrEnum):
    """Whether a customer is at a destination."""

    IN = "in"
    OUT = "out"
    MAYBE = "maybe"


Line = tuple[int, str, list[str]]
"""The sequence of a batch, a mark, and the customers who got it."""


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a destination's file that were written whole."""
    return map(json.loads, _whole(path).splitlines())


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
        self.sequence = 0
        for sequence, mark, ids in self._lines():
            self.sequence = max(self.sequence, sequence)
            self.of.update(dict.fromkeys(ids, Mark(mark)))

    def _lines(self) -> Iterator[Line]:
        """The lines that were written whole; what a killed process left of another one is cut off."""
        if not self.path.exists():
            return
        whole = _whole(self.path)
        if len(whole) != self.path.stat().st_size:
            os.truncate(self.path, len(whole))
        yield from map(json.loads, whole.splitlines())

    def add(self, mark: Mark, ids: Iterable[str]) -> None:
        """Keep the mark of some customers, on disk before this returns."""
        named = sorted(ids)
        if not named:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as stream:
            stream.write(json.dumps([self.sequence, mark, named]).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        place.publish(self._settings, self.path)
        self.of.update(dict.fromkeys(named, mark))

    def next_sequence(self) -> int:
        """A number that is higher than that of every batch before."""
        self.sequence += 1
        return self.sequence
