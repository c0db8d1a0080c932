"""What a destination was told: a file of its own, to which each batch adds lines before and after it is sent.

Before a batch is sent, nobody knows whether it will arrive: from then on its customers may be at the destination. Only
an answer that says so settles it. So a killed process and an answer that got lost end in a row that is sent again.
"""

import json
import os
from collections.abc import Iterable
from enum import StrEnum

from cip_assets.audiences.config import Destination
from cip_assets.config.settings import Settings
from cip_assets.storage import place


class Mark(StrEnum):
    """Whether a customer is at a destination."""

    IN = "in"
    OUT = "out"
    MAYBE = "maybe"


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

    def _lines(self) -> Iterable[tuple[int, str, list[str]]]:
        """The lines that were written whole. A killed process can leave part of a line at the end."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(self.path, len(whole))
        for line in whole.splitlines():
            yield json.loads(line)

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
