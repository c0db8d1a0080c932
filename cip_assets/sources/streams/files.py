"""The landing files of a topic. Their names say which offsets they hold, so they alone say where to go on.

A file is written under a hidden name and then renamed, under a lock that all consumers of the partition share. What
another consumer has written meanwhile is left out, so no two files hold the same offset, whoever was killed when.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from filelock import FileLock

from cip_assets.sources.streams.records import Records
from cip_assets.storage.files import sync_folder

FOLDER = "from_streams"
"""The folder below ``landing/<table>`` with the files of topics."""

NAME = re.compile(
    r"(?P<generation>\d{4})[.](?P<topic_id>[\w-]{22})[.](?P<partition>\d{5})"
    r"[.](?P<first>\d{19})-(?P<last>\d{19})[.]csv"
)
DAY = re.compile(r"dt=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, order=True)
class Range:
    """What a landing file holds: the offsets from ``first`` to ``last`` of a partition of a topic.

    Ranges sort as their names do. A topic that is deleted and made again has another id and the next ``generation``,
    so its files come after those of the deleted one.
    """

    generation: int
    topic_id: str
    partition: int
    first: int
    last: int

    @classmethod
    def of(cls, path: Path) -> "Range | None":
        """The range that a file's name says; None if it is another file."""
        found = NAME.fullmatch(path.name)
        if found is None:
            return None
        generation, topic_id, *numbers = found.groups()
        return cls(int(generation), topic_id, *map(int, numbers))

    @property
    def name(self) -> str:
        return (
            f"{self.generation:04}.{self.topic_id}.{self.partition:05}.{self.first:019}-{self.last:019}.csv"
        )


@dataclass(frozen=True)
class TopicFolder:
    """The folder of a topic's landing files."""

    path: Path

    @classmethod
    def of(cls, landing: Path, table: str, topic: str) -> "TopicFolder":
        """The folder of a topic whose records are lines of the table."""
        # The name of a topic may begin with a dot or an underscore, which would hide the folder.
        return cls(landing / table / FOLDER / f"topic={topic}")

    def next_offset(self, topic_id: str, partition: int) -> int:
        """The offset to go on from: the one after the largest that a file holds, or 0."""
        return max((r.last + 1 for _, r in self._newest(topic_id, partition)), default=0)

    def add(
        self,
        topic_id: str,
        partition: int,
        records: Records,
        text_of: Callable[[Records], bytes],
        today: date,
    ) -> Path | None:
        """Write the records that no file holds yet as one file, which stays even if the machine stops at once.

        Args:
            topic_id: the id of the topic.
            partition: the partition.
            records: records of it in the order of their offsets.
            text_of: makes the text of a file from its records.
            today: the day of the delivery, unless the partition has files of a later day.

        Returns:
            The file; None if other files hold all the records.

        """
        self._make(self.path)
        with FileLock(self.path / f".{partition:05}.lock"):
            newest = list(self._newest(topic_id, partition))
            begin = max((r.last + 1 for _, r in newest), default=0)
            new = records.since(begin)
            if not new:
                return None
            day = max([today, *(day for day, _ in newest)])
            generation = self._generation(topic_id)
            there = Range(generation, topic_id, partition, new.offsets[0], new.offsets[-1])
            folder = self.path / f"dt={day}"
            self._make(folder)
            # Only a killed consumer leaves such a file, because whoever writes one has the lock.
            for left in folder.glob(f".*.{topic_id}.{partition:05}.*.new"):
                left.unlink()
            scratch, target = folder / f".{there.name}.new", folder / there.name
            with scratch.open("xb") as stream:
                stream.write(text_of(new))
                stream.flush()
                os.fsync(stream.fileno())
            scratch.rename(target)
            sync_folder(folder)
            return target

    def holding(self, topic_id: str, partition: int, first: int, last: int) -> list[Path]:
        """The files with some of these offsets of a partition, in their order."""
        found: list[tuple[Range, Path]] = []
        for _, folder in self._days():
            here = [
                (r, path)
                for path in folder.iterdir()
                if (r := Range.of(path)) and (r.topic_id, r.partition) == (topic_id, partition)
            ]
            found += [(r, path) for r, path in here if r.last >= first and r.first <= last]
            if any(r.last < first for r, _ in here):
                break
        return [path for _, path in sorted(found)]

    def _newest(self, topic_id: str, partition: int) -> Iterator[tuple[date, Range]]:
        """The files of a partition in the newest folder that has any, each with its day."""
        for day, folder in self._days():
            found = [
                r
                for r in filter(None, map(Range.of, folder.iterdir()))
                if (r.topic_id, r.partition) == (topic_id, partition)
            ]
            if found:
                yield from ((day, r) for r in found)
                return

    def _generation(self, topic_id: str) -> int:
        highest = 0
        for _, folder in self._days():
            known = {r.topic_id: r.generation for r in filter(None, map(Range.of, folder.iterdir()))}
            if topic_id in known:
                return known[topic_id]
            highest = max([highest, *known.values()])
        return highest + 1

    def _days(self) -> list[tuple[date, Path]]:
        """The folders of days, the newest first."""
        if not self.path.is_dir():
            return []
        named = [(DAY.fullmatch(folder.name), folder) for folder in self.path.iterdir()]
        return sorted(((date.fromisoformat(m[1]), folder) for m, folder in named if m), reverse=True)

    def _make(self, folder: Path) -> None:
        """Make a folder that stays even if the machine stops at once."""
        missing = [folder, *folder.parents][
            : next(n for n, p in enumerate([folder, *folder.parents]) if p.is_dir())
        ]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            sync_folder(made.parent)
