"""Landing files: they are found, scanned into a manifest, and read so that every line arrives once."""

import gzip
import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.ingest import in_step
from cip_assets.ingest import manifest as manifest_module
from cip_assets.ingest.calendar import Calendar, event_dates
from cip_assets.ingest.csv_lines import CHANGED, GONE, UnreadableFileError, unchanged
from cip_assets.ingest.discover import LandedFile, find_files
from cip_assets.ingest.manifest import (
    ManifestEntry,
    files_to_read,
    manifest_entry,
    require_readable,
    scan_file,
    scan_landing,
)
from cip_assets.ingest.read import extra_columns, read_landing
from cip_assets.layers import SOURCE_TABLES, contract_of
from cip_assets.orchestration.failures import root_of
from cip_assets.storage.delta import Slice

TRANSACTIONS = SOURCE_TABLES["transactions"]
PRODUCTS = SOURCE_TABLES["products"]
HEADER = ",".join(TRANSACTIONS.columns)
JANUARY, FEBRUARY, MARCH, JUNE = (date(2024, month, 1) for month in (1, 2, 3, 6))
CALENDAR = Calendar(JANUARY, JUNE)


def put(folder: Path, path: str, content: str | bytes) -> None:
    """Write a landing file, compressed if its name ends in .gz."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    target.write_bytes(gzip.compress(data) if path.endswith(".gz") else data)


def transaction(key: str, day: str, product: str = "P1") -> str:
    return f"{key},C1,{product},1,5.00,5.00,Card,{day}"


def transactions(*lines: str) -> str:
    return "".join(line + "\n" for line in [HEADER, *lines])


def scan(folder: Path, content: str | bytes, delivered: date | None = None) -> dict[str, Any]:
    """The manifest row of a transactions file."""
    put(folder, "transactions.csv", content)
    return scan_file(folder, LandedFile("transactions", "transactions.csv", delivered), CALENDAR)


# --- dates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-01-05", date(2024, 1, 5)),
        (" 2024-01-05 ", date(2024, 1, 5)),
        ("2024-01-05T10:00:00Z", date(2024, 1, 5)),
        ("2024-01-05 10:00", date(2024, 1, 5)),
        ("2024-01-05T23:59:59.123+02:00", date(2024, 1, 5)),
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-01-01", date(2024, 1, 1)),
        ("2024-06-30", date(2024, 6, 30)),
        ("2023-12-31", None),
        ("2024-07-01", None),
        ("2024-02-30", None),
        ("2024-13-01", None),
        ("2024-00-10", None),
        ("05/01/2024", None),
        ("2024-1-5", None),
        ("20240105", None),
        ("2024-01-05x", None),
        ("2024-01-05T", None),
        ("24-01-05", None),
        ("\u0662\u0660\u0662\u0664-01-05", None),
        ("", None),
        ("null", None),
    ],
)
def test_an_event_date_is_an_iso_8601_date_in_the_calendar(text: str, day: date | None) -> None:
    assert event_dates(pa.array([text, "2024-03-03", text]), CALENDAR).to_pylist() == [
        day,
        date(2024, 3, 3),
        day,
    ]


def test_without_texts_there_are_no_dates() -> None:
    assert event_dates(pa.array([], pa.string()), CALENDAR).to_pylist() == []


@given(
    days=st.lists(st.dates(date(2023, 11, 1), date(2024, 8, 31))),
    suffix=st.sampled_from(["", "T01:02:03Z", " "]),
)
def test_a_date_is_kept_if_and_only_if_its_month_is_in_the_calendar(days: list[date], suffix: str) -> None:
    texts = pa.array([f"{day}{suffix}" for day in days], pa.string())
    expected = [day if JANUARY <= day.replace(day=1) <= JUNE else None for day in days]
    assert event_dates(texts, CALENDAR).to_pylist() == expected


# --- one row of the manifest ------------------------------------------------------------------------------


def test_the_manifest_has_a_file_and_its_rows_by_month(tmp_path: Path) -> None:
    content = transactions(
        transaction("T1", "2024-01-05"),
        transaction("T2", "2024-01-31T23:00:00Z"),
        transaction("T3", "2024-03-01"),
    )
    assert scan(tmp_path, content) == {
        "table_name": "transactions",
        "path": "transactions.csv",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
        "delivery_date": date(2024, 3, 1),
        "first_seen": None,
        "latest_event_date": date(2024, 3, 1),
        "row_count": 3,
        "month_rows": {"2024-01-01": 2, "2024-03-01": 1},
        "column_names": list(TRANSACTIONS.columns),
        "problem": None,
    }


MIXED = transactions(
    transaction("T1", "2024-01-05"),
    transaction("T2", "2024-02-30"),
    transaction("T3", ""),
    transaction("T4", "2024-03-09"),
    transaction("T5", "2031-01-01"),
    transaction("T6", "1999-12-31"),
    "T7,too,few",
    "",
)


@pytest.mark.parametrize(
    ("delivered", "delivery_date", "month_rows"),
    [
        pytest.param(None, date(2024, 3, 9), {"2024-01-01": 1, "2024-03-01": 6}, id="its latest date"),
        pytest.param(
            date(2024, 2, 29),
            date(2024, 2, 29),
            {"2024-01-01": 1, "2024-02-01": 5, "2024-03-01": 1},
            id="the date of its folder",
        ),
        pytest.param(
            date(2025, 2, 1),
            date(2025, 2, 1),
            {"2024-01-01": 1, "2024-03-01": 1, "2024-06-01": 5},
            id="after the calendar: the last month",
        ),
        pytest.param(
            date(2020, 2, 1),
            date(2020, 2, 1),
            {"2024-01-01": 6, "2024-03-01": 1},
            id="before the calendar: the first month",
        ),
    ],
)
def test_rows_without_a_date_in_the_calendar_belong_to_the_month_of_delivery(
    tmp_path: Path, delivered: date | None, delivery_date: date, month_rows: dict[str, int]
) -> None:
    entry = scan(tmp_path, MIXED, delivered)
    assert (entry["delivery_date"], entry["month_rows"]) == (delivery_date, month_rows)
    assert entry["latest_event_date"] == date(2024, 3, 9)
    assert sum(month_rows.values()) == entry["row_count"] == 7


def test_a_file_without_any_date_belongs_to_the_first_month(tmp_path: Path) -> None:
    entry = scan(tmp_path, transactions(transaction("T1", "soon")))
    assert (entry["delivery_date"], entry["month_rows"]) == (None, {"2024-01-01": 1})


@pytest.mark.parametrize(
    "content",
    [
        HEADER,
        HEADER + "\n",
        HEADER + "\r\n\r\n\n\n",
        "\ufeff" + HEADER.upper(),
        "\ufeff\ufeffsep=,\r\n" + HEADER,
    ],
)
def test_a_file_with_only_a_header_has_no_rows(tmp_path: Path, content: str) -> None:
    entry = scan(tmp_path, content)
    assert (entry["row_count"], entry["month_rows"], entry["problem"]) == (0, {}, None)
    assert entry["column_names"] == list(TRANSACTIONS.columns)


def test_size_and_hash_are_of_the_compressed_file(tmp_path: Path) -> None:
    put(tmp_path, "transactions.csv.gz", MIXED)
    entry = scan_file(tmp_path, LandedFile("transactions", "transactions.csv.gz", None), CALENDAR)
    data = (tmp_path / "transactions.csv.gz").read_bytes()
    assert (entry["size_bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (entry["row_count"], entry["month_rows"]) == (7, {"2024-01-01": 1, "2024-03-01": 6})


def test_a_table_of_full_deliveries_has_rows_but_no_months(tmp_path: Path) -> None:
    put(tmp_path, "products.csv", ",".join(PRODUCTS.columns) + "\nP1,Kettle,Home,Acme,1,2\nP2\n\n")
    entry = scan_file(tmp_path, LandedFile("products", "products.csv", None), CALENDAR)
    assert (entry["row_count"], entry["month_rows"], entry["delivery_date"]) == (2, {}, None)


def test_a_record_without_a_date_counts_even_after_a_blank_line_in_quotes(
    tmp_path: Path,
) -> None:
    entry = scan(
        tmp_path, transactions(transaction("T1", "2024-01-05", '"P\n\n1"'), "T2,,,,,,,", "T3,,,,,,,")
    )
    assert (entry["row_count"], entry["month_rows"]) == (3, {"2024-01-01": 3})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(
            "transaction_id,amount\n",
            "line 1 lacks columns customer_id, product_id, quantity, price, payment_method, transaction_date; "
            "it has transaction_id, amount",
            id="missing columns",
        ),
        pytest.param(
            "T1,C1,P1,2,9.00,18.00,Cash,2024-01-05\n",
            "line 1 lacks columns transaction_id, customer_id, product_id, quantity, price, amount, payment_method, "
            "transaction_date; it has none of them",
            id="no header, and a customer's line in its place",
        ),
        pytest.param(
            HEADER.replace(",", ";"),
            "its fields are separated by ';'; separate them with commas",
            id="semicolons",
        ),
        pytest.param(
            HEADER.replace(",", "\t"), "its fields are separated by '\\t'; separate them", id="tabs"
        ),
        pytest.param("sep=;\n" + HEADER.replace(",", ";"), "its fields are separated by ';'", id="sep=;"),
        pytest.param(
            "sep=,\n" + HEADER.replace("amount", "sum"),
            "line 2 lacks column amount; it has",
            id="after sep=,",
        ),
        pytest.param(
            HEADER.replace("amount", "\u200bamount").replace("price", "unit\xa0price"),
            "line 1 lacks columns price, amount; it has transaction_id, customer_id, product_id, quantity, "
            "'unit\\xa0price', '\\u200bamount', payment_method, transaction_date",
            id="invisible characters",
        ),
        pytest.param(
            HEADER + ",store\ufeff",
            "line 1 names column 'store\\ufeff', which has an invisible character; remove it",
            id="an invisible character in an additional column",
        ),
        pytest.param(
            transactions(transaction("T1", "2024-01-05", '"27\\""'), transaction("T2", "2024-01-05", '"P"')),
            "line 2: a quote in a quoted field is escaped with a backslash",
            id="quotes as MySQL writes them",
        ),
        pytest.param("", "it is empty", id="empty"),
        pytest.param("\n" + HEADER, "line 1 is blank", id="blank first line"),
        pytest.param(HEADER + ",amount\n", "line 1 names column 'amount' twice", id="a name twice"),
        pytest.param(HEADER + ",\n", "line 1 does not name column 9", id="a comma at the end"),
        pytest.param(
            transaction("T1", "2024-01-05"),
            f"line 1 lacks columns {HEADER.replace(',', ', ')}; it has none of them",
            id="no header, and a value twice in the first line",
        ),
        pytest.param(
            transaction("T1", "2024-01-05", ""),
            f"line 1 lacks columns {HEADER.replace(',', ', ')}; it has none of them",
            id="no header, and an empty value in the first line",
        ),
        pytest.param("x" * 200_000, "line 1 does not name the columns", id="not a CSV file"),
        pytest.param(MIXED.encode("utf-16"), "it is UTF-16", id="UTF-16"),
        pytest.param(gzip.compress(HEADER.encode()), "it is packed with gzip; unpack it", id="gzip"),
        pytest.param(b"PK\x03\x04\x14\0\x06\0", "it is a workbook or a zip archive", id="a workbook"),
        pytest.param(MIXED.encode("utf-16-le"), "line 1 contains a NUL byte", id="UTF-16 without a mark"),
        pytest.param(
            transactions(transaction("Tü", "")).encode("cp1252"), "line 2 is not UTF-8", id="encoding"
        ),
        pytest.param(
            transactions(transaction("T1", "2024-01-05"), 'T2,"C1,P1', transaction("T3", "2024-01-05")),
            "line 3: a quote is opened and never closed",
            id="unclosed quote",
        ),
    ],
)
def test_a_file_that_cannot_be_read_says_what_is_wrong_and_counts_nothing(
    tmp_path: Path, content: str | bytes, problem: str
) -> None:
    entry = scan(tmp_path, content, date(2024, 1, 31))
    assert entry["problem"].startswith(problem)
    assert (entry["row_count"], entry["month_rows"], entry["column_names"]) == (0, {}, [])


def test_a_damaged_gzip_is_a_problem_of_that_file(tmp_path: Path) -> None:
    put(tmp_path, "transactions.csv.gz", MIXED)
    path = tmp_path / "transactions.csv.gz"
    path.write_bytes(path.read_bytes()[:-4])
    entry = scan_file(tmp_path, LandedFile("transactions", path.name, None), CALENDAR)
    assert entry["problem"].startswith("its gzip data is damaged or cut off")


@pytest.mark.parametrize(
    ("delivered", "problem"),
    [
        (date(2024, 6, 16), None),
        (
            date(2024, 6, 17),
            "its folder name has the delivery date 2024-06-17, which is in the future; correct the folder name",
        ),
    ],
)
def test_a_delivery_date_in_the_future_is_refused(
    tmp_path: Path, delivered: date, problem: str | None
) -> None:
    """Until that day, the delivery would count as the newest one."""
    put(tmp_path, "products.csv", ",".join(PRODUCTS.columns) + "\nP1,Kettle,Home,Acme,1,2\n")
    file = LandedFile("products", "products.csv", delivered)
    entry = scan_file(tmp_path, file, Calendar(JANUARY, JUNE, last_delivery=date(2024, 6, 16)))
    assert (entry["problem"], entry["row_count"]) == (problem, 0 if problem else 1)


def test_a_file_that_was_deleted_before_it_is_read_is_a_problem_of_that_file(tmp_path: Path) -> None:
    entry = scan_file(tmp_path, LandedFile("products", "products.csv", None), CALENDAR)
    assert entry["problem"] == "it was moved or deleted while it was being read; run again"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("a,b\n1,2\n")
    for change, says in [
        (lambda: path.write_text("a,b\n1,2\n3,4\n"), CHANGED),
        (lambda: path.write_text("a,b\n"), CHANGED),
        (path.unlink, GONE),
    ]:
        with pytest.raises(UnreadableFileError) as refused, unchanged(path):
            change()
        assert str(refused.value) == says


def test_a_problem_that_is_there_only_while_a_file_is_written_is_not_its_problem(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("product_id,na")

    def read() -> None:
        with unchanged(path):
            path.write_text("product_id,name")
            raise UnreadableFileError("line 1 lacks column name")

    with pytest.raises(UnreadableFileError, match="it changed"):
        read()


@pytest.mark.engine
def test_a_file_that_changed_since_its_scan_is_named_by_the_step_that_reads_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    put(tmp_path, "transactions.csv", transactions(transaction("T1", "2024-01-05")))
    entries = entries_of(scan_landing(spark, tmp_path, CALENDAR), "transactions")
    put(tmp_path, "transactions.csv", transactions(transaction("T1", "2024-01-05"), "T2,C1"))
    with pytest.raises(Exception, match="PythonException|Traceback") as refused:
        read_landing(spark, tmp_path, TRANSACTIONS, entries, CALENDAR).collect()
    error = SimpleNamespace(cls_name="PythonException", message=str(refused.value), cause=None)
    (failure,) = root_of(error, "raw")
    assert failure.message == f"transactions: transactions.csv: {CHANGED}"


def test_a_file_that_cannot_be_opened_is_a_problem_of_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is simulated, because a test that runs as root can open everything."""

    def refuse(_: Path) -> tuple[int, str]:
        raise PermissionError(13, "Permission denied")

    put(tmp_path, "products.csv", "")
    monkeypatch.setattr(manifest_module, "hash_file", refuse)
    entry = scan_file(tmp_path, LandedFile("products", "products.csv", None), CALENDAR)
    assert entry["problem"] == "it cannot be opened: Permission denied"


