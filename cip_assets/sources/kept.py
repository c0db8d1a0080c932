"""Keeps what was made of the exports, so that a scan costs what changed.

``.staged`` in the data folder holds the texts of each file, and what the last conversion was made from and what it
wrote. Both are known by the contents of the files and by our own code, so neither can be out of date. It can be deleted
while nothing runs: what it held is made again.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from cip_assets.contracts import text_formats
from cip_assets.sources.reading.dialect import detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member, members
from cip_assets.sources.reading.records import read
from cip_assets.storage.files import hash_file, replace_text

FOLDER = ".staged"
"""The folder below the data folder."""

LAST = "converted.json"
INDEX = "members.json"

DAMAGED = (OSError, ValueError, LookupError, TypeError, pa.ArrowException)
"""What reading something damaged raises."""

LIBRARIES = ("duckdb", "pyarrow", "python-calamine")
"""What reads and computes beside our own code."""


@dataclass(frozen=True)
class Texts:
    """The texts of a member of a file.

    Grain of the Parquet file at ``path``: one row per record. Key: ``line``, as in ``reading.records``. Then come
    ``text_0``, ``text_1`` and so on, one for each of ``columns``, and ``record_text`` and ``problem``.
    """

    name: str
    sha256: str
    """The hash of the unpacked bytes, by which copies are known."""
    columns: Sequence[str]
    path: Path


class Kept:
    """What is kept in a data folder, while no other process uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def texts_of(self, path: Path) -> list[Texts]:
        """The texts of all members of a file. The file is read only if it is not known.

        Raises:
            UnreadableExport: it cannot be read, or it changed while it was read.

        """
        sha256 = hash_of(path)
        # The name decides, too: some names say that a file holds no records.
        folder = self._folder / digest(code(), path.name, sha256)
        self._used.add(folder.name)
        found = _known(folder)
        if found is None:
            shutil.rmtree(folder, ignore_errors=True)
            scratch = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            index = [
                _stage(member, scratch / f"{place}.parquet") for place, member in enumerate(members(path))
            ]
            if hash_of(path) != sha256:
                raise UnreadableExport(
                    path.name, "it changed while it was read; run again when it is complete"
                )
            (scratch / INDEX).write_text(json.dumps({"members": index}), encoding="utf-8")
            scratch.replace(folder)
            found = _texts(folder, index)
        return found

    def converted(self, made_from: str, files: Mapping[str, str]) -> Any:
        """What was said of the last conversion, if it was made from the same and its files are as it wrote them.

        None otherwise, or if other code made it.
        """
        try:
            last = json.loads((self._folder / LAST).read_text(encoding="utf-8"))
            is_same = last["made_from"] == digest(code(), made_from) and last["files"] == files
            return last["about"] if is_same else None
        except DAMAGED:
            return None

    def keep_conversion(self, made_from: str, files: Mapping[str, str], about: object) -> None:
        """Keep what a conversion was made from and what it wrote, and only the texts that it used."""
        last = {"made_from": digest(code(), made_from), "files": files, "about": about}
        replace_text(self._folder / LAST, json.dumps(last))
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.name not in self._used:
                shutil.rmtree(folder)


@contextmanager
def kept_in(data_dir: Path) -> Iterator[Kept]:
    """What is kept in a data folder. Another process that wants it waits."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield Kept(folder)


def hash_of(path: Path) -> str:
    """The hash of a file.

    Raises:
        UnreadableExport: it cannot be opened.

    """
    try:
        return hash_file(path)[1]
    except OSError as error:
        raise UnreadableExport(path.name, f"it cannot be opened ({error.strerror})") from error


def digest(*parts: object) -> str:
    """A short text that is the same for the same parts."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]


@cache
def code() -> str:
    """Changes with any code that reads exports or makes landing files of them."""
    sources = sorted([*Path(__file__).parent.rglob("*.py"), Path(text_formats.__file__)])
    return digest(
        sys.version, [version(name) for name in LIBRARIES], [hash_file(path)[1] for path in sources]
    )


def _known(folder: Path) -> list[Texts] | None:
    """The texts in a folder; None if something is missing or damaged."""
    try:
        found = _texts(folder, json.loads((folder / INDEX).read_text(encoding="utf-8"))["members"])
        for each in found:
            pq.read_metadata(each.path)
    except DAMAGED:
        return None
    return found


def _texts(folder: Path, index: Iterable[Mapping[str, Any]]) -> list[Texts]:
    return [Texts(**member, path=folder / f"{place}.parquet") for place, member in enumerate(index)]


def _stage(member: Member, path: Path) -> Mapping[str, Any]:
    """Write the texts of a member; returns what the index says of it."""
    sha256, dialect = member.sha256, detect(member)
    texts = [f"text_{place}" for place, _ in enumerate(dialect.columns)]
    names = ["line", *texts, "extra", "field_count", "record_text", "problem"]
    wanted = ["line", *texts, "record_text", "problem"]
    schema = pa.schema([(name, pa.int64() if name == "line" else pa.string()) for name in wanted])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in read(member, dialect):
            writer.write_batch(batch.rename_columns(names).select(wanted))
    return {"name": member.name, "sha256": sha256, "columns": dialect.columns}
