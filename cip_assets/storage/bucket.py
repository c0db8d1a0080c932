"""A data folder in an S3 bucket. Credentials and the endpoint are in the usual ``AWS_`` variables.

The engine, delta-rs and pyarrow read and write Delta tables there themselves. All other files have copies on this
machine. ``COPIED`` in the folder of the copies says which object each copy was made from, by its tag.
"""

import json
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import obstore
from filelock import FileLock
from obstore.exceptions import AlreadyExistsError, InvalidPathError, PreconditionError
from obstore.store import S3Store
from pyarrow.fs import S3FileSystem, SubTreeFileSystem

from cip_assets.config.errors import PlatformError
from cip_assets.storage.files import replace_text
from cip_assets.storage.lease import lease

COPIED = ".copied.json"

NOT_COPIED = ("lake", "known")
"""The Delta tables, and the data folders of other days, which have copies of their own."""

Copied = dict[str, tuple[str, int, int]]
"""For each copy the tag of its object, and its own size and time (in nanoseconds): another copy has others."""


class Object:
    """A file in a bucket."""

    def __init__(self, bucket: str, found: Mapping[str, Any]) -> None:
        self.path = str(found["path"])
        self.name = self.path.rpartition("/")[2]
        self.size = int(found["size"])
        self.tag = str(found["e_tag"])
        self._bucket, self._found = bucket, found

    @property
    def stamp(self) -> Hashable:
        return self.tag

    @property
    def changed(self) -> float:
        return float(self._found["last_modified"].timestamp())

    def read(self) -> bytes:
        return _content(self._bucket, self.path, self.tag)


class Bucket:
    """A folder in a bucket."""

    def __init__(self, address: str) -> None:
        self._address = address
        bucket, _, self._prefix = address.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._store = _store(bucket)

    def files(self, folder: str) -> Sequence[Object]:
        found = obstore.list_with_delimiter(self._store, self._path(folder))
        return [Object(self._bucket, each) for each in found["objects"]]

    def file(self, name: str) -> Object | None:
        try:
            return Object(self._bucket, obstore.head(self._store, self._path(name)))
        except FileNotFoundError:
            return None

    def below(self, folder: str = "") -> Sequence[str]:
        found = (str(each["path"]) for part in obstore.list(self._store, self._path(folder)) for each in part)
        return [path.removeprefix(f"{self._prefix}/") for path in found]

    def delete(self, names: Iterable[str]) -> None:
        obstore.delete(self._store, [self._path(name) for name in names])

    def as_arrow(self) -> SubTreeFileSystem:
        return SubTreeFileSystem(f"{self._bucket}/{self._prefix}", _for_arrow())

    def one_writer(self) -> AbstractContextManager[None]:
        folder, _, name = self._prefix.rpartition("/")
        return lease(self._store, f"{folder}/.{name}.lock")

    def fetch(self, copies: Path) -> None:
        """Copy the files that are new or have changed, and remove the copies of those that are gone.

        Files of ``copies`` that were never in the bucket stay.
        """
        with _one_process(copies):
            before, now = _copied(copies), Copied()
            for found in self._others():
                name = found.path.removeprefix(f"{self._prefix}/")
                if before.get(name) == (found.tag, *_state(copies / name)):
                    now[name] = before[name]
                elif self._copy(found, copies / f"{COPIED}.new", copies / name):
                    now[name] = (found.tag, *_state(copies / name))
            for name in before.keys() - now.keys():
                (copies / name).unlink(missing_ok=True)
            if now != before:
                replace_text(copies / COPIED, json.dumps(now))

    def _others(self) -> Iterator[Object]:
        """The objects of all files but the Delta tables.

        Raises:
            PlatformError: an object has a name that no file can have.

        """
        try:
            top = obstore.list_with_delimiter(self._store, self._prefix or None)
            yield from (Object(self._bucket, each) for each in top["objects"])
            for folder in top["common_prefixes"]:
                if folder.rpartition("/")[2] not in NOT_COPIED:
                    for found in obstore.list(self._store, folder):
                        yield from (Object(self._bucket, each) for each in found)
        except InvalidPathError as error:
            why = str(error).splitlines()[0]
            raise PlatformError(f"{self._address}: {why}: rename or remove the object") from error

    def _copy(self, found: Object, scratch: Path, path: Path) -> bool:
        """Copy an object; False if it is gone since it was listed, or is only the name of a folder."""
        try:
            with scratch.open("wb") as stream:
                for part in obstore.get(self._store, found.path).stream():
                    stream.write(part)
        except FileNotFoundError:
            return False
        os.utime(scratch, (found.changed, found.changed))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.replace(path)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise PlatformError(
                f"{self._address}: {found.path!r} is both a file and a folder: rename or remove one of them"
            ) from error
        return True

    def publish(self, copies: Path, path: Path, *, is_only_here: bool = False) -> None:
        """Send a copy, unless it is as it was sent or fetched last."""
        name = PurePosixPath(path.relative_to(copies)).as_posix()
        with _one_process(copies):
            copied = _copied(copies)
            before, state = copied.get(name, ("", 0, 0)), _state(path)
            if before[1:] == state:
                return
            mode: Any = "overwrite"
            if is_only_here:
                mode = {"e_tag": before[0]} if before[0] else "create"
            try:
                sent = obstore.put(self._store, self._path(name), path, mode=mode)
            except (AlreadyExistsError, InvalidPathError, PreconditionError) as error:
                raise PlatformError(
                    f"{self._address}/{name} was changed by another process at the same time: run the command again"
                ) from error
            copied[name] = (str(sent["e_tag"]), *state)
            replace_text(copies / COPIED, json.dumps(copied))

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}".strip("/")


def _one_process(copies: Path) -> FileLock:
    copies.mkdir(parents=True, exist_ok=True)
    return FileLock(copies / f"{COPIED}.lock")


def _copied(copies: Path) -> Copied:
    path = copies / COPIED
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: (tag, size, changed) for name, (tag, size, changed) in found.items()}


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _endpoint() -> str:
    """The endpoint of another service than AWS; empty if there is none."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


@lru_cache(maxsize=1024)
def _content(bucket: str, path: str, tag: str) -> bytes:  # noqa: ARG001 -- another content has another tag
    """The content of an object. A run reads the same commits many times."""
    return bytes(obstore.get(_store(bucket), path).bytes())


@lru_cache
def _store(bucket: str) -> S3Store:
    """The bucket for obstore, which takes the variables that delta-rs and Sail take."""
    if _endpoint().startswith("http://"):
        os.environ.setdefault("AWS_ALLOW_HTTP", "true")
    return S3Store(bucket, retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=30)})


@lru_cache
def _for_arrow() -> S3FileSystem:
    """All buckets for pyarrow, which takes credentials and the region from the variables, but not the endpoint."""
    scheme, _, host = _endpoint().rpartition("://")
    return S3FileSystem(endpoint_override=host or None, scheme=scheme or "https")