def test_an_unreadable_file_is_a_problem_in_the_manifest(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path, "transactions/dt=31-01-2024/a.csv", transactions(transaction("T1", "2024-01-05")))
    put(tmp_path, "products/it's 100%, [new].csv", ",".join(PRODUCTS.columns) + "\nP1,Kettle,Home,Acme,1,2\n")
    manifest = scan_landing(spark, tmp_path, CALENDAR)
    with pytest.raises(PlatformError) as stopped:
        require_readable(TRANSACTIONS, entries_of(manifest, "transactions"))
    assert str(stopped.value) == (
        "transactions: transactions/dt=31-01-2024/a.csv: the folder name 'dt=31-01-2024' is not a valid date; "
        "write it as dt=YYYY-MM-DD"
    )
    entries = entries_of(manifest, "products")
    (row,) = read_landing(spark, tmp_path, PRODUCTS, entries, CALENDAR).collect()
    assert (row["source_file"], row["product_id"]) == ("products/it's 100%, [new].csv", "P1")


@pytest.mark.engine
def test_a_field_of_millions_of_characters_is_read(spark: SparkSession, tmp_path: Path) -> None:
    long = "x\n" * 2_000_000
    put(tmp_path, "transactions.csv", transactions(transaction("T1", "2024-01-05", f'"{long}"')))
    entries = entries_of(scan_landing(spark, tmp_path, CALENDAR), "transactions")
    (row,) = read_landing(spark, tmp_path, TRANSACTIONS, entries, CALENDAR).collect()
    assert (row["transaction_id"], row["product_id"] == long) == ("T1", True)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            transactions(transaction("T1", "2024-01-05", '17" screen'), "", "", ""), id="blank lines"
        ),
        pytest.param(
            transactions(
                transaction("T1", "2024-01-05", '17" screen'), transaction("T2", "2024-01-05", '"P\n1"')
            ),
            id="a closed quote over two lines in the last field",
        ),
    ],
)
def test_an_inch_sign_is_not_an_unclosed_quote(tmp_path: Path, content: str) -> None:
    assert scan(tmp_path, content)["problem"] is None


