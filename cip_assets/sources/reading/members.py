"""What a file holds: itself, its unpacked content, the members of a zip archive, or the sheets of a workbook.

The first bytes of the content decide what it is, not its name.
"""

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, cast

from cip_assets.sources.reading import sheets
from cip_assets.sources.reading.errors import UnreadableExport

GZIP = b"\x1f\x8b"
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
PARQUET = b"PAR1"
NO_DATA = {
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x00\x05\x16\x07": "a resource fork of macOS",
}
"""How files begin that are set aside."""

CLOSED = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls) or a workbook with a password; save it as .xlsx without one",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\xfd7zXZ": "compressed with xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it",
    b"SQLite format 3": "a database; export its tables as CSV",
}
"""How files begin that may hold data, and what to do to read them."""

JUNK = (
    (re.compile(r"(^|/)__MACOSX/"), "written by macOS beside the data"),
    (re.compile(r"(^|/)\._[^/]*$"), "a resource fork of macOS"),
    (re.compile(r"(^|/)(\.DS_Store|Thumbs\.db|desktop\.ini)$", re.IGNORECASE), "written by a file manager"),
    (
        re.compile(r"(^|/)(read[-_ ]?me|licen[cs]e|liesmich)(\.(txt|md|rtf|html?))?$", re.IGNORECASE),
        "a text about the data",
    ),
)
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, OSError, NotImplementedError)
BUFFER_BYTES = 256 * 1024


class _Closes(Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True)
class Member:
    """Something to read: a text, a Parquet file, or a sheet of a workbook, whose bytes are the sheet as CSV.

    ``name`` is the file's name, then ``!`` and the name of each part inside: ``archive.zip!folder/orders.csv``.
    """

    name: str
    kind: Literal["text", "parquet", "sheet"]
    opener: Callable[[], BinaryIO]

    def open(self) -> BinaryIO:
        """Open the unpacked bytes.

        Raises:
            UnreadableExport: the file cannot be opened, or (when it is read) is damaged.

        """
        return self.opener()

    @property
    def sha256(self) -> str:
        """The hash of the unpacked bytes, which are read for it."""
        with self.open() as stream:
            return hashlib.file_digest(cast("io.BufferedReader", stream), "sha256").hexdigest()


@dataclass(frozen=True)
class Skipped:
    """Something that holds no records, and why."""

    name: str
    reason: str


def members(path: Path) -> list[Member]:
    """What there is to read in a file, in the archive's order.

    Raises:
        UnreadableExport: the file, or something in it that may hold data, cannot be unpacked.

    """
    return [found for found in _contents(path) if isinstance(found, Member)]


def skipped(path: Path) -> list[Skipped]:
    """What is not read in a file, because it holds no records.

    Raises:
        UnreadableExport: as ``members``.

    """
    return [found for found in _contents(path) if isinstance(found, Skipped)]


def _contents(path: Path) -> Iterator[Member | Skipped]:
    return _inside(path.name, partial(_open_file, path), frozenset())


def _inside(
    name: str, opener: Callable[[], BinaryIO], packings: frozenset[str]
) -> Iterator[Member | Skipped]:
    """What is in something that was unpacked from these packings."""
    for pattern, reason in JUNK:
        if pattern.search(name.rpartition("!")[2]):
            yield Skipped(name, reason)
            return
    with opener() as stream:
        head = stream.read(16)
    if what := _beginning(head, NO_DATA):
        yield Skipped(name, what)
    elif what := _beginning(head, CLOSED):
        raise UnreadableExport(name, f"it is {what}")
    elif head.startswith(GZIP):
        if "gzip" in packings:
            raise UnreadableExport(name, "it is compressed twice; unpack it once")
        yield from _inside(name, partial(_open_gzip, name, opener), packings | {"gzip"})
    elif head.startswith(ZIPS):
        yield from _in_zip(name, opener, packings)
    else:
        yield Member(name, "parquet" if head.startswith(PARQUET) else "text", opener)


def _beginning(head: bytes, kinds: dict[bytes, str]) -> str | None:
    return next((what for magic, what in kinds.items() if head.startswith(magic)), None)


def _in_zip(
    name: str, opener: Callable[[], BinaryIO], packings: frozenset[str]
) -> Iterator[Member | Skipped]:
    try:
        with opener() as stream, zipfile.ZipFile(stream) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except DAMAGED as error:
        raise _damaged(name, error) from error
    inside = {entry.filename for entry in entries}
    if "xl/workbook.xml" in inside:
        yield from _in_workbook(name, opener)
    elif inside & {"xl/workbook.bin", "content.xml"}:
        raise UnreadableExport(name, "it is a spreadsheet, but not .xlsx; save it as .xlsx")
    elif "word/document.xml" in inside:
        yield Skipped(name, "a Word document")
    elif "zip" in packings:
        raise UnreadableExport(name, "it is a zip archive inside a zip archive; unpack it")
    elif not entries:
        yield Skipped(name, "an archive without files")
    else:
        for entry in entries:
            inner = f"{name}!{entry.filename}"
            if entry.flag_bits & 1:
                raise UnreadableExport(inner, "it is encrypted; pack it without a password")
            yield from _inside(inner, partial(_open_zipped, inner, opener, entry), packings | {"zip"})


def _in_workbook(name: str, opener: Callable[[], BinaryIO]) -> Iterator[Member | Skipped]:
    with opener() as stream:
        found = sheets.sheets(stream, name)
    for sheet, reason in found.items():
        inner = f"{name}!{sheet}"
        yield (
            Skipped(inner, reason)
            if reason
            else Member(inner, "sheet", partial(_open_sheet, name, opener, sheet))
        )


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableExport(path.name, f"it cannot be opened ({error.strerror})") from error


def _open_gzip(name: str, opener: Callable[[], BinaryIO]) -> BinaryIO:
    packed = opener()
    return _Unpacked.of(name, cast(BinaryIO, gzip.GzipFile(fileobj=packed)), packed)


def _open_zipped(name: str, opener: Callable[[], BinaryIO], entry: zipfile.ZipInfo) -> BinaryIO:
    packed = opener()
    try:
        archive = zipfile.ZipFile(packed)
        return _Unpacked.of(name, cast(BinaryIO, archive.open(entry)), archive, packed)
    except DAMAGED as error:
        packed.close()
        raise _damaged(name, error) from error


def _open_sheet(name: str, opener: Callable[[], BinaryIO], sheet: str) -> BinaryIO:
    with opener() as stream:
        return io.BytesIO(sheets.as_csv(stream, name, sheet))


def _damaged(name: str, error: Exception) -> UnreadableExport:
    return UnreadableExport(name, f"its packed data is damaged or cut off ({error}); deliver it again")


class _Unpacked(io.RawIOBase):
    """An unpacked stream that says which member is damaged, and closes the packed streams with itself."""

    def __init__(self, name: str, stream: BinaryIO, *packed: _Closes) -> None:
        self._name, self._stream, self._packed = name, stream, packed

    @classmethod
    def of(cls, name: str, stream: BinaryIO, *packed: _Closes) -> BinaryIO:
        return io.BufferedReader(cls(name, stream, *packed), BUFFER_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except DAMAGED as error:
            raise _damaged(self._name, error) from error
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._stream.seek(offset, whence)
        except DAMAGED as error:
            raise _damaged(self._name, error) from error

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        if not self.closed:
            for stream in (self._stream, *self._packed):
                stream.close()
        super().close()
