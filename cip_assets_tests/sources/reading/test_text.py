"""Decoding: the text of a member, or the byte that is not text."""

from pathlib import Path

import pytest

from cip_assets.sources.reading import text
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets_tests.sources.reading.readings import member_of

WORDS = "Maß,Söhne €\r\n"


def decoded(path: Path, content: bytes) -> tuple[str, str]:
    with text.decode(member_of(path, content)) as stream:
        return stream.encoding, stream.read()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param(WORDS.encode(), "utf-8", id="UTF-8"),
        pytest.param(b"\xef\xbb\xbf" * 2 + WORDS.encode(), "utf-8", id="UTF-8 with two marks"),
        pytest.param(b"\xff\xfe" + WORDS.encode("utf-16-le"), "utf-16-le", id="UTF-16 LE"),
        pytest.param(b"\xfe\xff" + WORDS.encode("utf-16-be"), "utf-16-be", id="UTF-16 BE"),
        pytest.param(WORDS.encode("cp1252"), "cp1252", id="Windows-1252"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 3, 1024])
def test_the_encoding_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, encoding: str, block: int
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block)
    assert decoded(tmp_path / "a.csv", content) == (encoding, WORDS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            b"a\nM\xfcller\n\x81", "byte 9 is not UTF-8 or Windows-1252; save the file as UTF-8", id="neither"
        ),
        pytest.param(b"a\n1\0", "byte 3 is NUL, which is not text; save the file as UTF-8", id="NUL"),
        pytest.param("a\n1".encode("utf-16-le"), "byte 1 is NUL", id="UTF-16 without a mark"),
        pytest.param(b"\xff\xfea\0\n", "byte 4 is not UTF-16", id="half a character"),
        pytest.param(b"\xef\xbb\xbfa\n\xfc", "byte 5 is not UTF-8; save", id="not what the mark says"),
        pytest.param(
            "Zürich, Köln".encode() + b"\xc3", "byte 14 is not UTF-8, but most others are", id="cut off"
        ),
    ],
)
@pytest.mark.parametrize("block", [1, 1024])
def test_what_is_not_text_is_refused_with_its_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str, block: int
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", block)
    with pytest.raises(UnreadableExport) as caught:
        decoded(tmp_path / "a.csv", content)
    assert str(caught.value).startswith(f"a.csv: {message}")


def test_a_longer_record_than_allowed_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "RECORD_LIMIT", 20)
    with (
        text.decode(member_of(tmp_path / "a.csv", "a\n" + "x" * 21)) as stream,
        pytest.raises(UnreadableExport, match=r"^a\.csv, line 2: it begins a record of more than"),
    ):
        list(text.lines(stream, "a.csv"))