# --- the files that a run reads ---------------------------------------------------------------------------


def entry_of(path: str, delivered: date | None = None, **facts: Any) -> ManifestEntry:
    defaults: dict[str, Any] = {
        "size_bytes": 0,
        "month_rows": {},
        "row_count": 1,
        "column_names": [],
        "problem": None,
    }
    return ManifestEntry(path=path, sha256="0" * 64, delivery_date=delivered, **{**defaults, **facts})


def test_a_run_of_a_month_reads_the_files_with_rows_in_it() -> None:
    early = entry_of("early.csv", month_rows={"2024-01-01": 3})
    late = entry_of("late.csv", month_rows={"2024-01-01": 1, "2024-03-01": 9})
    other = entry_of("other.csv", month_rows={"2024-02-01": 2})
    entries = [early, late, other]
    assert files_to_read(entries, [JANUARY]) == [early, late]
    assert files_to_read(entries, [FEBRUARY, MARCH]) == [late, other]
    assert files_to_read(entries, [JUNE]) == []
    assert in_step.landed_rows(TRANSACTIONS, entries, Slice("month", JANUARY, MARCH)) == 6


@pytest.mark.parametrize(
    ("days", "read"),
    [
        pytest.param([None, None], [0, 1], id="files without a date are one delivery"),
        pytest.param([date(2024, 1, 1), date(2024, 2, 1)], [1], id="the newest date"),
        pytest.param(
            [date(2024, 2, 1), date(2024, 1, 1), date(2024, 2, 1)], [0, 2], id="all files of that date"
        ),
        pytest.param([None, date(2024, 1, 1), None], [1], id="a date is newer than no date"),
    ],
)
def test_the_newest_full_delivery_is_read(days: list[date | None], read: list[int]) -> None:
    entries = [entry_of(f"{number}.csv", day, row_count=10 + number) for number, day in enumerate(days)]
    assert files_to_read(entries, None) == [entries[number] for number in read]
    assert in_step.landed_rows(PRODUCTS, entries, None) == sum(10 + number for number in read)


