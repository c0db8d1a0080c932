"""Delta tables: a write replaces the slice that it names, verifies that, and leaves everything else unchanged."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyspark.sql.types as T
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.config.errors import PlatformError
from cip_assets.storage import delta
from cip_assets.storage.delta import Slice
from cip_assets_tests.conftest import ENGINE

ID, AMOUNT, MONTH = (
    T.StructField("id", T.StringType()),
    T.StructField("amount", T.DecimalType(18, 2)),
    T.StructField("month", T.DateType()),
)
SCHEMA = T.StructType([ID, AMOUNT, MONTH])
JANUARY, FEBRUARY, MARCH, APRIL = (date(2024, month, 1) for month in range(1, 5))
IN_JANUARY, IN_FEBRUARY, IN_MARCH = (
    Slice("month", start, end) for start, end in [(JANUARY, FEBRUARY), (FEBRUARY, MARCH), (MARCH, APRIL)]
)
QUARTER = Slice("month", JANUARY, APRIL)

Row = tuple[str, str | None, date | None]
A: Row = ("a", "1.10", JANUARY)
B: Row = ("b", "2.00", FEBRUARY)
C: Row = ("c", None, MARCH)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "raw" / "events")


class Table:
    """A table partitioned by month, and the frames to write to it."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self.spark = spark
        self.uri = uri

    def frame(self, rows: Iterable[Row], *more: str) -> DataFrame:
        """Rows of the contract, with additional text columns that hold the same value in every row."""
        typed = [(key, None if amount is None else Decimal(amount), month) for key, amount, month in rows]
        schema = T.StructType([*SCHEMA, *(T.StructField(name, T.StringType()) for name in more)])
        return self.spark.createDataFrame([(*row, *("more" for _ in more)) for row in typed], schema)

    def write(self, *rows: Row, replace: Slice | None = None, more: Iterable[str] = ()) -> delta.Written:
        return delta.write(
            self.frame(rows, *more), self.uri, schema=SCHEMA, replace=replace, partition_column="month"
        )

    def rows(self) -> list[Row]:
        """The table's rows as a reader other than the engine finds them."""
        found = DeltaTable(self.uri).to_pyarrow_table().select(SCHEMA.names).to_pylist()
        return sorted((r["id"], None if r["amount"] is None else str(r["amount"]), r["month"]) for r in found)

    @property
    def version(self) -> int:
        return DeltaTable(self.uri).version()

    @property
    def log(self) -> Path:
        return Path(self.uri) / "_delta_log"

    def files(self, *, but: date) -> dict[str, str]:
        """The parquet files of the current version outside a month, with their hashes."""
        paths = [path for path in DeltaTable(self.uri).file_uris() if f"month={but}" not in path]
        return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}


@pytest.fixture
def table(spark: SparkSession, uri: str) -> Table:
    return Table(spark, uri)


@pytest.fixture
def filled(table: Table) -> Table:
    """A, B and C: one row per month. The engine does not write them, because on Spark that takes seconds."""
    rows = [
        {"id": key, "amount": amount and Decimal(amount), "month": month} for key, amount, month in (A, B, C)
    ]
    write_deltalake(table.uri, pa.Table.from_pylist(rows, to_arrow_schema(SCHEMA)), partition_by=["month"])
    return table


# --- replacing --------------------------------------------------------------------------------------------


@pytest.mark.engine
def test_a_slice_is_replaced_and_its_neighbors_stay_byte_for_byte(filled: Table) -> None:
    before = filled.files(but=FEBRUARY)
    assert {path.split("month=")[1].split("/")[0] for path in before} == {str(JANUARY), str(MARCH)}

    written = filled.write(("b2", "3.00", FEBRUARY), ("b3", "4.00", FEBRUARY), replace=IN_FEBRUARY)

    assert filled.rows() == [A, ("b2", "3.00", FEBRUARY), ("b3", "4.00", FEBRUARY), C]
    assert filled.files(but=FEBRUARY) == before
    assert (written.row_count, written.version, written.added_columns) == (2, filled.version, [])


