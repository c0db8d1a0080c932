"""Files with hostile cells and damaged bytes, in every format that is read, judged without an engine.

Half of the files are whole: each cell must arrive as it was written. The others had bytes changed, cut out, repeated or
put in: they must be refused in one line, or each of their lines must be accounted for.
"""

import csv
import gzip
import io
import json
import random
import re
import signal
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from cip_assets.ingest import csv_records
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.discover import LandedFile
from cip_assets.ingest.manifest import scan_file
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.reading.dialect import detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import members
from cip_assets.sources.reading.records import read
from cip_assets_tests.sources.reading import workbooks
from cip_assets_tests.sources.reading.test_records import account_for_each_line

LONGEST = 10
"""Seconds after which a file counts as one that is never done."""

CELLS = (
    *(
        "ann",
        "12.50",
        "-0.004",
        "2024-03-01",
        "0",
        "1e309",
        "NaN",
        "null",
        "9" * 400,
        "Zoë",
        "店铺",
        "\u202eabc",
        "ﷺ",
    ),
    *(
        "=cmd|' /C calc'!A0",
        '=HYPERLINK("http://x/?"&A1)',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "%00",
        "${HOME}",
    ),
    *(
        "../../etc/passwd",
        "/dev/zero",
        "file:///etc/passwd",
        "$(touch x)",
        "'; DROP TABLE files; --",
        "{{7*7}}",
        "*.csv",
    ),
    *(
        "<script>alert(1)</script>",
        "</script>",
        "a,b",
        "a;b",
        'say "hi"',
        "two\nlines",
        "sep=,",
        "a|b",
        "\\",
        '"',
        "[/b]",
    ),
)
COLUMNS = ("Name", "Order", "Day", "Note")
PIECES = (
    *(
        b'"',
        b'""',
        b"\\",
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\x1f\x8b",
        b"PK\x03\x04",
        b"PAR1",
    ),
    *(
        b",",
        b";",
        b"\t",
        b"{",
        b"}",
        b"[",
        b"]",
        b"sep=;\n",
        b"\xc3",
        b"\x80",
        b"=1+1",
        b"1e999",
        b"\xf0\x9f\x98\x80",
    ),
)
TRANSACTIONS = SOURCE_TABLES["transactions"]
CALENDAR = Calendar(date(2024, 1, 1), date(2024, 6, 1))
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Case:
    """A file, and the cells of its rows if it is whole."""

    form: str
    content: bytes
    rows: Rows | None = None