def test_a_file_that_cannot_be_read_stops_its_table() -> None:
    entries = [
        entry_of("a.csv", month_rows={"2024-01-01": 1}),
        entry_of("b.csv", problem="it is empty"),
        entry_of("c.csv", problem="it is UTF-16"),
    ]
    with pytest.raises(PlatformError, match=r"^transactions: b.csv: it is empty \(and 1 more file\)$"):
        require_readable(TRANSACTIONS, entries)


def test_a_table_must_have_a_file_if_it_has_rows(tmp_path: Path) -> None:
    folder = Settings(tmp_path, "sail")
    in_step.require_files(folder, PRODUCTS, [])
    row = {"source_file": "products.csv", "source_version": "0", "source_line": 2}
    write_deltalake(folder.table_uri("raw", "products"), pa.Table.from_pylist([row]))
    in_step.require_files(folder, PRODUCTS, [entry_of("products.csv", row_count=0)])
    with pytest.raises(
        PlatformError,
        match=r"^products: no file has landed, but the table has rows from files that were removed; put products\.csv "
        r".*product_id,product_name",
    ):
        in_step.require_files(folder, PRODUCTS, [])


def test_columns_that_are_not_in_the_contract_are_kept_in_order() -> None:
    entries = [
        entry_of("a.csv", column_names=[*TRANSACTIONS.columns, "store", "note"]),
        entry_of("b.csv", column_names=["channel", *TRANSACTIONS.columns, "note"]),
    ]
    assert extra_columns(TRANSACTIONS, entries) == ["channel", "note", "store"]