def test_a_range_a_rerun_and_single_months_give_the_same_table(spark: SparkSession, tmp_path: Path) -> None:
    """The first month can be any month, because the first write of a table is like every other one."""
    at_once, by_month, again = (Table(spark, str(tmp_path / name)) for name in ("range", "months", "again"))
    at_once.write(A, B, C, replace=QUARTER)
    for row, month in [(C, IN_MARCH), (A, IN_JANUARY), (B, IN_FEBRUARY)]:
        by_month.write(row, replace=month)
    for _ in range(2):
        again.write(A, B, C, replace=QUARTER)
    assert at_once.rows() == by_month.rows() == again.rows() == [A, B, C]


def test_maintenance_deletes_what_a_killed_writer_left_once_it_is_old_enough(table: Table) -> None:
    table.write(A)
    left = Path(table.uri) / "month=2024-01-01" / "part-00000-left.snappy.parquet"
    left.write_bytes(b"PAR1")
    delta.maintain(table.uri, keep=timedelta(hours=1))
    assert left.exists()
    delta.maintain(table.uri, keep=timedelta(0))
    assert not left.exists()
    assert table.rows() == [A]


@pytest.mark.engine
def test_personal_data_stays_out_of_the_log_and_rows_are_still_counted(
    table: Table,
) -> None:
    rows = [("ann.aster", "1.10", JANUARY), ("bob.birch", "2.00", JANUARY)]
    for replace in (IN_JANUARY, QUARTER):
        delta.write(
            table.frame(rows, "color"),
            table.uri,
            schema=SCHEMA,
            replace=replace,
            partition_column="month",
            unlogged=["id"],
        )
    delta.maintain(table.uri, keep=timedelta(0))
    log = "".join(path.read_text("utf-8") for path in table.log.glob("0*") if path.suffix != ".parquet")
    assert not re.findall(r"aster|birch|\bmore\b", log)
    assert "1.1" in log
    opened = delta.open_table(table.uri)
    assert pa.table(opened.get_add_actions(flatten=True))["num_records"].to_pylist() == [2]
    assert delta.slices(table.uri, "month") == {JANUARY}
    with pytest.raises(PlatformError, match="version 1 cannot be restored: maintenance deleted files"):
        delta.restore(table.uri, 1)
    assert table.rows() == [("ann.aster", "1.10", JANUARY), ("bob.birch", "2.00", JANUARY)]


@pytest.mark.engine
def test_a_new_table_has_the_checksum_of_an_empty_one_and_apache_spark_adds_its_first_rows_to_it(
    table: Table,
) -> None:
    table.write(A, replace=IN_JANUARY)
    empty, *later = (json.loads(path.read_text("utf-8")) for path in sorted(table.log.glob("0*.crc")))
    assert (empty["numFiles"], empty["tableSizeBytes"], empty["allFiles"]) == (0, 0, [])
    assert empty["metadata"]["id"] == DeltaTable(table.uri, version=0).metadata().id
    if ENGINE == "spark":
        assert [(one["numFiles"], one["metadata"]["id"], one["protocol"]) for one in later] == [
            (1, empty["metadata"]["id"], empty["protocol"])
        ]


@pytest.mark.engine
def test_a_checksum_that_a_killed_writer_did_not_finish_is_ignored(filled: Table) -> None:
    (filled.log / "00000000000000000000.crc").write_text('{"tableSizeBytes": 0, "numFi', "utf-8")
    filled.write(("b2", "3.00", FEBRUARY), replace=IN_FEBRUARY)
    assert filled.rows() == [A, ("b2", "3.00", FEBRUARY), C]
    assert delta.read(filled.spark, filled.uri).count() == 3


@pytest.mark.engine
def test_a_write_without_rows_makes_an_empty_table(table: Table) -> None:
    written = table.write(replace=IN_FEBRUARY)
    assert (table.rows(), written.row_count, written.version) == ([], 0, table.version)


@pytest.mark.engine
def test_a_write_without_rows_empties_its_slice_and_nothing_else(filled: Table) -> None:
    written = filled.write(replace=IN_FEBRUARY)
    assert (filled.rows(), written.row_count, written.version) == ([A, C], 0, filled.version)


@pytest.mark.engine
def test_a_write_without_rows_to_an_empty_slice_is_in_the_log(filled: Table) -> None:
    before = filled.version
    audit = {"partition": str(APRIL)}
    april = Slice("month", APRIL, date(2024, 5, 1))
    written = delta.write(
        filled.frame(()), filled.uri, schema=SCHEMA, replace=april, partition_column="month", audit=audit
    )
    assert (filled.rows(), written.row_count) == ([A, B, C], 0)
    assert written.version == filled.version == before + 1
    assert next(delta.history(DeltaTable(filled.uri))).audit["partition"] == str(APRIL)


