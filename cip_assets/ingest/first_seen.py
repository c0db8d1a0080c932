"""When event files without a ``dt=`` were first seen.

The path of such a file does not say when it was delivered. If a scan finds it that is not the first one with files of
its table, it was delivered then, whatever days its events have. Of a table's first files nobody knows, so the latest
event date in each stands for its delivery.

``first_seen.csv`` in the data folder remembers every content that was seen. It is beside the lake and not in it: if the
lake is deleted and computed again, the same lines must win.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

from cip_assets.config.errors import PlatformError
from cip_assets.storage.files import replace_text

HEADER = ("table", "sha256", "first_seen", "path")


@dataclass(frozen=True)
class Seen:
    """The content of a file that a scan found; ``path`` is where it was when it was first seen."""

    table: str
    sha256: str
    path: str


Moments = Mapping[tuple[str, str], datetime | None]
"""When each content was first seen, by table and hash; None if it is one of the first of its table."""


def first_seen(record: Path, files: Iterable[Seen], now: datetime) -> Moments:
    """When the contents of all files were first seen. New ones are remembered.

    They are seen after all others, also if the clock has gone back since.

    Args:
        record: the file that remembers; nothing was seen yet if it is not there.
        files: what a scan found.
        now: the moment of that scan, with its time zone.

    Raises:
        PlatformError: the record cannot be read.

    """
    rows = _read(record) if record.exists() else {}
    before, known = len(rows), {table for table, _ in rows}
    others = (datetime.fromisoformat(moment) for moment, _ in rows.values() if moment)
    latest = max([now, *(moment + timedelta(microseconds=1) for moment in others)])
    for file in files:
        moment = latest.astimezone(UTC).isoformat() if file.table in known else ""
        rows.setdefault((file.table, file.sha256), (moment, file.path))
    if len(rows) > before:
        _write(record, rows)
    return {
        content: datetime.fromisoformat(moment) if moment else None for content, (moment, _) in rows.items()
    }


def replacing(record: Path, table: str, before: str, after: str) -> None:
    """Remember that a content, by its hash, was seen when the one was that it is about to replace.

    Raises:
        PlatformError: the record cannot be read.

    """
    rows = _read(record) if record.exists() else {}
    if found := rows.get((table, before)):
        _write(record, {(table, after): found, **rows})


def forget(record: Path, table: str, sha256: str) -> None:
    """Forget a content that was replaced.

    Raises:
        PlatformError: the record cannot be read.

    """
    rows = _read(record) if record.exists() else {}
    if rows.pop((table, sha256), None):
        _write(record, rows)


def remembered(record: Path) -> Mapping[Seen, datetime | None]:
    """Every content that was ever seen, and when, as in ``Moments``; nothing if there is no record.

    Raises:
        PlatformError: the record cannot be read.

    """
    rows = _read(record) if record.exists() else {}
    return {
        Seen(table, sha256, path): datetime.fromisoformat(moment) if moment else None
        for (table, sha256), (moment, path) in rows.items()
    }


def _write(record: Path, rows: Mapping[tuple[str, str], tuple[str, str]]) -> None:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((*content, *row) for content, row in rows.items())
    replace_text(record, text.getvalue())


def _read(record: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """The moment and the path of each content, by table and hash."""
    try:
        header, *rows = csv.reader(record.read_text(encoding="utf-8").splitlines())
        found = {(table, sha256): (moment, path) for table, sha256, moment, path in rows}
        moments = [datetime.fromisoformat(moment) for moment, _ in found.values() if moment]
    except (OSError, ValueError, csv.Error) as error:
        raise _damaged(record, str(error)) from error
    if tuple(header) != HEADER:
        raise _damaged(record, f"its header is not {','.join(HEADER)}")
    if any(moment.tzinfo is None for moment in moments):
        raise _damaged(record, "a moment has no time zone")
    return found


def _damaged(record: Path, why: str) -> PlatformError:
    return PlatformError(
        f"{record} cannot be read ({why}); put it back as it was, or delete it: then the latest event date of a file "
        "without a dt= counts as its delivery"
    )
