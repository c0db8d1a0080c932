"""Folders whose names contain blanks, `#`, `%`, `?`, brackets or letters of any script.

A path is passed on as it is, never as a URL, because delta-rs, Apache Spark, DuckDB and Python accept it so. Other
libraries get a different path to the same folder: a link with a plain name (``plain_path``). A folder that cannot work
at all is refused before anything is written (``check_folder``).
"""

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from cip_assets.config.errors import PlatformError

PLAIN = re.compile(r"[.]?[\w=-][\w=.-]*", re.ASCII)
"""A part of a path that means the same as text, as a URL and as a file name pattern."""

IMPOSSIBLE = re.compile(r"%[0-9A-Fa-f]{2}|[\x00-\x1f\x7f\\]|[\ud800-\udfff]")
"""Parts of a path below which delta-rs cannot open a table. It turns a path into a URL and decodes it once more than it
encoded it, treats a backslash as a slash, and supports no control characters and only UTF-8.
"""


BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[\w=-][\w=.-]*)*", re.ASCII)
"""An address in a bucket, all parts of which mean the same as text and as a URL."""


def check_address(address: str) -> None:
    """Refuse an address that is not one in an S3 bucket.

    Raises:
        PlatformError: it is another one, or has other characters.

    """
    if not BUCKET.fullmatch(address):
        raise PlatformError(
            f"CIP_DATA_DIR={address!r} is not an address that the platform works at: set it to s3://bucket/prefix with "
            "only letters a to z, digits, '.', '_', '-' and '=', or to a folder, such as /path/to/shop or ~/shop"
        )


def working_folder(address: str) -> Path:
    """The folder of this machine for a bucket: for copies of its files, and for Dagster's history.

    It is in the folder in ``CIP_WORK_DIR``, by default ``~/.local/share/cip``.
    """
    named = os.environ.get("CIP_WORK_DIR") or "~/.local/share/cip"
    return Path(os.path.expanduser(named)).absolute() / address.removeprefix("s3://")  # noqa: PTH111 -- as in settings


def check_folder(path: Path) -> None:
    """Refuse a folder that cannot hold Delta tables.

    Raises:
        PlatformError: the path contains something that delta-rs cannot open.

    """
    for name in (str(path), os.path.realpath(path)):
        if found := IMPOSSIBLE.search(name):
            raise PlatformError(
                f"{name!r} cannot hold Delta tables because its path contains {found[0]!r}: "
                "rename the folder, or set CIP_DATA_DIR to another one"
            )


def plain_path(path: Path) -> Path:
    """The path itself if all its parts are plain, otherwise a path through a link with a plain name.

    The links are in a folder of this user, below the folder for temporary files. There is one per folder, and it stays.

    Raises:
        PlatformError: the folder of links belongs to another user.

    """
    path = path.absolute()
    odd = [place for place, part in enumerate(path.parts) if place and not PLAIN.fullmatch(part)]
    if not odd:
        return path
    end = odd[-1] + 1
    return _link_to(Path(*path.parts[:end])).joinpath(*path.parts[end:])


def _link_to(folder: Path) -> Path:
    link = _folder_of_links() / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    if not link.is_symlink():
        with suppress(FileExistsError):  # made by another process in the meantime
            link.symlink_to(folder)
    return link


def _folder_of_links() -> Path:
    temporary = Path(tempfile.gettempdir())
    if not all(PLAIN.fullmatch(part) for part in temporary.parts[1:]):
        temporary = Path("/tmp")  # noqa: S108 -- the owner of the folder in it is checked below
    links = temporary / f"cip-{os.getuid()}"
    links.mkdir(mode=0o700, exist_ok=True)
    found = links.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or links.is_symlink():
        raise PlatformError(f"{links} is not a folder that only you can write to: remove it, or set TMPDIR")
    return links
