"""When files without a ``dt=`` were first seen.

The path of such a file does not say when it was delivered. If a later scan than the first one finds it, it was
delivered then, whatever days its events have. Of the files that the first scan finds nobody knows, so the latest event
date in each stands for its delivery.

``first_seen.csv`` in the data folder remembers every content that was seen. It is beside the lake and not in it: if the
lake is deleted and computed again, the same lines must win.
"""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from cip_assets.config.errors import PlatformError
from cip_assets.storage.files import replace_text

HEADER = ("sha256", "first_seen", "path")


def first_seen(
    record: Path, files: Iterable[tuple[str, str]], now: datetime
) -> Mapping[str, datetime | None]:
    """When each content was first seen, by its hash; None if the first scan found it. New ones are remembered.

    Args:
        record: the file that remembers; if it is not there, this is the first scan.
        files: the path and the hash of each file.
        now: the moment of this scan, with its time zone.

    Raises:
        PlatformError: the record cannot be read.

    """
    is_first = not record.exists()
    rows = {} if is_first else _read(record)
    before = len(rows)
    for path, sha256 in files:
        rows.setdefault(sha256, ("" if is_first else now.astimezone(UTC).isoformat(), path))
    if is_first or len(rows) > before:
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows((sha256, *row) for sha256, row in rows.items())
        replace_text(record, text.getvalue())
    return {
        sha256: datetime.fromisoformat(moment) if moment else None for sha256, (moment, _) in rows.items()
    }


def _read(record: Path) -> dict[str, tuple[str, str]]:
    """The moment and the path of each hash."""
    try:
        header, *rows = csv.reader(record.read_text(encoding="utf-8").splitlines())
        found = {sha256: (moment, path) for sha256, moment, path in rows}
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