# --- through the engine -----------------------------------------------------------------------------------

Line = tuple[str, int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three deliveries of transactions (plain, with reordered columns, with additional columns), and products."""
    folder = tmp_path_factory.mktemp("landing")
    put(
        folder,
        "transactions.csv",
        transactions(
            transaction("T1", "2024-01-05"),
            transaction("T2", "2024-02-06", '"P\n1"'),
            transaction("T3", "2024-02-07"),
        ),
    )
    reordered = "transaction_date,payment_method,amount,price,quantity,product_id,customer_id,transaction_id"
    put(
        folder,
        "transactions/dt=2024-02-29/late.csv",
        f"{reordered}\n2024-01-31,Cash,2,2,1,P9,C9,T4\n\nsoon,Cash,2,2,1,P9,C9,T5\nT6,too,few\n",
    )
    put(
        folder,
        "transactions/dt=2024-03-31/wide.csv.gz",
        f"{HEADER},store.name\r\n{transaction('T7', '2024-03-01')},North\r\n{transaction('T8', '2024-01-01')},\r\n",
    )
    put(folder, "products/part-0.csv", ",".join(PRODUCTS.columns) + "\nP1,Kettle,Home,Acme,1,2\n")
    put(folder, "products/part-1.csv", ",".join(PRODUCTS.columns) + "\nP2,Lamp,Home,Acme,1,2\n")
    return folder


PLAIN, LATE, WIDE = (
    "transactions.csv",
    "transactions/dt=2024-02-29/late.csv",
    "transactions/dt=2024-03-31/wide.csv.gz",
)


@pytest.fixture(scope="module")
def manifest(spark: SparkSession, folder: Path) -> DataFrame:
    return scan_landing(spark, folder, CALENDAR)


def entries_of(manifest: DataFrame, table: str) -> list[ManifestEntry]:
    """The manifest entries of a table, sorted by path."""
    rows = manifest.where(manifest["table_name"] == table).collect()
    return sorted((manifest_entry(row.asDict()) for row in rows), key=lambda entry: entry.path)


@pytest.fixture(scope="module")
def entries(manifest: DataFrame) -> list[ManifestEntry]:
    """The manifest entries of transactions."""
    return entries_of(manifest, "transactions")


def lines_of(
    spark: SparkSession, folder: Path, entries: Sequence[ManifestEntry], months: Sequence[date] | None
) -> dict[Line, dict[str, Any]]:
    """The rows of a read by file and line; each must occur once."""
    rows = read_landing(spark, folder, TRANSACTIONS, entries, CALENDAR, months).collect()
    lines = {(row["source_file"], row["source_line"]): row.asDict() for row in rows}
    assert len(lines) == len(rows)
    return lines


@pytest.mark.engine
def test_the_manifest_of_a_folder_has_the_rows_of_its_files(
    folder: Path, manifest: DataFrame, entries: list[ManifestEntry]
) -> None:
    assert manifest.schema == contract_of("landing", "manifest").spark_schema
    found, _ = find_files(folder)
    expected = {file.path: scan_file(folder, file, CALENDAR) for file in found}
    assert {row["path"]: row.asDict() for row in manifest.collect()} == expected
    assert [entry.path for entry in entries] == [PLAIN, LATE, WIDE]


@pytest.mark.engine
def test_a_read_returns_every_line_once_with_its_file_line_and_month(
    spark: SparkSession, folder: Path, entries: list[ManifestEntry]
) -> None:
    lines = lines_of(spark, folder, entries, None)

    assert {line: (row["transaction_id"], row["month"]) for line, row in lines.items()} == {
        (PLAIN, 2): ("T1", JANUARY),
        (PLAIN, 3): ("T2", FEBRUARY),
        (PLAIN, 5): ("T3", FEBRUARY),
        (LATE, 2): ("T4", JANUARY),
        (LATE, 4): ("T5", FEBRUARY),
        (LATE, 5): (None, FEBRUARY),
        (WIDE, 2): ("T7", MARCH),
        (WIDE, 3): ("T8", JANUARY),
    }
    assert lines[PLAIN, 3]["product_id"] == "P\n1"
    assert lines[PLAIN, 2]["delivery_date"] == date(2024, 2, 7)
    columns_in_another_order = lines[LATE, 2]
    assert (columns_in_another_order["customer_id"], columns_in_another_order["amount"]) == ("C9", "2")
    ragged = lines[LATE, 5]
    assert (ragged["ragged_text"], ragged["field_count"], ragged["customer_id"]) == ("T6,too,few", 3, None)
    assert [lines[line]["store.name"] for line in [(WIDE, 2), (WIDE, 3), (PLAIN, 2)]] == ["North", "", None]
    assert {lines[line]["source_version"] for line in lines if line[0] == WIDE} == {entries[2].sha256[:16]}
    assert list(lines[PLAIN, 2]) == [*TRANSACTIONS.raw.columns, "store.name"]


@pytest.mark.engine
def test_a_read_of_a_month_returns_its_lines_from_every_file(
    spark: SparkSession, folder: Path, entries: list[ManifestEntry]
) -> None:
    january = files_to_read(entries, [JANUARY])
    assert set(lines_of(spark, folder, january, [JANUARY])) == {(PLAIN, 2), (LATE, 2), (WIDE, 3)}


def test_a_full_delivery_is_read_from_all_its_files(
    spark: SparkSession, folder: Path, manifest: DataFrame
) -> None:
    entries = files_to_read(entries_of(manifest, "products"), None)
    rows = read_landing(spark, folder, PRODUCTS, entries, CALENDAR).collect()
    assert sorted((row["source_file"], row["source_line"], row["product_name"]) for row in rows) == [
        ("products/part-0.csv", 2, "Kettle"),
        ("products/part-1.csv", 2, "Lamp"),
    ]


DAY_TEXT = st.sampled_from(["2024-01-31", "2024-02-01", "2024-06-30", "2024-07-01", "2024-02-30", "", "soon"])
RECORD = st.one_of(
    st.builds(transaction, st.just("T1"), DAY_TEXT, st.sampled_from(["P1", '"P\n\n1"', '""'])),
    st.sampled_from(["", "\n", "\r", "\r\n", "T1", ",,,,,,,", ",,,,,,,,", '"T\n1"']),
)
DELIVERY = st.sampled_from(["a.csv", "dt=2024-02-29/b.csv", "dt=2023-01-01/c.csv.gz", "dt=2024-06-15/d.csv"])


@given(files=st.dictionaries(DELIVERY, st.lists(RECORD, max_size=8), min_size=1))
@example(files={"a.csv": [transaction("T1", "", '"P\n\n1"'), ",,,,,,,", ",,,,,,,"]})
@settings(deadline=None, max_examples=25)
def test_the_manifest_has_the_counts_of_a_read(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, files: dict[str, list[str]]
) -> None:
    """So a month that is not in the manifest can be left out, and landed rows can be compared with the tables."""
    folder = tmp_path_factory.mktemp("any")
    for name, lines in files.items():
        put(folder, f"transactions/{name}", transactions(*lines))
    entries = entries_of(scan_landing(spark, folder, CALENDAR), "transactions")
    counted = {(e.path, month): rows for e in entries for month, rows in e.month_rows.items()}
    lines = lines_of(spark, folder, entries, None)
    assert counted == Counter((row["source_file"], str(row["month"])) for row in lines.values())
    for entry in entries:
        assert entry.row_count == sum(entry.month_rows.values())
    assert len(lines) == sum(1 for records in files.values() for record in records if record.strip("\r\n"))


@pytest.mark.parametrize(
    ("path", "hint"), [(None, "holds no landing files: run 'cip generate'"), ("orders.csv", "orders")]
)
def test_an_empty_folder_says_how_to_fill_it(
    spark: SparkSession, tmp_path: Path, path: str | None, hint: str
) -> None:
    if path:
        put(tmp_path, path, "a\n")
    with pytest.raises(PlatformError, match=hint) as error:
        scan_landing(spark, tmp_path, CALENDAR)
    assert str(tmp_path) in str(error.value)


@pytest.mark.engine
def test_a_file_that_an_earlier_scan_knows_is_only_hashed(spark: SparkSession, tmp_path: Path) -> None:
    def land(name: str, *lines: str) -> None:
        put(tmp_path, f"transactions/{name}", transactions(*lines))

    land(
        "a.csv", transaction("T1", "2024-01-05"), transaction("T2", "2024-02-05"), transaction("T3", "no day")
    )
    land("b.csv", transaction("T4", "2024-03-05"))
    land("dt=2024-06-15/c.csv", transaction("T5", "2024-04-05"))
    put(tmp_path, "products.csv", ",".join(PRODUCTS.columns) + "\n")
    known = {row["path"]: row.asDict() for row in scan_landing(spark, tmp_path, CALENDAR).collect()}
    (tmp_path / "transactions" / "b.csv").unlink()
    land("dt=2024-06-15/c.csv", transaction("T5", "2024-05-05"))
    land("d.csv", transaction("T6", "2024-03-05"))

    expected = scan_landing(spark, tmp_path, CALENDAR).collect()
    found = scan_landing(spark, tmp_path, CALENDAR, known=known).collect()
    assert sorted(found, key=lambda row: row["path"]) == sorted(expected, key=lambda row: row["path"])
    for row in known.values():
        row["row_count"] += 100
    counted = {
        row["path"]: row["row_count"]
        for row in scan_landing(spark, tmp_path, CALENDAR, known=known).collect()
    }
    assert counted == {
        "transactions/a.csv": 103,
        "transactions/d.csv": 1,
        "transactions/dt=2024-06-15/c.csv": 1,
        "products.csv": 100,
    }