def _csv(header: Sequence[str], rows: Rows, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return text.getvalue()


def _zip(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../orders.csv", content)
    return packed.getvalue()


def _json(rows: Rows) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _parquet(rows: Rows) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(_json(rows)), content)
    return content.getvalue()


def _workbook(rows: Rows) -> bytes:
    return workbooks.workbook({"Orders": [[*map(workbooks.text, row)] for row in [COLUMNS, *rows]]})


EXPORTS: Mapping[str, Callable[[Rows], bytes]] = {
    "CSV": lambda rows: _csv(COLUMNS, rows).encode(),
    "CSV with semicolons and a mark": lambda rows: _csv(COLUMNS, rows, ";").encode("utf-8-sig"),
    "CSV in UTF-16": lambda rows: _csv(COLUMNS, rows, "\t").encode("utf-16"),
    "CSV in Windows-1252": lambda rows: _csv(COLUMNS, rows).encode("cp1252"),
    "CSV, gzipped": lambda rows: gzip.compress(_csv(COLUMNS, rows).encode(), mtime=0),
    "CSV in a zip archive": lambda rows: _zip(_csv(COLUMNS, rows).encode()),
    "JSON": lambda rows: json.dumps(_json(rows)).encode(),
    "JSON lines": lambda rows: "\n".join(map(json.dumps, _json(rows))).encode(),
    "Parquet": _parquet,
    "Excel": _workbook,
}
LANDING: Mapping[str, Callable[[Rows], bytes]] = {
    "landing CSV": lambda rows: _csv(tuple(TRANSACTIONS.columns), rows).encode(),
    "landing CSV, gzipped": lambda rows: gzip.compress(
        _csv(tuple(TRANSACTIONS.columns), rows).encode(), mtime=0
    ),
}
FORMS = [*EXPORTS, *LANDING]


def cases(seed: int) -> Iterator[Case]:
    """Files without end, the same for the same seed."""
    dice = random.Random(seed)
    while True:
        for form in FORMS:
            width = len(COLUMNS) if form in EXPORTS else len(TRANSACTIONS.columns)
            allowed = [cell for cell in CELLS if not form.endswith("1252") or _is_in_windows_1252(cell)]
            rows = [dice.choices(allowed, k=width) for _ in range(dice.randint(1, 6))]
            # Two plain rows show where the columns are, as nearly all rows of a real export do.
            whole = [["ann", "12", "2024-03-01", "x", *["y"] * (width - 4)]] * 2 + rows
            content = {**EXPORTS, **LANDING}[form](whole)
            if dice.random() < 0.5:
                yield Case(form, content, whole)
            else:
                yield Case(
                    form, _damaged(content, dice) if dice.random() < 0.5 else _damaged_inside(content, dice)
                )


def _is_in_windows_1252(cell: str) -> bool:
    return cell.isascii() or cell == "Zoë"


def _damaged(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(len(data) + 1)
        end = min(len(data), place + dice.randint(1, 30))
        match dice.randrange(5):
            case 0:
                data[place:place] = dice.choice(PIECES)
            case 1:
                data[place:end] = b""
            case 2:
                data[place:place] = data[place:end]
            case 3:
                data[place : place + 1] = bytes([dice.randrange(256)])
            case _ if dice.random() < 0.2:
                del data[place:]
    return bytes(data)


def _damaged_inside(content: bytes, dice: random.Random) -> bytes:
    """Damage what is packed, such as the cells of a workbook, and pack it again."""
    if content.startswith(b"\x1f\x8b"):
        return gzip.compress(_damaged(gzip.decompress(content), dice), mtime=0)
    if not content.startswith(b"PK"):
        return _damaged(content, dice)
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w") as after:
        chosen = dice.choice(before.namelist())
        for name in before.namelist():
            after.writestr(name, _damaged(before.read(name), dice) if name == chosen else before.read(name))
    return packed.getvalue()


def wrong_with(case: Case, folder: Path) -> str | None:
    """What the reader of a file does wrong; None if nothing."""
    try:
        with _within(LONGEST):
            return _landing(case, folder) if case.form in LANDING else _export(case, folder)
    except BaseException as error:  # the panics of Rust libraries are no Exceptions
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"


def _export(case: Case, folder: Path) -> str | None:
    path = folder / "orders"
    path.write_bytes(case.content)
    if case.rows is None:
        refusal = account_for_each_line(path)
        return (
            None if refusal is None or re.fullmatch("orders.*: .+", refusal) else f"refused with {refusal!r}"
        )
    try:
        (member,) = members(path)
        dialect = detect(member)
        found = [
            [record[name] or "" for name in dialect.columns]
            for batch in read(member, dialect)
            for record in batch.to_pylist()
        ]
    except UnreadableExport as error:
        return f"a whole file is refused: {error}"
    wanted = [list(row) for row in case.rows]
    return None if found == wanted else f"{found} in place of {wanted}"


def _landing(case: Case, folder: Path) -> str | None:
    name = "transactions.csv.gz" if case.form.endswith("gzipped") else "transactions.csv"
    (folder / name).write_bytes(case.content)
    entry = scan_file(folder, LandedFile("transactions", name, None), CALENDAR)
    if entry["problem"]:
        return None if case.rows is None else f"a whole file is refused: {entry['problem']}"
    blocks = list(csv_records.read_records(folder / name, entry["column_names"], entry["column_names"]))
    lines = sorted(
        line
        for block in blocks
        for line in [*block.lines.tolist(), *(record.line for record in block.ragged)]
    )
    if not len(lines) == len(set(lines)) == entry["row_count"] == sum(entry["month_rows"].values()):
        return f"{len(lines)} lines are read, {entry['row_count']} were counted: {entry['month_rows']}"
    found = [list(row.values()) for block in blocks for row in block.columns.to_pylist()]
    wanted = None if case.rows is None else [list(row) for row in case.rows]
    return None if wanted in (None, found) else f"{found} in place of {wanted}"


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> NoReturn:
        raise TimeoutError(f"not done after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
