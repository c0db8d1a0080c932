"""Decodes the text of a member, as a stream."""

import codecs
import io
import re
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, NamedTuple, TextIO

from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member

BLOCK_BYTES = 1024 * 1024
RECORD_LIMIT = 64 * 1024 * 1024
"""The most characters of a record."""

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""Byte order marks. Some programs write several."""

MARK_BYTES = 48
NAMES = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp1252": "UTF-8 or Windows-1252"}
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
ESCAPED = range(0xDC80, 0xDD00)
"""What ``surrogateescape`` decodes bytes to that are not UTF-8."""


def decode(member: Member, encoding: str | None = None) -> TextIO:
    """Open a member as text, without its byte order marks and with its own line ends.

    Args:
        member: the bytes.
        encoding: what an earlier call found. Otherwise the whole member is read to find out: a byte order mark decides;
            without one it is UTF-8, or else Windows-1252.

    Raises:
        UnreadableExport: the bytes are in none of these encodings, or are not text.

    """
    encoding = encoding or _encoding_of(member)
    stream = member.open()
    _skip_marks(stream)
    return io.TextIOWrapper(stream, encoding, newline="")


def lines(stream: TextIO, name: str) -> Iterator[str]:
    """The lines of a text, each with its line end: LF, CRLF or CR.

    Raises:
        UnreadableExport: a line is longer than a record may be.

    """
    limit = RECORD_LIMIT
    for number, line in enumerate(iter(partial(stream.readline, limit), ""), 1):
        if len(line) == limit:
            raise too_long(name, number)
        yield line


def too_long(name: str, line: int) -> UnreadableExport:
    return UnreadableExport(
        name, f"it begins a record of more than {RECORD_LIMIT >> 20} MB; write one record per line", line
    )


def _encoding_of(member: Member) -> str:
    with member.open() as stream:
        _, marked = _skip_marks(stream)
    fault = _first_fault(member, marked or "utf-8")
    if fault is None:
        return marked or "utf-8"
    if not marked and fault.is_encoding:
        if _is_mostly_utf8(member):
            raise UnreadableExport(
                member.name, f"byte {fault.offset} is not UTF-8, but most others are; save all of it as UTF-8"
            )
        fault = _first_fault(member, "cp1252")
        if fault is None:
            return "cp1252"
    raise UnreadableExport(member.name, f"byte {fault.offset} {fault.what}; save the file as UTF-8")


def _skip_marks(stream: BinaryIO) -> tuple[int, str | None]:
    """Skip the byte order marks: their length and the encoding of the first one. The stream is at its beginning."""
    head = stream.read(MARK_BYTES)
    mark = next((mark for mark in MARKS if head.startswith(mark)), b"")
    length = 0
    while mark and head.startswith(mark, length):
        length += len(mark)
    stream.seek(length)
    return length, MARKS.get(mark)


class _Fault(NamedTuple):
    """The first byte that is not text in an encoding."""

    offset: int
    what: str
    is_encoding: bool


def _first_fault(member: Member, encoding: str) -> _Fault | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    with member.open() as stream:
        offset, _ = _skip_marks(stream)
        while True:
            block = stream.read(BLOCK_BYTES)
            waiting = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return _Fault(offset - waiting + error.start, f"is not {NAMES[encoding]}", is_encoding=True)
            nul = text.find("\0")
            if nul >= 0:
                before = len(text[:nul].encode(encoding))
                return _Fault(offset - waiting + before, "is NUL, which is not text", is_encoding=False)
            if not block:
                return None
            offset += len(block)


def _is_mostly_utf8(member: Member) -> bool:
    """Whether more characters beyond ASCII are UTF-8 than not: then one that is not is damage, not another encoding."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    valid = others = 0
    with member.open() as stream:
        while block := stream.read(BLOCK_BYTES):
            beyond = NOT_ASCII.findall(decoder.decode(block))
            escaped = sum(map(ESCAPED.__contains__, map(ord, beyond)))
            valid += len(beyond) - escaped
            others += escaped
    return valid > others