@pytest.mark.engine
def test_a_table_without_partitions_is_replaced_as_a_whole(table: Table) -> None:
    for rows in [(A, B), ()]:
        written = delta.write(table.frame(rows), table.uri, schema=SCHEMA)
        assert table.rows() == list(rows)
        assert (written.row_count, written.version) == (len(rows), table.version)
    assert DeltaTable(table.uri).metadata().partition_columns == []


def test_each_partition_has_a_folder_for_its_files(table: Table) -> None:
    table.write(A, B, C, replace=QUARTER)
    folders = {path.name for path in Path(table.uri).glob("month=*")}
    assert folders == {"month=2024-01-01", "month=2024-02-01", "month=2024-03-01"}


# --- rows outside the slice -------------------------------------------------------------------------------


@pytest.mark.engine
@pytest.mark.parametrize(
    ("stray", "value"),
    [
        pytest.param(("x", "1.00", MARCH), "month = 2024-03-01", id="the end of the slice is outside"),
        pytest.param(("x", "1.00", None), "month = null", id="null is outside"),
    ],
)
def test_a_row_outside_the_slice_is_refused_and_nothing_changes(
    filled: Table, stray: Row, value: str
) -> None:
    before, files = filled.version, filled.files(but=APRIL)
    with pytest.raises(Exception, match=f"refused to write a row with {value} into the slice 2024-02-01 to"):
        filled.write(("b2", "1.00", FEBRUARY), stray, replace=IN_FEBRUARY)
    assert (filled.version, filled.files(but=APRIL), filled.rows()) == (before, files, [A, B, C])


def test_a_row_before_the_slice_is_refused_too(filled: Table) -> None:
    with pytest.raises(Exception, match="refused to write a row with month = 2024-01-01"):
        filled.write(A, replace=IN_FEBRUARY)
    assert filled.rows() == [A, B, C]


# --- schema and contract ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ddl", "problem"),
    [
        ("id string, month date", "column amount is in the contract but not in the result"),
        ("id string, amount double, month date", "column amount is double but the contract has decimal"),
        (
            "id string, amount decimal(18,4), month date",
            r"column amount is decimal\(18,4\) but the contract has decimal\(18,2\)",
        ),
        (
            "id string, amount decimal(18,2), month date, rank int",
            r"column rank \(int\) is not in the contract; declare it",
        ),
    ],
)
def test_a_frame_that_differs_from_the_contract_is_refused_before_anything_is_written(
    spark: SparkSession, uri: str, ddl: str, problem: str
) -> None:
    frame = spark.createDataFrame([], ddl)
    with pytest.raises(PlatformError, match=f"^raw/events: {problem}"):
        delta.write(frame, uri, schema=SCHEMA, replace=IN_JANUARY, partition_column="month")
    assert not delta.exists(uri)


@pytest.mark.engine
def test_a_new_text_column_is_added_and_reported_and_is_null_if_missing(filled: Table) -> None:
    added = filled.write(("b2", "1.00", FEBRUARY), replace=IN_FEBRUARY, more=["note", "store.name"])
    assert added.added_columns == ["note", "store.name"]

    without = filled.write(("c2", "1.00", MARCH), replace=IN_MARCH)

    assert without.added_columns == []
    rows = DeltaTable(filled.uri).to_pyarrow_table().to_pylist()
    assert sorted((row["id"], row["note"], row["store.name"]) for row in rows) == [
        ("a", None, None),
        ("b2", "more", "more"),
        ("c2", None, None),
    ]


def test_a_first_write_may_add_columns_to_the_contract(table: Table) -> None:
    written = table.write(A, replace=IN_JANUARY, more=["note"])
    assert written.added_columns == []
    assert DeltaTable(table.uri).to_pyarrow_table()["note"].to_pylist() == ["more"]


def test_the_order_of_the_frames_columns_does_not_matter(filled: Table) -> None:
    frame = filled.frame([("b2", "5.00", FEBRUARY)]).select("month", "amount", "id")
    delta.write(frame, filled.uri, schema=SCHEMA, replace=IN_FEBRUARY, partition_column="month")
    assert filled.rows() == [A, ("b2", "5.00", FEBRUARY), C]


