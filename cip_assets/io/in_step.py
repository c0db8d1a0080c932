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
    rows = [
        r for r in delta.open_table(manifest_uri).to_pyarrow_table().to_pylist() if r["table_name"] == table
    ]
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


def months_out_of_step(manifest_uri: str, table: str, stages: Mapping[tuple[str, ...], str]) -> set[str]:
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
        histories = [delta.history(delta.open_table(uri)) for uri in uris if delta.exists(uri)]
        written_with = [code_by_month(commits, landed) for commits in histories]
        # A table that never had a row in a month has no commit for it, and no say.
        for month in landed:
            if {codes[month] for codes in written_with if month in codes} != {code_version}:
                stale.add(month)
    return stale


def code_by_month(commits: Iterable[delta.Commit], months: Iterable[str]) -> dict[str, str]:
    """For each month that was written, the code version of its newest write; "restored" after a restore."""
    undecided, found = set(months), dict[str, str]()
    for commit in commits:
        if commit.operation == "RESTORE":
            return found | dict.fromkeys(undecided, "restored")
        span = RANGE.match(str(commit.audit.get("partition", "")))
        if span is None:
            continue
        start, end = span["start"], span["end"] or span["start"]
        for month in {month for month in undecided if start <= month <= end}:
            undecided.remove(month)
            found[month] = str(commit.audit.get("code_version"))
    return found
