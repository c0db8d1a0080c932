"""Write, read and inspect Delta tables, with the same guarantees on every engine.

The engine writes the data. delta-rs does what the engines do differently or not at all: it creates tables, adds
columns, reads the history and restores versions. So a difference between the engines cannot silently reach a table:

- a table is first created empty, so that the first write is checked like every other one;
- on a local disk, where a table has one writer at a time, rows that replace nothing are appended, which takes Sail a
  third of the time;
- a slice is replaced by a half-open range of its partition column; a row outside the range makes the engine fail while
  it writes, before anything is committed;
- schemas are compared here, not by the engine's ``mergeSchema``.
"""

import hashlib
import json
import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import unquote, urlparse
from urllib.request import url2pathname
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyspark.sql.functions as F
import pyspark.sql.types as T
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.config.folders import check_folder
from cip_assets.engines.session import address_of, require_conditional_commits
from cip_assets.storage import place

COMMIT = re.compile(r"^[0-9]{20}[.]json$")
"""The name of a commit's file in the log of a table."""

MONTH = re.compile(r"^month=(?P<month>[\d-]{10})/")
"""The folder of a data file of a table that is partitioned by month."""

RECENT = 100
"""The number of commits to search for a new one. Others can come after it if their writer did not wait for the lock."""


@dataclass(frozen=True)
class Slice:
    """The rows with ``start <= column < end``, which one write replaces or one read loads."""

    column: str
    start: date
    end: date

    @classmethod
    def of_day(cls, day: date) -> Self:
        """The slice of a snapshot day."""
        return cls("as_of_date", day, day + timedelta(days=1))

    @property
    def predicate(self) -> str:
        return f"{self.column} >= '{self.start}' AND {self.column} < '{self.end}'"


@dataclass(frozen=True)
class Written:
    """The result of a write."""

    version: int
    row_count: int
    added_columns: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class DataFile:
    """A data file that a commit added or removed. ``month`` is empty in a table without months."""

    path: str
    month: str
    is_added: bool


@dataclass(frozen=True)
class Commit:
    """One entry of a table's history."""

    version: int
    timestamp: datetime
    operation: str
    row_count: int | None
    audit: Mapping[str, Any]
    restored: int | None = None
    """The version that a restore returned to."""


def write(
    frame: DataFrame,
    uri: str,
    *,
    schema: T.StructType,
    replace: Slice | None = None,
    partition_column: str | None = None,
    audit: Mapping[str, Any] | None = None,
    unlogged: Collection[str] = (),
) -> Written:
    """Replace a whole table, or one slice of it, with the rows of a frame.

    Args:
        frame: the new rows.
        uri: the address of the table.
        schema: the contract's columns; other columns of the frame must be text and are added to the table.
        replace: the slice to replace; None replaces everything.
        partition_column: the column that the files are partitioned by.
        audit: entries for the commit in the Delta log.
        unlogged: columns whose lowest and highest values must not enter the log of a new table.

    Raises:
        PlatformError: the frame differs from the contract, or a column has a different type in the table.
            A row outside the slice raises an error of the engine that says so. Then no row changes; a first write
            leaves an empty table, and an added column stays.

    """
    table = table_name(uri)
    check_schema(frame.schema, schema, table)
    token = str(uuid4())
    entries = {**(audit or {}), "write_id": token}
    with place.of(uri).one_writer():
        existing = _create_or_load(
            uri, frame.schema, partition_column, _statistics(schema, unlogged, partition_column)
        )
        added = _add_columns(existing, frame.schema, table)
        is_added = _is_on_disk(uri) and _has_no_rows(existing, replace)
        writer = (
            _complete(frame, existing, replace, table)
            .write.format("delta")
            .mode("append" if is_added else "overwrite")
            .option("userMetadata", json.dumps(entries, default=str))
        )
        if replace is not None and not is_added:
            writer = writer.option("replaceWhere", replace.predicate)
        before = existing.version()
        writer.save(_for_engine(frame.sparkSession, uri))
        existing.update_incremental()
        if existing.version() == before:
            # The engines commit nothing if there are no rows before and after, but the history must show the write.
            _commit_nothing(existing, entries)
            return Written(existing.version(), 0, added)
    commit = next(commit for commit in commits(uri, RECENT) if commit.audit.get("write_id") == token)
    return Written(commit.version, commit.row_count or 0, added)


