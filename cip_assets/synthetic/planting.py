"""Puts defects, duplicates and late rows among the clean rows of a table, and writes the lines."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cip_assets.synthetic import text
from cip_assets.synthetic.config import GeneratorConfig, delivery_days, month_of_day
from cip_assets.synthetic.defects import DEFECTS, ORPHAN, Defect, Row
from cip_assets.synthetic.population import Ints
from cip_assets.synthetic.tables import COLUMNS, SNAPSHOTS
from cip_assets.synthetic.truth import TRUTH_CSV, Truth, append_defects
from cip_assets.synthetic.writer import LandingWriter

ORPHAN_SHARE: Final = 0.15
"""The share of orphans among the defects; the other defects are planted line by line."""
ID_FORMATS: Final = {
    "customers": ("C", 7),
    "products": ("P", 5),
    "transactions": ("T", 9),
    "returns": ("R", 8),
    "support_tickets": ("S", 8),
    "web_activity": ("W", 9),
}
"""The prefix and the number of digits of each table's own id."""


@dataclass
class _Lines:
    """Additional lines: their text, delivery, place among the clean rows, and their defect if they have one."""

    content: list[str] = field(default_factory=list)
    delivery: list[int] = field(default_factory=list)
    place: list[float] = field(default_factory=list)
    id: list[str] = field(default_factory=list)
    defect: list[Defect | None] = field(default_factory=list)

    def add(self, fields: list[str], delivery: int, place: float, row_id: str, defect: Defect | None) -> None:
        self.content.append(_csv_line(fields))
        self.delivery.append(delivery)
        self.place.append(place)
        self.id.append(row_id)
        self.defect.append(defect)


