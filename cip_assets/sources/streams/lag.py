"""How far `cip stream` is with each topic. Each process says so in a file, which Dagster reads.

So Dagster needs neither a connection to the brokers nor their passwords.
"""

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cip_assets.storage.files import replace_text

FOLDER = ".streams"
"""The folder of the data folder with a file of each process."""

TOLD_WITHIN = 60.0
"""A process that has said nothing for this many seconds has ended, or hangs."""


@dataclass(frozen=True)
class PartitionState:
    """How far a partition is.

    ``lag`` counts the offsets that have not landed. ``newest`` is when the newest landed record was put on the topic,
    in seconds since 1970. ``per_second`` is the rate of records since the last word.
    """

    partition: int
    landed_to: int
    lag: int
    newest: float | None
    per_second: float


@dataclass(frozen=True)
class TopicState:
    """How far a topic is, over all partitions that a process has told of."""

    partitions: Sequence[PartitionState]

    @property
    def lag(self) -> int:
        return sum(p.lag for p in self.partitions)

    @property
    def per_second(self) -> float:
        return round(sum(p.per_second for p in self.partitions), 1)

    @property
    def newest(self) -> float | None:
        """When the newest record that landed was put on the topic."""
        return max((p.newest for p in self.partitions if p.newest), default=None)

    def behind(self, now: float) -> float:
        """The seconds that the slowest partition is behind; at most as many if it is not known better."""
        return max((now - (p.newest or 0.0) for p in self.partitions if p.lag), default=0.0)


def tell(data_dir: Path, states: Mapping[str, Sequence[PartitionState]]) -> None:
    """Say how far this process is with its partitions."""
    told = {topic: [asdict(state) for state in found] for topic, found in states.items()}
    replace_text(_own(data_dir), json.dumps({"at": time.time(), "topics": told}))


def fall_silent(data_dir: Path) -> None:
    """Remove what this process said, and what processes said that were killed."""
    _own(data_dir).unlink(missing_ok=True)
    for path in (data_dir / FOLDER).glob("*.json"):
        if time.time() - path.stat().st_mtime > TOLD_WITHIN:
            path.unlink(missing_ok=True)


def told(data_dir: Path, now: float) -> Mapping[str, TopicState]:
    """How far each topic is, as the processes that run say. If two tell of one partition, the further one counts."""
    found: dict[str, dict[int, PartitionState]] = {}
    for path in sorted((data_dir / FOLDER).glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue  # it has ended since
        if now - said["at"] > TOLD_WITHIN:
            continue
        for topic, states in said["topics"].items():
            known = found.setdefault(topic, {})
            for state in (PartitionState(**each) for each in states):
                other = known.get(state.partition)
                known[state.partition] = max(other or state, state, key=lambda each: each.landed_to)
    return {topic: TopicState([known[n] for n in sorted(known)]) for topic, known in found.items()}


def _own(data_dir: Path) -> Path:
    return data_dir / FOLDER / f"{socket.gethostname()}-{os.getpid()}.json"
