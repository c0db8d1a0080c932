"""Which parts of a table are not what the landing folder and the present code would make them.

The lake tells by itself: every row carries its file and that file's hash, and every commit the code
version it was written with. So there is no ledger that could disagree with the tables.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import duckdb

from cip_assets.contracts import SourceTable
from cip_assets.io import delta
from cip_assets.io.landing import ManifestEntry, newest_delivery

Holdings = Mapping[str, Mapping[tuple[str, str], int]]
"""For each month (its first day; ``WHOLE`` for a snapshot table) the rows of each file, by path and version."""

WHOLE = ""
"""Stands for the month of a table that has none."""

RANGE = re.compile(r"^(?P<start>[\d-]{10})(?:[.]{3}(?P<end>[\d-]{10}))?$")


def read_manifest(uri: str) -> dict[str, list[ManifestEntry]]:
    """The files of each table, as they were scanned last; nothing before the first scan."""
    if not delta.exists(uri):
        return {}
    found: dict[str, list[ManifestEntry]] = {}
    rows = delta.open_table(uri).to_pyarrow_table().to_pylist()
    for row in sorted(rows, key=lambda row: str(row["path"])):
        found.setdefault(row["table_name"], []).append(manifest_entry(row))
    return found


def manifest_entry(row: Mapping[str, Any]) -> ManifestEntry:
    """An entry from a row of the manifest, as it is read from the table or made by a scan."""
    wanted = {field.name: row[field.name] for field in fields(ManifestEntry)}
    return ManifestEntry(**{**wanted, "month_rows": dict(row["month_rows"])})


def held_by_landing(source: SourceTable, entries: Sequence[ManifestEntry]) -> Holdings:
    """What the readable files of a table hold."""
    readable = [entry for entry in entries if entry.problem is None]
    if not source.is_event:
        rows = {(e.path, e.version): e.row_count for e in newest_delivery(readable) if e.row_count}
        return {WHOLE: rows} if rows else {}
    found: dict[str, dict[tuple[str, str], int]] = {}
    for entry in readable:
        for month, count in entry.month_rows.items():
            found.setdefault(month, {})[entry.path, entry.version] = count
    return found


def landed_rows(source: SourceTable, entries: Sequence[ManifestEntry], only: delta.Slice | None) -> int:
    """The lines that the manifest counted, of all months or those of a slice."""
    held = held_by_landing(source, entries)
    months = [m for m in held if only is None or str(only.start) <= m < str(only.end)]
    return sum(rows for month in months for rows in held[month].values())


def held_by_tables(uris: Sequence[str], *, by_month: bool) -> Holdings:
    """What some tables hold together, such as cleaned and quarantine; nothing where one is not written."""
    if not all(delta.exists(uri) for uri in uris):
        return {}
    month = "month" if by_month else f"'{WHOLE}'"
    found: dict[str, dict[tuple[str, str], int]] = {}
    with duckdb.connect() as connection:
        parts = []
        for number, uri in enumerate(uris):
            connection.register(f"part_{number}", delta.open_table(uri).to_pyarrow_dataset())
            parts.append(f"SELECT {month}, source_file, source_version FROM part_{number}")
        rows = connection.execute(
            f"SELECT *, count(*) FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL"
        ).fetchall()
    for in_month, file, version, count in rows:
        found.setdefault(str(in_month), {})[file, version] = count
    return found


def out_of_step(
    source: SourceTable, entries: Sequence[ManifestEntry], stages: Sequence[Mapping[str, str]]
) -> set[str]:
    """The months of a table that must be run again; ``WHOLE`` for a snapshot table.

    Args:
        source: the table.
        entries: its files, from the manifest.
        stages: sets of tables that together hold every line, each table with the code version it should have.

    """
    landed = held_by_landing(source, entries)
    stale: set[str] = set()
    for codes in stages:
        held = held_by_tables(list(codes), by_month=source.is_event)
        stale |= {month for month in landed.keys() | held.keys() if landed.get(month) != held.get(month)}
        written_with = {
            uri: code_by_month(delta.history(delta.open_table(uri)), landed)
            for uri in codes
            if delta.exists(uri)
        }
        for month in landed:
            # A table that never had a row in a month has no commit for it, and no say.
            found = {uri: by_month[month] for uri, by_month in written_with.items() if month in by_month}
            if not found or any(codes[uri] != code for uri, code in found.items()):
                stale.add(month)
    return stale


def code_by_month(commits: Iterable[delta.Commit], months: Iterable[str]) -> dict[str, str]:
    """For each month that was written, the code version of its newest write; "restored" after a restore."""
    undecided, found = set(months), dict[str, str]()
    for commit in commits:
        if commit.operation == "RESTORE":
            return found | dict.fromkeys(undecided, "restored")
        if "code_version" not in commit.audit:
            continue
        partition = str(commit.audit.get("partition", ""))
        for month in {month for month in undecided if covers(partition, month)}:
            undecided.remove(month)
            found[month] = str(commit.audit["code_version"])
    return found


def covers(partition: str, key: str) -> bool:
    """Whether a commit's partition, which may be a range, has a key; the partition of a whole table has ``WHOLE``."""
    span = RANGE.match(partition)
    start, end = (span["start"], span["end"] or span["start"]) if span else (WHOLE, WHOLE)
    return start <= key <= end