class Planter:
    """Writes clean rows with their share of defects, and records the ground truth."""

    def __init__(
        self, config: GeneratorConfig, folder: Path, truth: Truth, first_free: dict[str, int]
    ) -> None:
        """Write below `folder`; `first_free` holds, per table, the next unused number of its ids."""
        self._config = config
        self._truth = truth
        self._truth_csv = folder / TRUTH_CSV
        self._deliveries = delivery_days(config)
        self._month_of_day = month_of_day(config)
        self._writer = LandingWriter(folder, self._deliveries)
        self.first_free = first_free

    def write_snapshot(self, table: str, columns: dict[str, pa.Array], rng: np.random.Generator) -> None:
        """Write rows of customers or products. Each kind of defect occurs if there are enough rows."""
        count = len(columns[COLUMNS[table][0]])
        kinds = len(DEFECTS[table])
        planted = round(count * self._config.defects)
        if self._config.defects > 0:
            planted = min(max(planted, kinds), count // 2)
        self._write(table, columns, np.zeros(count, np.int64), planted, rng)

    def write_events(
        self,
        table: str,
        columns: dict[str, pa.Array],
        day: Ints,
        cents: Ints | None,
        rng: np.random.Generator,
    ) -> None:
        """Write rows of an event table, each into the file of its month or, if it is late, of the next month."""
        if cents is not None:
            self._truth.cents[table] += int(cents.sum())
        planted = round(len(day) * self._config.defects * (1 - ORPHAN_SHARE))
        self._write(table, columns, self._month_of_day[day], planted, rng)

    def write_orphans(self, table: str, columns: dict[str, pa.Array], day: Ints, cents: Ints | None) -> None:
        """Write events of customers who are missing from customers.csv; each line is a defect that is kept."""
        if cents is not None:
            self._truth.cents[table] += int(cents.sum())
            self._truth.cents[f"orphan_{table}"] += int(cents.sum())
        extra = _Lines()
        month = self._month_of_day[day]
        for place, row in enumerate(_rows(table, columns, np.arange(len(day)))):
            extra.add(list(row.values()), int(month[place]), place, row[COLUMNS[table][0]], ORPHAN)
        self._truth.rows[table].clean += len(day)
        self._emit(table, pa.array([], pa.string()), np.empty(0, np.int64), np.empty(0), extra)

    def _write(
        self, table: str, columns: dict[str, pa.Array], month: Ints, planted: int, rng: np.random.Generator
    ) -> None:
        """Choose the rows, damage them, and write clean and defective lines together."""
        count = len(month)
        snapshot = table in SNAPSHOTS
        late_count = 0 if snapshot else round(count * self._config.late)
        late, subjects = _choose(DEFECTS[table], planted, late_count, month < len(self._deliveries) - 1, rng)
        delivery = month.copy()
        delivery[late] += 1

        extra = _Lines()
        replaced = np.zeros(count, np.bool_)
        id_column = COLUMNS[table][0]
        for defect, chosen in subjects:
            for index, row in zip(chosen.tolist(), _rows(table, columns, chosen), strict=True):
                home = int(month[index])
                if defect.outcome == "quarantined":
                    fresh = row | {id_column: self._fresh_id(table)}
                    row_id = "" if defect.reason == f"{id_column}:missing" else fresh[id_column]
                    extra.add(defect.damage(fresh, rng), home, float(rng.uniform(0, count)), row_id, defect)
                    continue
                replaced[index] = True
                extra.add(defect.damage(row, rng), home, index, row[id_column], defect)
                if defect.redelivered is not None:
                    away = home + (defect.redelivered == "next file")
                    extra.add(list(row.values()), away, count + index, row[id_column], None)

        self._truth.rows[table].late += len(late)
        self._truth.rows[table].clean += count
        clean = np.flatnonzero(~replaced)
        kept = [columns[name].take(pa.array(clean)) for name in COLUMNS[table]]
        lines = text.lines([text.quoted(values) for values in kept] if snapshot else kept)
        self._emit(table, lines, delivery[clean], clean.astype(np.float64), extra)

    def _emit(
        self, table: str, lines: pa.Array, delivery: Ints, place: NDArray[np.float64], extra: _Lines
    ) -> None:
        """Write clean and additional lines by file and place, and record the line numbers of the defects."""
        deliveries = np.concatenate([delivery, np.array(extra.delivery, np.int64)])
        places = np.concatenate([place, np.array(extra.place, np.float64)])
        every = pa.concat_arrays([lines, pa.array(extra.content, pa.string())])
        order = np.lexsort((places, deliveries))
        placed = np.empty(len(order), np.int64)
        placed[order] = self._writer.append(table, deliveries[order], every.take(pa.array(order)))

        rows = self._truth.rows[table]
        rows.landed += len(order)
        records = []
        for position, (row_id, defect) in enumerate(
            zip(extra.id, extra.defect, strict=True), start=len(lines)
        ):
            if defect is None:
                continue
            file = self._writer.name(table, int(deliveries[position]))
            records.append(
                (table, file, int(placed[position]), row_id, defect.kind, defect.outcome, defect.reason)
            )
            self._truth.kinds[table][defect.kind] += 1
            self._truth.reasons[table][defect.reason] += 1
            rows.quarantined += defect.outcome == "quarantined"
            rows.superseded += defect.outcome == "superseded"
        append_defects(self._truth_csv, records)

    def _fresh_id(self, table: str) -> str:
        """An id that no other row has."""
        prefix, digits = ID_FORMATS[table]
        number = self.first_free[table]
        self.first_free[table] += 1
        return f"{prefix}{number:0{digits}d}"


def _choose(
    kinds: tuple[Defect, ...],
    planted: int,
    late_count: int,
    movable: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Ints, list[tuple[Defect, Ints]]]:
    """Draw the indices of late rows and of the rows for each defect, without drawing any row twice.

    `movable` marks the rows that can be in a later file: all except those of the last month.
    """
    order = rng.permutation(len(movable))
    taken = np.zeros(len(movable), np.bool_)

    def draw(among: Ints, number: int) -> Ints:
        chosen = among[~taken[among]][:number]
        taken[chosen] = True
        return chosen

    later = order[movable[order]]
    late = draw(later, late_count)
    # The defects that need a later file are drawn first, while there are still such rows.
    needy_first = sorted(_shares(kinds, planted, rng), key=lambda share: share[0].redelivered != "next file")
    return late, [
        (defect, draw(later if defect.redelivered == "next file" else order, number))
        for defect, number in needy_first
    ]


def _shares(kinds: tuple[Defect, ...], planted: int, rng: np.random.Generator) -> list[tuple[Defect, int]]:
    """Distribute a number of defects evenly over the kinds; the kinds that get the remainder are drawn."""
    shift = int(rng.integers(len(kinds)))
    rotated = kinds[shift:] + kinds[:shift]
    whole, rest = divmod(planted, len(kinds))
    return [(defect, whole + (position < rest)) for position, defect in enumerate(rotated)]


def _rows(table: str, columns: dict[str, pa.Array], index: Ints) -> list[Row]:
    """The rows at the given indices, columns in file order."""
    chosen = pa.table({name: columns[name].take(pa.array(index)) for name in COLUMNS[table]})
    rows: list[Row] = chosen.to_pylist()
    return rows


def _csv_line(fields: list[str]) -> str:
    """An RFC 4180 line with its line end."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(fields)
    return buffer.getvalue()