def append_files(
    frame: DataFrame, uri: str, *, files: Collection[str], batch: tuple[str, int], audit: Mapping[str, Any]
) -> int:
    """Append the rows of the files that a table lacks, once however often a batch is repeated. It needs Apache Spark.

    Args:
        frame: rows of files.
        uri: the address of a table that has been written.
        files: the files, as ``source_file`` names them.
        batch: who writes batches, and the number of this one. Delta itself refuses one that was committed.
        audit: entries for the commit in the Delta log.

    Returns:
        The rows that were appended.

    """
    token = str(uuid4())
    with place.of(uri).one_writer():
        table = _open(uri)
        _add_columns(table, frame.schema, table_name(uri))
        rows = _dataset(uri, table, None).to_table(
            ["source_file"], filter=pc.field("source_file").isin([*files])
        )
        new = {*files} - {*rows["source_file"].to_pylist()}
        if not new:
            return 0
        writer = _complete(frame, table, None, table_name(uri)).where(F.col("source_file").isin([*new])).write
        entries = json.dumps({**audit, "write_id": token}, default=str)
        writer.format("delta").mode("append").options(
            txnAppId=batch[0], txnVersion=batch[1], userMetadata=entries
        ).save(_for_engine(frame.sparkSession, uri))
    return sum(
        commit.row_count or 0 for commit in commits(uri, RECENT) if commit.audit.get("write_id") == token
    )


def read(
    spark: SparkSession, uri: str, *, only: Slice | None = None, columns: Sequence[str] | None = None
) -> DataFrame:
    """The rows of a table or of one slice, with all columns or the named ones.

    Raises:
        PlatformError: the table does not exist yet.

    """
    if not exists(uri):
        raise not_written(uri)
    return read_written(spark, uri, only=only, columns=columns)


def read_written(
    spark: SparkSession, uri: str, *, only: Slice | None = None, columns: Sequence[str] | None = None
) -> DataFrame:
    """The same of a table that exists. In a bucket, it costs a request to see whether it does."""
    frame = spark.read.format("delta").load(_for_engine(spark, uri))
    if only is not None:
        day = F.col(only.column)
        frame = frame.where((day >= F.lit(only.start)) & (day < F.lit(only.end)))
    return frame.select(*columns) if columns else frame


def open_table(uri: str, version: int | None = None) -> DeltaTable:
    """Open the table with delta-rs to read it, at its current version unless another one is given.

    A table stays open until its log has a new commit: many steps read the same tables, and to open one, delta-rs reads
    its whole log.

    Raises:
        PlatformError: the table does not exist yet.

    """
    newest = newest_commit(uri) if version is None else None
    return _opened(uri, newest) if newest else _open(uri, version)


def current_version(uri: str) -> int:
    """The number of the table's newest version.

    Raises:
        PlatformError: the table does not exist yet.

    """
    newest = newest_commit(uri)
    if newest is None:
        raise not_written(uri)
    return newest.version


@dataclass(frozen=True)
class CommitFile:
    """The file of a commit. A table that was deleted and written again has other files with the same versions."""

    version: int
    stamp: Hashable


def newest_commit(uri: str) -> CommitFile | None:
    """The newest commit in the log of a table; None if there is no table. It is the key of what is kept of a version.

    A log whose commits all went into a checkpoint has no file of a commit.
    """
    if newest := max(_log(uri), key=attrgetter("name"), default=None):
        return CommitFile(int(newest.name[:20]), newest.stamp)
    return CommitFile(_open(uri).version(), None) if DeltaTable.is_deltatable(_for_delta_rs(uri)) else None


