"""Reads bytes as a test needs them."""

from pathlib import Path
from typing import Any

from cip_assets.sources.reading.dialect import Dialect, detect
from cip_assets.sources.reading.members import Member, members
from cip_assets.sources.reading.records import read


def member_of(path: Path, content: bytes | str) -> Member:
    """The only member of a file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (member,) = members(path)
    return member


def dialect_of(path: Path, content: bytes | str) -> Dialect:
    return detect(member_of(path, content))


def records_of(path: Path, content: bytes | str) -> list[dict[str, Any]]:
    """All records of a file, as read."""
    member = member_of(path, content)
    return [record for batch in read(member, detect(member)) for record in batch.to_pylist()]


def values_of(path: Path, content: bytes | str) -> list[tuple[Any, ...]]:
    """For each record its line, the values of its columns, and its problem."""
    member = member_of(path, content)
    dialect = detect(member)
    return [
        (record["line"], *(record[name] for name in dialect.columns), record["problem"])
        for batch in read(member, dialect)
        for record in batch.to_pylist()
    ]