def test_a_type_that_differs_from_the_tables_is_refused(filled: Table) -> None:
    before = filled.version
    changed = T.StructType([T.StructField("id", T.LongType()), AMOUNT, MONTH])
    frame = filled.spark.createDataFrame([(1, Decimal(1), JANUARY)], changed)
    with pytest.raises(
        PlatformError, match="column id is bigint but the table has string; a type cannot change"
    ):
        delta.write(frame, filled.uri, schema=changed, replace=IN_JANUARY, partition_column="month")
    assert (filled.version, filled.rows()) == (before, [A, B, C])


# --- history ----------------------------------------------------------------------------------------------


@pytest.mark.engine
def test_a_commit_has_its_audit_entries_and_its_number_of_rows(filled: Table) -> None:
    audit = {"run_id": "r1", "asset": "raw/events", "partition": "2024-01-01", "day": JANUARY}
    frame = filled.frame([A, ("a2", "1.00", JANUARY)])
    written = delta.write(
        frame, filled.uri, schema=SCHEMA, replace=IN_JANUARY, partition_column="month", audit=audit
    )
    table = delta.open_table(filled.uri)
    (newest,) = delta.history(table, limit=1)
    assert (newest.version, newest.row_count, written.row_count) == (written.version, 2, 2)
    assert {key: newest.audit[key] for key in audit} == {**audit, "day": "2024-01-01"}
    assert delta.row_count(table) == 4


def test_the_commits_at_an_address_are_those_of_the_table_there(filled: Table) -> None:
    assert list(delta.commits(filled.uri)) == list(delta.history(delta.open_table(filled.uri)))
    assert list(delta.commits(f"{filled.uri}-not-written")) == []


def test_a_table_stays_open_until_its_log_has_a_new_commit(filled: Table) -> None:
    first = delta.open_table(filled.uri)
    assert delta.open_table(filled.uri) is first
    filled.write(("a", "9.00", JANUARY), replace=IN_JANUARY)
    second = delta.open_table(filled.uri)
    assert second.version() == first.version() + 1 == delta.current_version(filled.uri)


def test_a_table_that_was_deleted_and_written_again_is_opened_again(filled: Table) -> None:
    opened = delta.open_table(filled.uri)
    shutil.rmtree(filled.uri)
    write_deltalake(filled.uri, pa.table({"id": ["other"]}))
    again = delta.open_table(filled.uri)
    assert again.version() == opened.version()
    assert again.to_pyarrow_table()["id"].to_pylist() == ["other"]
    shutil.rmtree(filled.uri)
    with pytest.raises(PlatformError, match="not written yet"):
        delta.open_table(filled.uri)


def test_metadata_of_another_writer_is_shown_as_a_note(filled: Table) -> None:
    frame = filled.frame([A])
    frame.write.format("delta").mode("append").option("userMetadata", "by hand").save(filled.uri)
    assert next(delta.history(delta.open_table(filled.uri))).audit == {"note": "by hand"}


@pytest.mark.engine
def test_a_restored_version_is_a_new_commit_and_can_be_written_to(filled: Table) -> None:
    before = filled.version
    DeltaTable(filled.uri).delete("id != 'a'")
    assert filled.rows() == [A]
    restored = delta.restore(filled.uri, before)
    assert (restored, filled.rows()) == (filled.version, [A, B, C])
    assert next(delta.history(delta.open_table(filled.uri))).operation == "RESTORE"
    filled.write(("b3", "2.00", FEBRUARY), replace=IN_FEBRUARY)
    assert filled.rows() == [A, ("b3", "2.00", FEBRUARY), C]


def test_the_current_version_is_restored_without_a_commit(filled: Table) -> None:
    before = filled.version
    assert delta.restore(filled.uri, before) == before == filled.version


@pytest.mark.parametrize("version", [-1, 99])
def test_an_unknown_version_cannot_be_restored(filled: Table, version: int) -> None:
    before = filled.version
    with pytest.raises(
        PlatformError, match=f"^raw/events: unknown version {version}. Choose one from 0 to {before}"
    ):
        delta.restore(filled.uri, version)
    assert filled.version == before


# --- reading ----------------------------------------------------------------------------------------------