def commit_hash(uri: str, version: int) -> str:
    """A hash of a commit of a table; empty if the commit is not in the log."""
    file = place.of(uri).file(_name_of(version))
    return hashlib.sha256(file.read()).hexdigest()[:16] if file else ""


@lru_cache(maxsize=1024)
def hash_of_newest(uri: str, newest: CommitFile) -> str:
    """The hash of the newest commit of a table; empty if the commit is not in the log."""
    return commit_hash(uri, newest.version)


def _name_of(version: int) -> str:
    """The file of a commit."""
    return f"_delta_log/{version:020}.json"


def _log(uri: str) -> list[place.File]:
    """The files of a table's commits, in no order."""
    return [file for file in place.of(uri).files("_delta_log") if COMMIT.match(file.name)]


@lru_cache(maxsize=64)
def _opened(uri: str, newest: CommitFile) -> DeltaTable:  # noqa: ARG001 -- the commit is part of the cache's key
    return _open(uri)


def _open(uri: str, version: int | None = None) -> DeltaTable:
    try:
        return DeltaTable(_for_delta_rs(uri), version=version)
    except TableNotFoundError as error:
        raise not_written(uri) from error


def dataset(uri: str, *, version: int | None = None, day: str | None = None) -> ds.Dataset:
    """The rows of a table for pyarrow and DuckDB; of its current version and all days, unless they are given.

    It is the same object as long as the table stays open.

    Raises:
        PlatformError: the table does not exist yet.

    """
    newest = newest_commit(uri)
    if newest and version in {None, newest.version}:
        return _dataset_of_opened(uri, newest, day)
    return _dataset(uri, _open(uri, version), day)


@lru_cache(maxsize=64)
def _dataset_of_opened(uri: str, newest: CommitFile, day: str | None) -> ds.Dataset:
    return _dataset(uri, _opened(uri, newest), day)


def _dataset(uri: str, table: DeltaTable, day: str | None) -> ds.Dataset:
    """The rows of a table, of one snapshot day if it is given.

    pyarrow opens the files itself. It closes them in its own threads: if these called the file of delta-rs, which is
    Python, while a process ends, the process would abort.
    """
    pruned = None if day is None else [("as_of_date", "=", day)]
    return table.to_pyarrow_dataset(filesystem=place.of(uri).as_arrow(), file_pruning_predicate=pruned)


def not_written(uri: str) -> PlatformError:
    """The error for a table that does not exist yet."""
    return PlatformError(
        f"{table_name(uri)}: not written yet; materialize it first ('cip run' computes everything)"
    )


def _for_engine(spark: SparkSession, uri: str) -> str:
    """A table's address for the engine; an address with a scheme stays as it is.

    Raises:
        PlatformError: the engine cannot write to that address.

    """
    if "://" not in uri:
        return address_of(spark, Path(uri))
    require_conditional_commits(spark, uri)
    return uri


def _for_delta_rs(uri: str) -> str:
    """A table's address for delta-rs: the path as it is, because delta-rs itself turns it into a URL.

    Raises:
        PlatformError: delta-rs would look for the table in another folder.

    """
    if "://" not in uri:
        check_folder(Path(uri))
    return uri


def row_count(table: DeltaTable) -> int:
    """The number of rows of the current version, from the log's statistics if every file has them."""
    counts = pa.table(table.get_add_actions(flatten=True))["num_records"]
    if counts.null_count:
        return int(_dataset(_uri_of(table), table, None).count_rows())
    return pc.sum(counts).as_py() or 0


def last_day(uri: str, column: str) -> date | None:
    """The latest day of the column that gives a table its months; None if there are no rows."""
    newest = newest_slice(uri, "month")
    if newest is None:
        return None
    rows = dataset(uri).to_table([column], filter=pc.field("month") == newest)
    days = rows[column]
    latest = pc.max(days).as_py()
    return latest.date() if isinstance(latest, datetime) else cast("date | None", latest)


