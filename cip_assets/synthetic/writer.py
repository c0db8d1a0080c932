"""Writes the landing files and counts their lines."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from cip_assets.synthetic.population import Ints
from cip_assets.synthetic.tables import COLUMNS, SNAPSHOTS


def existing_files(landing: Path) -> list[Path]:
    """The landing files of the six tables that the folder already contains, sorted."""
    found: list[Path] = []
    for table in COLUMNS:
        for pattern in (f"{table}.csv", f"{table}.csv.gz", f"{table}/**/*.csv", f"{table}/**/*.csv.gz"):
            found.extend(landing.glob(pattern))
    return sorted(found)


class LandingWriter:
    """Appends lines to the landing files, and returns their line numbers.

    A file is created, with its header, before its first line.
    """

    def __init__(self, folder: Path, deliveries: list[date]) -> None:
        """Write below `folder`; `deliveries` are the delivery dates of the monthly files."""
        self._folder = folder
        self._deliveries = deliveries
        self._lines: dict[str, int] = {}

    def name(self, table: str, delivery: int) -> str:
        """The path of a file relative to the folder; `delivery` is an index, which full deliveries ignore."""
        if table in SNAPSHOTS:
            return f"{table}.csv"
        return f"{table}/dt={self._deliveries[delivery]}/{table}.csv"

    def append(self, table: str, deliveries: Ints, lines: pa.StringArray) -> Ints:
        """Append lines, which are sorted by delivery; return the line number of each in its file, from 1."""
        if len(lines) == 0:
            return np.empty(0, np.int64)
        offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
        text = memoryview(lines.buffers()[2])
        placed = np.empty(len(lines), np.int64)
        present, first = np.unique(deliveries, return_index=True)
        for delivery, begin, until in zip(present, first, [*first[1:], len(lines)], strict=True):
            name = self.name(table, int(delivery))
            path = self._folder / name
            if name not in self._lines:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(",".join(COLUMNS[table]).encode() + b"\n")
                self._lines[name] = 1
            with path.open("ab") as file:
                file.write(text[offsets[begin] : offsets[until]])
            placed[begin:until] = self._lines[name] + 1 + np.arange(until - begin)
            self._lines[name] += int(until - begin)
        return placed
