"""Which months of a table are not what the landing folder and the present code would make them.

The lake tells by itself: every row carries its file and that file's hash, and every commit the code
version it was written with. So there is no ledger that could disagree with the tables.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import duckdb

from cip_assets.io import delta

Holdings = Mapping[str, Mapping[tuple[str, str], int]]
"""For each month (its first day) the rows that each file, by path and version, has in it."""

RANGE = re.compile(r"^(?P<start>[\d-]{10})(?:[.]{3}(?P<end>[\d-]{10}))?$")


def held_by_landing(manifest_uri: str, table: str) -> Holdings:
    """What the manifest says that the files of a table hold."""
    found: dict[str, dict[tuple[str, str], int]] = {}
    for row in delta.open_table(manifest_uri).to_pyarrow_table().to_pylist():
        if row["table_name"] == table and row["problem"] is None:
            for month, rows in row["month_rows"]:
                found.setdefault(month, {})[row["path"], row["sha256"][:16]] = rows
    return found


def problems(manifest_uri: str, table: str) -> list[str]:
    """What keeps a table from being read: its broken files, or that there is none."""
    rows = [r for r in delta.open_table(manifest_uri).to_pyarrow_table().to_pylist() if r["table_name"] == table]
    if not rows:
        return [f"{table}: no file landed"]
    return [f"{table}: {row['path']}: {row['problem']}" for row in rows if row["problem"]]


def held_by_tables(uris: Sequence[str]) -> Holdings:
    """What some tables hold together, such as cleaned and quarantine; nothing where one is not written."""
    if not all(delta.exists(uri) for uri in uris):
        return {}
    found: dict[str, dict[tuple[str, str], int]] = {}
    with duckdb.connect() as connection:
        parts = []
        for number, uri in enumerate(uris):
            connection.register(f"part_{number}", delta.open_table(uri).to_pyarrow_dataset())
            parts.append(f"SELECT month, source_file, source_version FROM part_{number}")
        rows = connection.execute(
            f"SELECT month, source_file, source_version, count(*) FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL"
        ).fetchall()
    for month, file, version, count in rows:
        found.setdefault(month.isoformat(), {})[file, version] = count
    return found


def months_out_of_step(
    manifest_uri: str, table: str, stages: Mapping[tuple[str, ...], str]
) -> set[str]:
    """The months of a table that must be run again.

    Args:
        manifest_uri: the manifest, as scanned last.
        table: a source table of events.
        stages: for each set of tables that together hold every line, the code version they should have.
    """
    landed = held_by_landing(manifest_uri, table)
    stale: set[str] = set()
    for uris, code_version in stages.items():
        held = held_by_tables(uris)
        stale |= {month for month in landed.keys() | held.keys() if landed.get(month) != held.get(month)}
        for uri in uris:
            if delta.exists(uri):
                current = months_written_with(delta.history(delta.open_table(uri)), code_version, landed)
                stale |= landed.keys() - current
    return stale


def months_written_with(
    commits: Iterable[delta.Commit], code_version: str, months: Iterable[str]
) -> set[str]:
    """The months whose newest write was made by this code version; a restore makes all before it unknown."""
    undecided, current = set(months), set()
    for commit in commits:
        if commit.operation == "RESTORE":
            break
        span = RANGE.match(str(commit.audit.get("partition", "")))
        if span is None:
            continue
        start, end = span["start"], span["end"] or span["start"]
        covered = {month for month in undecided if start <= month <= end}
        undecided -= covered
        if commit.audit.get("code_version") == code_version:
            current |= covered
    return current