def newest_slice(uri: str, column: str) -> date | None:
    """The latest value of the partition column that has rows; None if there are no rows or no table."""
    newest = newest_commit(uri)
    return max(slices(uri, column, newest), default=None) if newest else None


def slices(uri: str, column: str, newest: CommitFile | None = None) -> set[date]:
    """The values of the partition column that have rows."""
    table = _opened(uri, newest) if newest else open_table(uri)
    actions = pa.table(table.get_add_actions(flatten=True))
    found = zip(actions[f"partition.{column}"].to_pylist(), actions["num_records"].to_pylist(), strict=True)
    return {date.fromisoformat(str(value)) for value, rows in found if rows}


def exists(uri: str) -> bool:
    return newest_commit(uri) is not None


def history(table: DeltaTable, limit: int | None = None) -> Iterator[Commit]:
    """The table's commits, newest first."""
    return commits(_uri_of(table), limit)


def _uri_of(table: DeltaTable) -> str:
    """The address of an open table, as it is in the settings."""
    address = urlparse(table.table_uri)
    return url2pathname(address.path) if address.scheme == "file" else table.table_uri.rstrip("/")


def commits(uri: str, limit: int | None = None) -> Iterator[Commit]:
    """The commits of the table at an address, which is not opened, newest first; none if it was not written yet."""
    return _commits(log_of(uri), limit)


def _commits(entries: Iterable[Mapping[str, Any]], limit: int | None) -> Iterator[Commit]:
    for entry in islice(entries, limit):
        metrics = entry.get("operationMetrics") or {}
        rows = metrics.get("numOutputRows", metrics.get("num_added_rows"))
        try:
            audit = json.loads(entry.get("userMetadata") or "{}")
        except json.JSONDecodeError:
            audit = {"note": entry["userMetadata"]}
        rows = audit.pop("row_count", rows)
        yield Commit(
            version=entry["version"],
            timestamp=datetime.fromtimestamp(entry["timestamp"] / 1000).astimezone(),
            operation=entry["operation"],
            row_count=None if rows is None else int(rows),
            audit=audit,
            restored=_restored(entry),
        )


def log_of(uri: str) -> Iterator[Mapping[str, Any]]:
    """Each commit's information, newest first. delta-rs finds no commits below a folder with `?` or `#` in its name."""
    for file in sorted(_log(uri), key=attrgetter("name"), reverse=True):
        yield _information(file)


def _information(file: place.File) -> Mapping[str, Any]:
    actions = (json.loads(line) for line in file.read().splitlines())
    info: dict[str, Any] = next((action["commitInfo"] for action in actions if "commitInfo" in action), {})
    return {"operation": "", "timestamp": file.changed * 1000, **info, "version": int(file.name[:20])}


def changed_files(uri: str, version: int) -> list[DataFile] | None:
    """The data files that a commit of a table added and removed.

    None if the commit does not tell, because it marks single rows as deleted or is no longer in the log.
    """
    log = place.of(uri).file(_name_of(version))
    if log is None:
        return None
    found = []
    for line in log.read().splitlines():
        action = json.loads(line)
        if not (file := action.get("add") or action.get("remove")):
            continue
        if file.get("deletionVector"):
            return None
        path = unquote(file["path"])
        month = MONTH.match(path)
        found.append(DataFile(path, month["month"] if month else "", "add" in action))
    return found


def standing(uri: str, version: int) -> Iterator[Commit]:
    """The commits that made a version of a table, newest first, without those that a restore undid."""
    below = version + 1
    for commit in commits(uri):
        if commit.version < below:
            yield commit
            if commit.restored is not None:
                below = commit.restored + 1


def _restored(entry: Mapping[str, Any]) -> int | None:
    version = (entry.get("operationParameters") or {}).get("version")
    return int(version) if entry["operation"] == "RESTORE" and version is not None else None


