"""What a file holds."""

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import members, skipped
from cip_assets_tests.sources.reading.workbooks import EMPTY, number, text, workbook

CSV = b"order,day\n1,2024-01-02\n"


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def contents(path: Path) -> dict[str, bytes]:
    found = {}
    for member in members(path):
        with member.open() as stream:
            found[member.name] = stream.read()
    return found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(CSV, {"orders.dat": CSV}, id="itself"),
        pytest.param(gzip.compress(CSV), {"orders.dat": CSV}, id="gzip"),
        pytest.param(
            gzip.compress(b"a\n") + gzip.compress(b"1\n"), {"orders.dat": b"a\n1\n"}, id="two gzips"
        ),
        pytest.param(
            zipped({"2024/orders.csv": CSV, "2023.csv": b"a\n1\n"}),
            {"orders.dat!2024/orders.csv": CSV, "orders.dat!2023.csv": b"a\n1\n"},
            id="zip",
        ),
        pytest.param(
            zipped({"orders.csv.gz": gzip.compress(CSV)}), {"orders.dat!orders.csv.gz": CSV}, id="gzip in zip"
        ),
        pytest.param(
            gzip.compress(zipped({"orders.csv": CSV})), {"orders.dat!orders.csv": CSV}, id="zip in gzip"
        ),
        pytest.param(
            zipped({"book.bin": workbook({"May": [[text("a"), text("b")], [number("1"), EMPTY]]})}),
            {"orders.dat!book.bin!May": b"a,b\n1,\n"},
            id="workbook in zip",
        ),
        pytest.param(b"", {"orders.dat": b""}, id="empty"),
    ],
)
def test_the_content_decides_what_a_file_is(tmp_path: Path, content: bytes, found: dict[str, bytes]) -> None:
    path = tmp_path / "orders.dat"
    path.write_bytes(content)
    assert contents(path) == found


def test_the_hash_is_that_of_the_unpacked_bytes(tmp_path: Path) -> None:
    plain, packed, archive = tmp_path / "a.csv", tmp_path / "b.gz", tmp_path / "c.zip"
    plain.write_bytes(CSV)
    packed.write_bytes(gzip.compress(CSV))
    archive.write_bytes(zipped({"a.csv": CSV}))
    hashes = {member.sha256 for path in (plain, packed, archive) for member in members(path)}
    assert hashes == {hashlib.sha256(CSV).hexdigest()}


def test_what_holds_no_records_is_skipped_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    path.write_bytes(
        zipped(
            {
                "export/": b"",
                "export/orders.csv": CSV,
                "__MACOSX/export/orders.csv": b"x",
                "export/._orders.csv": b"x",
                "export/.DS_Store": b"x",
                "README.txt": b"Our orders",
                "export/invoice.csv": b"%PDF-1.7",
                "logo": b"\x89PNG\r\n\x1a\n",
                "book.xlsx": workbook({"Hidden": [[text("a")]], "Empty": [[EMPTY]]}, hidden=["Hidden"]),
            }
        )
    )
    assert list(contents(path)) == ["archive.zip!export/orders.csv"]
    assert {found.name.removeprefix("archive.zip!"): found.reason for found in skipped(path)} == {
        "__MACOSX/export/orders.csv": "written by macOS beside the data",
        "export/._orders.csv": "a resource fork of macOS",
        "export/.DS_Store": "written by a file manager",
        "README.txt": "a text about the data",
        "export/invoice.csv": "a PDF document",
        "logo": "a picture",
        "book.xlsx!Hidden": "a hidden sheet",
        "book.xlsx!Empty": "an empty sheet",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            zipped({"a.csv": CSV, "b.dat": zipped({"c.csv": CSV})}),
            "x.csv!b.dat: it is a zip archive inside a zip archive; unpack it",
            id="zip in zip",
        ),
        pytest.param(
            gzip.compress(gzip.compress(CSV)), "x.csv: it is compressed twice; unpack it once", id="twice"
        ),
        pytest.param(
            b"\xd0\xcf\x11\xe0" + b"\0" * 99,
            "an old Excel file (.xls) or a workbook with a password",
            id="xls",
        ),
        pytest.param(b"7z\xbc\xaf\x27\x1c", "it is a 7z archive; unpack it", id="7z"),
        pytest.param(
            zipped({"content.xml": b"<x/>"}), "a spreadsheet, but not .xlsx; save it as .xlsx", id="ods"
        ),
        pytest.param(b"PK\x03\x04" + b"x" * 99, "its packed data is damaged or cut off", id="no zip"),
        pytest.param(zipped({"xl/workbook.xml": b"<x"}), "the workbook is damaged", id="no workbook"),
    ],
)
def test_what_may_hold_data_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableExport) as caught:
        members(path)
    assert message in str(caught.value)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    packed = bytearray(zipped({"a.csv": CSV}))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(packed)
    with pytest.raises(UnreadableExport, match=r"x.zip!a.csv: it is encrypted; pack it without a password"):
        members(path)


def test_packed_data_that_is_cut_off_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(CSV * 100_000)[:-9])
    (member,) = members(path)
    with (
        member.open() as stream,
        pytest.raises(UnreadableExport, match=r"^x\.gz: its packed data is damaged"),
    ):
        stream.read()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExport, match=r"gone\.csv: it cannot be opened \(No such file"):
        members(tmp_path / "gone.csv")