@pytest.mark.engine
def test_a_slice_and_some_columns_are_read(filled: Table) -> None:
    february = delta.read(filled.spark, filled.uri, only=IN_FEBRUARY, columns=["amount", "id"])
    assert february.columns == ["amount", "id"]
    assert [tuple(row) for row in february.collect()] == [(Decimal("2.00"), "b")]
    first_two = Slice("month", JANUARY, MARCH)
    assert sorted(row["id"] for row in delta.read(filled.spark, filled.uri, only=first_two).collect()) == [
        "a",
        "b",
    ]
    everything = delta.read(filled.spark, filled.uri)
    assert everything.columns == SCHEMA.names
    assert everything.count() == 3


def test_a_table_that_was_not_written_is_named(spark: SparkSession, uri: str) -> None:
    for attempt in (lambda: delta.read(spark, uri), lambda: delta.restore(uri, 0)):
        with pytest.raises(PlatformError, match="^raw/events: not written yet; materialize it first"):
            attempt()


# --- simultaneous writers ---------------------------------------------------------------------------------


def in_threads(*writes: tuple[Table, Row, Slice]) -> None:
    """Write at the same time from threads of this process."""
    errors: list[BaseException] = []

    def attempt(table: Table, row: Row, replace: Slice) -> None:
        try:
            table.write(row, replace=replace)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=attempt, args=write) for write in writes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.engine
def test_threads_that_write_different_slices_lose_nothing(table: Table) -> None:
    in_threads((table, A, IN_JANUARY), (table, B, IN_FEBRUARY))
    assert table.rows() == [A, B]


@pytest.mark.engine
def test_if_threads_write_the_same_slice_one_of_them_wins_completely(filled: Table) -> None:
    before, others = filled.version, ("a1", "a2")
    in_threads(*((filled, (key, "1.00", JANUARY), IN_JANUARY) for key in others))
    assert filled.rows() in [[(key, "1.00", JANUARY), B, C] for key in others]
    assert filled.version == before + 2


WRITER = """
    import sys
    from datetime import date

    from cip_assets.engines.session import start_session
    from cip_assets_tests.storage.test_delta import Slice, Table

    spark = start_session(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        key, first, last, uri = line.rstrip().split(maxsplit=3)
        for month in range(int(first), int(last) + 1):
            start, end = date(2024, month, 1), date(2024, month + 1, 1)
            Table(spark, uri).write((key, "1.00", start), replace=Slice("month", start, end))
        print("written", flush=True)
"""


Writer = subprocess.Popen[str]


@pytest.fixture(scope="module")
def writers() -> Iterator[tuple[Writer, Writer]]:
    """Two processes, each with its own engine."""
    command = [sys.executable, "-c", textwrap.dedent(WRITER), ENGINE]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as second,
    ):
        assert [said(writer) for writer in (first, second)] == ["ready", "ready"]
        yield first, second
    assert (first.returncode, second.returncode) == (0, 0)


def said(writer: Writer) -> str:
    assert writer.stdout is not None
    return writer.stdout.readline().rstrip()


def in_processes(writers: tuple[Writer, Writer], uri: str, *rows: tuple[str, int, int]) -> None:
    """Let both processes write a row into each of some months at the same time."""
    for writer, (key, first, last) in zip(writers, rows, strict=True):
        assert writer.stdin is not None
        writer.stdin.write(f"{key} {first} {last} {uri}\n")
        writer.stdin.flush()
    assert [said(writer) for writer in writers] == ["written", "written"]


def test_processes_that_write_different_slices_lose_nothing(
    table: Table, writers: tuple[Writer, Writer]
) -> None:
    in_processes(writers, table.uri, ("p", 1, 5), ("q", 6, 10))
    assert table.rows() == sorted(
        (key, "1.00", date(2024, month, 1))
        for key, months in [("p", range(1, 6)), ("q", range(6, 11))]
        for month in months
    )
    assert table.version == 10


def test_if_processes_write_the_same_slices_each_write_is_complete(
    table: Table, writers: tuple[Writer, Writer]
) -> None:
    in_processes(writers, table.uri, ("p", 1, 5), ("q", 1, 5))
    assert table.version == 10
    assert [month for _, _, month in sorted(table.rows(), key=lambda row: str(row[2]))] == [
        date(2024, month, 1) for month in range(1, 6)
    ]
