"""Whether a commit changed what a table says about the days up to one.

A month is written as a whole, so a commit tells which months it wrote but not which days it changed. The data files do:
Delta keeps those that a commit removed until maintenance deletes them, and no file ever changes. So the rows of each
day, before and after, are counted and their hashes added up; the order of the rows and the number of files do not
matter. Nothing is stored for this, so it holds for restored tables, too.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import pyarrow.dataset as ds

from cip_assets.storage import delta, place, questions
from cip_assets.storage.written import month_after

Sums = dict[date, tuple[int, int]]
"""For each day the number of rows and the sum of their hashes; by ``date.min`` if the rows have no day."""


@dataclass(frozen=True)
class Compared:
    """What is compared: the columns, and the one that dates the rows. Without one, all rows count for every day."""

    columns: tuple[str, ...]
    day: str | None = None


def changes_rows(uri: str, version: int, compared: Compared, until: date) -> bool:
    """Whether a commit changed a row dated on or before a day."""
    return _first_change(uri, version, compared, until, is_day_wanted=False) is not None


def first_change(uri: str, version: int, compared: Compared, until: date) -> date | None:
    """The first day, up to one, whose rows a commit changed; None if there is none.

    It is ``date.min`` for a table whose rows have no day, and the first day of the month if maintenance deleted files
    that the commit removed, so that the days can no longer be told.
    """
    return _first_change(uri, version, compared, until, is_day_wanted=True)


def _first_change(
    uri: str, version: int, compared: Compared, until: date, *, is_day_wanted: bool
) -> date | None:
    files = delta.changed_files(uri, version)
    if files is None:
        return date.min
    by_month: dict[str, tuple[list[delta.DataFile], list[delta.DataFile]]] = defaultdict(lambda: ([], []))
    for file in files:
        by_month[file.month][file.is_added].append(file)
    for month, (removed, added) in sorted(by_month.items()):
        first = date.fromisoformat(month) if month else date.min
        if first > until:
            break
        is_over = not month or month_after(first) <= until
        if is_over and bool(removed) != bool(added) and not is_day_wanted:
            return first  # all its rows came or went
        try:
            before, after = (_sums(uri, part, compared, until) for part in (removed, added))
        except FileNotFoundError:
            return first
        if changed := [day for day in before.keys() | after.keys() if before.get(day) != after.get(day)]:
            return min(changed)
    return None


def _sums(uri: str, files: Iterable[delta.DataFile], compared: Compared, until: date) -> Sums:
    total: Sums = {}
    for file in files:
        for day, (rows, hashes) in _sums_of_file(uri, file.path, compared).items():
            if day <= until:
                others = total.get(day, (0, 0))
                total[day] = (others[0] + rows, others[1] + hashes)
    return total


@lru_cache(maxsize=4096)
def _sums_of_file(uri: str, path: str, compared: Compared) -> Sums:
    """The sums of a table's file, which are looked up by its path because no file changes.

    Raises:
        FileNotFoundError: the file was deleted.

    """
    rows = ds.dataset(path, filesystem=place.of(uri).as_arrow(), format="parquet")
    held = set(rows.schema.names)
    hashed = ", ".join(f'"{name}"' if name in held else "NULL" for name in compared.columns)
    day = f'CAST("{compared.day}" AS DATE)' if compared.day else f"DATE '{date.min}'"
    with questions.connection() as connection:
        connection.register("rows", rows)
        found = connection.execute(
            f"SELECT {day}, count(*), sum(hash({hashed})) FROM rows GROUP BY 1"
        ).fetchall()
    return {day: (count, int(hashes)) for day, count, hashes in found}
