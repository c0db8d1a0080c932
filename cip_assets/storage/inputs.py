"""The versions of the tables that something was computed from, as commits, materializations and evaluations tell them.

Whether it is out of date is decided by what was read and never by when, because a clock can go back. A number alone
does not tell either: a table that was deleted and written again, or that came back from a backup, has other commits
with the same numbers. So each version is told with the hash of its commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cip_assets.storage import delta

NUMBERS, COMMITS = "computed_from", "commits"
"""The entries that tell the versions: for each table its number, and the hash of its commit."""


@dataclass(frozen=True)
class Read:
    """A version of a table that was read. A file has the number 0 and its own hash."""

    number: int
    commit: str


Inputs = Mapping[str, Read]
"""The versions that were read, by the name of the table."""


def newest(uri: str) -> Read:
    """The newest version of a table.

    Raises:
        PlatformError: the table does not exist yet.

    """
    if read := newest_if_any(uri):
        return read
    raise delta.not_written(uri)


def newest_if_any(uri: str) -> Read | None:
    """The newest version of a table; None if there is no table."""
    found = delta.newest_commit(uri)
    return Read(found.version, delta.hash_of_newest(uri, found)) if found else None


def entries(inputs: Inputs) -> dict[str, dict[str, Any]]:
    """The entries that tell these versions."""
    found = sorted(inputs.items())
    return {
        NUMBERS: {name: read.number for name, read in found},
        COMMITS: {name: read.commit for name, read in found},
    }


def told_in(entries: Mapping[str, Any]) -> Inputs:
    """The versions that entries tell."""
    commits = entries.get(COMMITS, {})
    return {
        name: Read(int(number), commits.get(name, "")) for name, number in entries.get(NUMBERS, {}).items()
    }


def is_there(uri: str, read: Read | None) -> bool:
    """Whether a version that was read is in the table's log as it is now."""
    return read is not None and bool(read.commit) and delta.commit_hash(uri, read.number) == read.commit


def includes(uri: str, read: Read | None, version: int) -> bool:
    """Whether a version that was read has the commit with this number, and so all commits before it."""
    return read is not None and read.number >= version and is_there(uri, read)
