"""Folders whose names hold blanks, `#`, `%`, `?`, brackets or letters of any script.

A path is handed on as it is, never as a URL: delta-rs, Apache Spark, DuckDB and Python take it so. What cannot is
given another path to the same folder, a link with a plain name (``plain_path``). What nothing helps against
is refused before anything is written (``check_folder``).
"""

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from cip_assets.config.errors import PlatformError

PLAIN = re.compile(r"[.]?[\w=-][\w=.-]*", re.ASCII)
"""A part of a path that means the same as text, as a URL and as a pattern of file names."""

IMPOSSIBLE = re.compile(r"%[0-9A-Fa-f]{2}|[\x00-\x1f\x7f\\]|[\ud800-\udfff]")
"""What delta-rs cannot open a table under, however it is written: it turns a path into a URL itself and decodes it
once more than it encoded it, takes a backslash for a slash, and has no control characters and only UTF-8.
"""


def check_folder(path: Path) -> None:
    """Refuse a folder that Delta tables cannot lie in.

    Raises:
        PlatformError: with the folder and what is wrong in its path.

    """
    for name in (str(path), os.path.realpath(path)):
        if found := IMPOSSIBLE.search(name):
            raise PlatformError(
                f"{name!r} cannot hold Delta tables, since its path has {found[0]!r} in it: "
                "rename the folder, or name another in CIP_DATA_DIR"
            )


def plain_path(path: Path) -> Path:
    """The path itself, or one through a link, such that all its parts are plain.

    The links lie in a folder of this user's in the temporary one: a link for each folder, which stays.

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
        temporary = Path("/tmp")  # noqa: S108 -- whose it is, is checked below
    links = temporary / f"cip-{os.getuid()}"
    links.mkdir(mode=0o700, exist_ok=True)
    found = links.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or links.is_symlink():
        raise PlatformError(f"{links} is not a folder that only you can write to: remove it, or set TMPDIR")
    return links