def restore(uri: str, version: int, audit: Mapping[str, Any] | None = None) -> int:
    """Restore a version of a table, as a new commit unless it is the current version; return the new version.

    Args:
        uri: the address of the table.
        version: the version to restore.
        audit: entries for the commit in the Delta log.

    Raises:
        PlatformError: there is no such table or version, or maintenance deleted files that the version needs.

    """
    table = _open(uri)
    if not 0 <= version <= table.version():
        raise PlatformError(
            f"{table_name(uri)}: unknown version {version}. Choose one from 0 to {table.version()} (see 'cip history')"
        )
    if version == table.version():
        return version
    with place.of(uri).one_writer():
        try:
            table.restore(version, commit_properties=_properties(audit))
        except DeltaError as error:
            raise PlatformError(
                f"{table_name(uri)}: version {version} cannot be restored: maintenance deleted files that it needs"
            ) from error
    return table.version()


@dataclass(frozen=True)
class Tidied:
    """The result of maintenance."""

    files_joined: int
    files_deleted: int


def maintain(uri: str, keep: timedelta, audit: Mapping[str, Any] | None = None) -> Tidied:
    """Join small files, then delete the files that only versions older than ``keep`` need, and the older ones that no
    version needs, which killed writers left. A checkpoint of the log saves readers the commits before it.
    """
    table = _open(uri)
    with place.of(uri).one_writer():
        joined = table.optimize.compact(commit_properties=_properties(audit))
        deleted = table.vacuum(
            retention_hours=round(keep.total_seconds() / 3600),
            dry_run=False,
            enforce_retention_duration=False,
            full=True,
            commit_properties=_properties(audit),
        )
        table.create_checkpoint()
    return Tidied(int(joined["numFilesRemoved"]), len(deleted))


def table_name(uri: str) -> str:
    """The name ``layer/table`` from a table's address."""
    return "/".join(uri.rstrip("/").split("/")[-2:])


def check_schema(found: T.StructType, promised: T.StructType, table: str) -> None:
    """Refuse a frame that lacks a column of the contract, has it with another type, or adds a column that is not text.

    Raises:
        PlatformError: names the column and both types.

    """
    types = {f.name: f.dataType for f in found}
    for expected in promised:
        actual = types.pop(expected.name, None)
        if actual is None:
            raise PlatformError(f"{table}: column {expected.name} is in the contract but not in the result")
        _same_type(table, expected.name, actual, expected.dataType, "the contract")
    for name, extra in types.items():
        if not isinstance(extra, T.StringType):
            raise PlatformError(
                f"{table}: column {name} ({extra.simpleString()}) is not in the contract; declare it there"
            )


def _same_type(table: str, column: str, actual: T.DataType, expected: T.DataType, where: str) -> None:
    if actual.simpleString() != expected.simpleString():
        raise PlatformError(
            f"{table}: column {column} is {actual.simpleString()} but {where} has {expected.simpleString()}; "
            "a type cannot change: use a new column, or move the table away and backfill it"
        )


def _commit_nothing(table: DeltaTable, audit: Mapping[str, Any]) -> None:
    """Commit no rows, only the audit entries."""
    properties = _properties({**audit, "row_count": 0})
    # write_deltalake cannot append below a folder with `[`, `^` or `|` in its name.
    table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
    table.update_incremental()


def _properties(audit: Mapping[str, Any] | None) -> CommitProperties:
    return CommitProperties(custom_metadata={"userMetadata": json.dumps(audit or {}, default=str)})


def _statistics(
    promised: T.StructType, unlogged: Collection[str], partition_column: str | None
) -> Mapping[str, str | None] | None:
    """The setting of a new table that limits the columns whose lowest and highest values are in its log.

    Columns that a source adds later are not included, because they may hold personal data. Delta keeps no such values
    for a partition column or a boolean column.
    """
    if not unlogged:
        return None
    left_out = {*unlogged, partition_column}
    logged = [
        f.name for f in promised if f.name not in left_out and not isinstance(f.dataType, T.BooleanType)
    ]
    return {"delta.dataSkippingStatsColumns": ",".join(logged)}


