"""Finds the parts of a table that were never written. In a query they look like parts without rows."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

from cip_assets.config.errors import PlatformError, listed
from cip_assets.storage import delta
from cip_assets.storage.delta import Slice

WHOLE = ""
"""The key that a table without months has in place of a month."""

RANGE = re.compile(r"^(?P<start>[\d-]{10})(?:[.]{3}(?P<end>[\d-]{10}))?$")


def require_written(uri: str, only: Slice | None) -> None:
    """Refuse to read a slice that was never written. A slice that was written without rows is accepted.

    Raises:
        PlatformError: a partition of the slice was not written by any commit, or only by commits that were undone.

    """
    never = sorted(_never_written(uri, only)) if only else []
    if never and only:
        name, is_month = delta.table_name(uri), only.column == "month"
        keys = listed([key[:7] for key in never] if is_month else never)
        job = "ingest" if is_month else "snapshot"
        command = "cip run" if is_month else f"cip run --as-of {never[-1]}"
        raise PlatformError(
            f"{name}: {keys} was never computed; materialize {name} for {keys} first "
            f"(job {job}, or '{command}')"
        )


def _never_written(uri: str, only: Slice) -> set[str]:
    """The partitions of a slice that have no rows in the table and no commit in its history."""
    newest = delta.newest_commit(uri)
    if newest is None:
        return set(_partitions(only))
    missing = set(_partitions(only)) - {str(day) for day in delta.slices(uri, only.column, newest)}
    commits = delta.standing(uri, newest.version) if missing else iter(())
    for commit in commits:
        written = str(commit.audit.get("partition") or "")
        missing = {key for key in missing if not (written and covers(written, key))}
        if not missing:
            break
    return missing


def _partitions(only: Slice) -> Iterator[str]:
    day = only.start
    while day < only.end:
        yield str(day)
        day = month_after(day) if only.column == "month" else day + timedelta(days=1)


def month_after(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def covers(partition: str, key: str) -> bool:
    """Whether a commit's partition, which may be a range, includes a key; a table without partitions has ``WHOLE``."""
    span = RANGE.match(partition)
    start, end = (span["start"], span["end"] or span["start"]) if span else (WHOLE, WHOLE)
    return start <= key <= end
