"""Files on this machine: hashing them, and replacing one in one step."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class Written:
    """The file that an export wrote."""

    path: Path
    sha256: str
    size_bytes: int
    row_count: int | None = None


def hash_file(path: Path) -> tuple[int, str]:
    """Size and SHA-256 hash of the file as it is on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def replace_text(target: Path, text: str) -> Written:
    """Write a text to a file, which is replaced in one step, and only by what is on the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    content = text.encode()
    with scratch.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(target)
    return Written(target, hashlib.sha256(content).hexdigest(), len(content))


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


IN_USE = "in_use"
"""The file in a scratch folder that its writer holds locked. The lock ends with the process."""


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """A folder on the disk of a file that is to be written. What killed writers of the file left there is deleted."""
    prefix = f".{target.name}-"
    for left in target.parent.glob(f"{prefix}*"):
        if not (left / IN_USE).exists():
            with suppress(
                OSError
            ):  # not empty: its writer has begun; if it is empty and in use, the lock makes it again
                left.rmdir()
            continue
        with suppress(Timeout), FileLock(left / IN_USE, blocking=False):
            shutil.rmtree(left)
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix, ignore_cleanup_errors=True) as scratch,
        FileLock(Path(scratch, IN_USE)),
    ):
        yield Path(scratch)