def _create_or_load(
    uri: str,
    schema: T.StructType,
    partition_column: str | None,
    configuration: Mapping[str, str | None] | None = None,
) -> DeltaTable:
    if exists(uri):
        return _open(uri)
    nullable = T.StructType([T.StructField(f.name, f.dataType, True) for f in schema])
    table = DeltaTable.create(
        _for_delta_rs(uri),
        Schema.from_json(nullable.json()),
        mode="ignore",
        partition_by=[partition_column] if partition_column else None,
        configuration=configuration,
    )
    if _is_on_disk(uri):
        _say_it_is_empty(Path(uri) / _name_of(0))
    return table


def _say_it_is_empty(commit: Path) -> None:
    """Write the checksum of an empty table: the file of Delta's protocol that says what a version consists of.

    delta-rs writes none. Without it, Apache Spark asks its log with queries what it consists of, once for each new
    table: the golden test took 134 s without it, and 111 s with it.
    """
    actions: dict[str, Any] = {}
    for line in commit.read_text("utf-8").splitlines():
        actions |= json.loads(line)
    checksum = {
        "tableSizeBytes": 0,
        "numFiles": 0,
        "numMetadata": 1,
        "numProtocol": 1,
        "metadata": actions["metaData"],
        "protocol": actions["protocol"],
        "setTransactions": [],
        "domainMetadata": [],
        "allFiles": [],
    }
    commit.with_suffix(".crc").write_text(json.dumps(checksum), "utf-8")


def _is_on_disk(uri: str) -> bool:
    return "://" not in uri


def _has_no_rows(table: DeltaTable, part: Slice | None) -> bool:
    """Whether a table, or one slice of it, has no data files."""
    files = pa.table(table.get_add_actions(flatten=True))
    if not files.num_rows:
        return True
    if part is None or part.column not in table.metadata().partition_columns:
        return False
    days = set(files[f"partition.{part.column}"].to_pylist())
    return not any(part.start <= day < part.end for day in days)


def _table_schema(table: DeltaTable) -> T.StructType:
    return T.StructType.fromJson(json.loads(table.schema().to_json()))


def _add_columns(table: DeltaTable, wanted: T.StructType, name: str) -> list[str]:
    existing = {f.name: f.dataType for f in _table_schema(table)}
    new = [f for f in wanted if f.name not in existing]
    for column in wanted:
        if column.name in existing:
            _same_type(name, column.name, column.dataType, existing[column.name], "the table")
    if new:
        nullable = T.StructType([T.StructField(f.name, f.dataType, True) for f in new])
        table.alter.add_columns(Schema.from_json(nullable.json()).fields)
    return [f.name for f in new]


def _complete(frame: DataFrame, table: DeltaTable, replace: Slice | None, name: str) -> DataFrame:
    """The frame with the table's columns in the table's order, and with a guard on the slice's column."""
    present = set(frame.columns)
    columns = []
    for column in _table_schema(table):
        if column.name not in present:
            value = F.lit(None).cast(column.dataType)
        elif replace is not None and column.name == replace.column:
            value = _inside(replace, name)
        else:
            value = F.col("`" + column.name.replace("`", "``") + "`")
        columns.append(value.alias(column.name))
    return frame.select(*columns)


def _inside(replace: Slice, name: str) -> Any:
    """The slice's column; a value outside the slice raises an error when the row is written."""
    value = F.col(replace.column)
    refusal = F.concat(
        F.lit(f"{name}: refused to write a row with {replace.column} = "),
        F.coalesce(value.cast("string"), F.lit("null")),
        F.lit(f" into the slice {replace.start} to {replace.end}"),
    )
    inside = (value >= F.lit(replace.start)) & (value < F.lit(replace.end))
    return F.when(inside, value).otherwise(F.raise_error(refusal).cast("date"))
