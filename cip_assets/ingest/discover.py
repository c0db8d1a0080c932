"""Finds what is in the landing folder: the files of the tables, and everything that is not read, with the reason.

Links to files and folders are followed. A file that can be reached in two ways is read once.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePath

from cip_assets.config.errors import PlatformError
from cip_assets.layers import SOURCE_TABLES

CSV_NAME = re.compile(r"[.]csv([.]gz)?\Z", re.IGNORECASE)
DELIVERY = re.compile(r"\s*dt\s*=(?P<day>.*)", re.IGNORECASE | re.DOTALL)
"""A name that is meant as a delivery date, whether valid or not."""

NAMES_SHOWN = 5

NO_TABLE = (
    "no table has this name; name it <table>.csv or <table>/<any>.csv, where <table> is one of "
    + ", ".join(SOURCE_TABLES)
)
NOT_CSV = "the name does not end in .csv or .csv.gz"
HIDDEN = "the name begins with _ or ."
READ_ALREADY = (
    "it is a link to something that is read from another path, or to a folder that contains the link"
)
LEADS_NOWHERE = "it is a broken link; correct or remove it"
NO_FILE = "it is neither a file nor a folder; remove it"
NOT_DATED = (
    "it is not in a dt= folder, so it does not count, because newer deliveries are; "
    "move it to <table>/dt=YYYY-MM-DD"
)


@dataclass(frozen=True)
class LandedFile:
    """A file of a table in the landing folder.

    If it has a ``problem``, it is not opened: its path is invalid, or it is something else that cannot be read, such as
    a folder that cannot be listed.
    """

    table: str
    path: str
    delivery_date: date | None
    problem: str | None = None

    @property
    def problem_hash(self) -> str:
        """A substitute for the hash of a file that was not read. It changes with the problem."""
        return hashlib.sha256(str(self.problem).encode()).hexdigest()


@dataclass(frozen=True)
class LeftAside:
    """A file or folder in the landing folder that is not read."""

    path: str
    reason: str

    @property
    def is_on_purpose(self) -> bool:
        """Whether its name says that it should not be read."""
        return self.reason == HIDDEN


def find_files(landing: Path) -> tuple[list[LandedFile], list[LeftAside]]:
    """The files of the tables, sorted by path, and everything else in the folder; nothing if there is no folder.

    Raises:
        PlatformError: the folder cannot be listed.

    """
    walk = _Walk(landing)
    walk.everything()
    found = sorted(walk.found, key=lambda file: file.path)
    dated = {file.table for file in found if file.delivery_date and not SOURCE_TABLES[file.table].is_event}
    older = [
        LeftAside(file.path, NOT_DATED)
        for file in found
        if file.table in dated and file.delivery_date is None and not file.problem
    ]
    return found, sorted([*walk.left_aside, *older], key=lambda left: left.path)


def landed_file(path: str) -> LandedFile:
    """The table and delivery date of a file, from its path below the landing folder.

    Raises:
        ValueError: the path does not name a table.

    """
    *folders, name = PurePath(path).parts
    table = _table_of(PurePath(path))
    if not table:
        raise ValueError(path)
    if (shown := visible(path)) != path:
        return LandedFile(table, shown, None, "its name has a character that is not valid text; rename it")
    if folders and DELIVERY.match(name):
        return LandedFile(
            table,
            path,
            None,
            f"{name!r} looks like a delivery date but is a file; move it into a folder dt=YYYY-MM-DD",
        )
    delivery = None
    for folder in folders:
        if named := DELIVERY.fullmatch(folder):
            delivery = _day(named["day"]) if folder.startswith("dt=") else None
            if delivery is None:
                problem = f"the folder name {folder!r} is not a valid date; write it as dt=YYYY-MM-DD"
                return LandedFile(table, path, None, problem)
    return LandedFile(table, path, delivery)


def lines_about(left_aside: Iterable[LeftAside]) -> Iterator[str]:
    """One line for each reason, with the first names and the number of the others."""
    by_reason: dict[str, list[str]] = {}
    for left in left_aside:
        by_reason.setdefault(left.reason, []).append(visible(left.path))
    for reason, paths in by_reason.items():
        names = ", ".join(paths[:NAMES_SHOWN])
        more = f" and {len(paths) - NAMES_SHOWN} more" if len(paths) > NAMES_SHOWN else ""
        yield f"not read: {names}{more}: {reason}"


def visible(path: str) -> str:
    """A path as one line of text, with escapes for control characters and for bytes that are not UTF-8."""
    if path.isprintable():
        return path
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cs")
        else character
        for character in path
    )


class _Walk:
    """Walks through the folder. Links come last, so that targets inside the folder are already known.

    A path is relative to the landing folder, and ``real`` is where it really is.
    """

    def __init__(self, landing: Path) -> None:
        self.found: list[LandedFile] = []
        self.left_aside: list[LeftAside] = []
        self._landing = landing.resolve()
        self._links: list[tuple[PurePath, Path]] = []
        self._seen: set[tuple[str, Path]] = set()

    def everything(self) -> None:
        try:
            self._folder(PurePath(), self._landing)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise PlatformError(f"{self._landing} cannot be listed: {error.strerror}") from error
        for path, link in self._links:  # the loop itself can append links
            self._link(path, link)

    def _folder(self, path: PurePath, real: Path) -> None:
        with os.scandir(real) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        self._seen.add((_table_of(path), real))
        for entry in entries:
            self._entry(path / entry.name, real / entry.name, entry)

    def _entry(self, path: PurePath, real: Path, entry: os.DirEntry[str]) -> None:
        if entry.name.startswith(("_", ".")):
            self._leave(path, HIDDEN)
        elif entry.is_symlink():
            self._links.append((path, real))
        elif entry.is_dir():
            self._take_folder(path, real)
        else:
            self._file(path, real, is_regular=entry.is_file())

    def _link(self, path: PurePath, link: Path) -> None:
        try:
            real = link.resolve(strict=True)
        except PermissionError as error:
            self._refuse(path, f"it cannot be opened: {error.strerror}")
        except (OSError, RuntimeError):  # RuntimeError for a link to itself
            self._refuse(path, LEADS_NOWHERE)
        else:
            if link.is_relative_to(real) or self._is_seen(path, real):
                self._leave(path, READ_ALREADY)
            elif not real.is_dir():
                self._file(path, real, is_regular=real.is_file())
            elif _table_of(path):
                self._take_folder(path, real)
            else:
                self._leave(path, NO_TABLE)

    def _take_folder(self, path: PurePath, real: Path) -> None:
        if self._is_seen(path, real):
            self._leave(path, READ_ALREADY)
            return
        try:
            self._folder(path, real)
        except FileNotFoundError:
            return  # deleted since it was listed
        except OSError as error:
            self._refuse(path, f"it cannot be opened: {error.strerror}")

    def _file(self, path: PurePath, real: Path, *, is_regular: bool) -> None:
        if not CSV_NAME.search(path.name):
            self._leave(path, NOT_CSV)
        elif not is_regular:
            self._refuse(path, NO_FILE)
        elif self._is_seen(path, real):
            self._leave(path, READ_ALREADY)
        elif _table_of(path):
            self._seen.add((_table_of(path), real))
            self.found.append(landed_file(str(path)))
        else:
            self._leave(path, NO_TABLE)

    def _is_seen(self, path: PurePath, real: Path) -> bool:
        return (_table_of(path), real) in self._seen

    def _refuse(self, path: PurePath, problem: str) -> None:
        """Report a problem, which stops its table, because otherwise the table would lose a part of its files."""
        if table := _table_of(path):
            self.found.append(LandedFile(table, visible(str(path)), None, problem))
        else:
            self._leave(path, problem)

    def _leave(self, path: PurePath, reason: str) -> None:
        self.left_aside.append(LeftAside(str(path), reason))


def _table_of(path: PurePath) -> str:
    """The table that a path belongs to by its name; empty if there is none."""
    first, *others = path.parts or ("",)
    table = first if others else CSV_NAME.sub("", first)
    return table if table in SOURCE_TABLES else ""


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
