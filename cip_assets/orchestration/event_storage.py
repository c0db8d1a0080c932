"""Dagster's history in SQLite files, with connections that stay open.

Dagster's own storage opens an SQLAlchemy engine and a connection for every statement. Each engine compiles its
statements anew. When the last connection closes, SQLite copies the file's log into the database and deletes it.
A small run has a thousand events of several statements each, and spent a third of its time on this. Here each file has
one engine, which keeps its connections. The files are the same as Dagster's, and other processes, with or without this
storage, can use them at the same time. Other databases, such as PostgreSQL, have their own pools: if ``dagster.yaml``
names one, nothing here is used.
"""

import json
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Self

import dagster as dg
import sqlalchemy

# Dagster has no public name for its storages and for what they are asked about a check, and no setting for their
# connections. Only how they connect is overridden.
from dagster._core.event_api import EventLogCursor, EventLogRecord, PartitionKeyFilter
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._serdes import deserialize_value
from dagster._utils.concurrency import ConcurrencyClaimStatus, ConcurrencySlotStatus
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache
from watchdog.observers import Observer

SECONDS_TO_WAIT = 30
"""How long to wait for another process that writes to the same file."""

FOR_ALL_RUNS = ASSET_EVENTS | ASSET_CHECK_EVENTS | EVENT_TYPE_TO_PIPELINE_RUN_STATUS.keys()
"""The kinds of events that are in the file of all runs, too."""

HELD_OPEN = 8
"""How many files a storage keeps open. There is one for all events, and one for the events of each run."""

POOL = """
INSERT INTO concurrency_limits (concurrency_key, "limit", using_default_limit) VALUES (?, 1, TRUE)
ON CONFLICT DO NOTHING
"""
SLOT = "INSERT INTO concurrency_slots (concurrency_key, deleted) VALUES (?, FALSE)"
CLAIM = """
UPDATE concurrency_slots SET run_id = ?, step_key = ? WHERE id = (
    SELECT id FROM concurrency_slots WHERE concurrency_key = ? AND step_key IS NULL AND NOT deleted LIMIT 1
) AND NOT EXISTS (SELECT 1 FROM pending_steps WHERE concurrency_key = ?)
"""
CLAIMANT = """
INSERT INTO pending_steps (concurrency_key, run_id, step_key, priority, assigned_timestamp)
VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP)
"""
FREE = "UPDATE concurrency_slots SET run_id = NULL, step_key = NULL WHERE run_id = ? AND step_key = ? AND NOT deleted"
FORGET = """
DELETE FROM pending_steps AS mine WHERE run_id = ? AND step_key = ? AND NOT EXISTS (
    SELECT 1 FROM pending_steps AS other WHERE other.concurrency_key = mine.concurrency_key AND other.id <> mine.id)
"""
IS_CLAIMANT = "SELECT 1 FROM pending_steps WHERE run_id = ? AND step_key = ?"

EVALUATED = """
UPDATE asset_check_executions
SET execution_status = ?, evaluation_event = ?, evaluation_event_timestamp = ?, evaluation_event_storage_id = ?,
    materialization_event_storage_id = ?
WHERE asset_key = ? AND check_name = ? AND run_id = ? AND partition IS ?
"""
NEWEST = """
SELECT id, event FROM event_logs WHERE asset_key = ? AND dagster_event_type = 'ASSET_MATERIALIZATION' AND partition = ?
ORDER BY id DESC LIMIT 1
"""
IS_WIPED = "SELECT 1 FROM asset_keys WHERE asset_key = ? AND asset_details IS NOT NULL"
LATEST_TAGS = """
SELECT latest.partition, tag.key, tag.value
FROM (
    SELECT partition, max(id) AS id FROM event_logs
    WHERE asset_key = ? AND dagster_event_type = ? AND partition IN (SELECT value FROM json_each(?)) GROUP BY partition
) AS latest JOIN asset_event_tags AS tag ON tag.event_id = latest.id AND tag.key IN (SELECT value FROM json_each(?))
"""

ADD_EVENTS = SqlEventLogStorageTable.insert()
"""One statement for all events, because SQLAlchemy looks through each new one to see what it is."""

COMPILED: Any = LRUCache(500)
DIALECTS: list[sqlalchemy.Dialect] = []
"""The dialect of all engines."""


class Files:
    """The engines of the most recently used files."""

    def __init__(self) -> None:
        self._engines: OrderedDict[tuple[str, int], sqlalchemy.Engine] = OrderedDict()
        self._lock = Lock()

    def engine(self, path: str) -> sqlalchemy.Engine:
        """The engine of a file. A file that replaced a deleted one has another engine."""
        if not os.path.exists(path):  # noqa: PTH110 -- twice as fast as a Path, a thousand times in a small run
            Path(path).touch()  # only now: a watcher reads the file whenever it changes
        file = path, os.stat(path).st_ino  # noqa: PTH116
        with self._lock:
            if file not in self._engines:
                self._engines[file] = _engine(path)
            self._engines.move_to_end(file)
            while len(self._engines) > HELD_OPEN:
                self._engines.popitem(last=False)[1].dispose()
            return self._engines[file]

    @contextmanager
    def transaction(self, path: str) -> Iterator[sqlalchemy.Connection]:
        """A connection to a file. It commits at the end."""
        with self.engine(path).connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close the engines. The last connection writes the log back."""
        with self._lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _engine(path: str) -> sqlalchemy.Engine:
    """An engine for a file. All engines share their compiled statements, which SQLAlchemy keeps by dialect."""
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=path),
        poolclass=QueuePool,
        pool_size=1,  # this one stays open; a thread that finds it in use opens another
        max_overflow=-1,
        connect_args={"timeout": SECONDS_TO_WAIT},
        execution_options={"compiled_cache": COMPILED},
    )
    sqlalchemy.event.listen(engine, "connect", _prepare)
    if not DIALECTS:
        engine.connect().close()  # completes the dialect
        DIALECTS.append(engine.dialect)
    engine.dialect = DIALECTS[0]
    return engine


def _has_tables(engine: sqlalchemy.Engine) -> bool:
    """Whether Dagster has created its tables in a file. It writes this row last."""
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return False
        return (
            connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).first() is not None
        )


def _make_unless_there(path: Path, content: bytes) -> None:
    """Create a file with this content in one step. Another process may create it at the same moment."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.new")
    with suppress(
        OSError
    ):  # it exists by now, or links are not possible: Dagster then creates its tables in it
        scratch.write_bytes(content)
        os.link(scratch, path)
    scratch.unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    """Avoid a disk sync per event, which is safe in WAL mode, the mode of Dagster's files.

    Committed events are in the log, and survive the end of the process.
    """
    connection.execute("PRAGMA synchronous=NORMAL")


class Kept:
    """A storage that uses open connections, while Dagster's own opens a new one each time."""

    _conn_string: str

    @property
    def path(self) -> str:
        return self._conn_string.removeprefix(
            "sqlite:///"
        )  # Dagster escapes nothing in the address of a file

    @cached_property
    def files(self) -> Files:
        return Files()

    @contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        """A connection. Dagster's code uses no other."""
        with self.files.transaction(self.path) as connection:
            yield connection

    def dispose(self) -> None:
        self.files.close()


class Runs(Kept, SqliteRunStorage):
    """The runs."""


class Schedules(Kept, SqliteScheduleStorage):
    """The ticks of sensors and schedules."""


def _opened(storage: type[Any], folder: str, name: str) -> Any:
    """The storage in a folder. If its tables do not exist yet, Dagster creates them first."""
    kept = storage(create_db_conn_string(folder, name))
    is_there = Path(kept.path).exists() and _has_tables(kept.files.engine(kept.path))
    return kept if is_there else storage.from_local(folder)


class Events(SqliteEventLogStorage):
    """The events: a file for each run, and one for queries over all runs."""

    _obs: Any

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.files = Files()
        self._facts: set[str] = set()
        self._without_events: bytes | None = None
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        path = self.path_for_shard(shard)
        with self._db_lock:  # as Dagster's own: one thread at a time
            if shard not in self._initialized_dbs:
                if self._without_events is not None:
                    _make_unless_there(Path(path), self._without_events)
                self._initdb(self.files.engine(path))
                self._initialized_dbs.add(shard)
            with self.files.transaction(path) as connection:
                yield connection

    def _initdb(self, engine: sqlalchemy.Engine, for_index_shard: bool = False) -> None:
        """Create the tables of a file, unless they exist.

        Dagster walks through all its migrations to see which ones a file lacks, and does not apply them. So the files
        of later runs start as copies of the first one.
        """
        if not _has_tables(engine):
            super()._initdb(engine, for_index_shard)
            with engine.connect() as connection:
                file: Any = connection.connection.driver_connection
                self._without_events = file.serialize()

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of a run, in one transaction a file.

        The rows are those of Dagster, which has several statements and transactions for each event.
        """
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(ADD_EVENTS, rows)
        mirrored = [at for at, event in enumerate(events) if event.dagster_event_type in FOR_ALL_RUNS]
        if not mirrored:
            return
        with self.index_connection() as connection:
            connection.execute(ADD_EVENTS, [rows[at] for at in mirrored])
            last = connection.exec_driver_sql("SELECT last_insert_rowid()").scalar_one()
            ids = dict(zip(mirrored, range(last - len(mirrored) + 1, last + 1), strict=True))
            self._store_assets(
                connection,
                {at: events[at] for at in mirrored if events[at].dagster_event_type in ASSET_EVENTS},
                ids,
            )
            planned = [
                {**row, "evaluation_event_storage_id": ids[at]}
                for at in mirrored
                for row in self._planned_checks(events[at], rows[at])
            ]
            if planned:
                connection.execute(AssetCheckExecutionsTable.insert(), planned)
            unplanned = [
                at
                for at in mirrored
                if events[at].dagster_event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
                and not self._evaluated(connection, events[at], rows[at], ids[at])
            ]
        for at in unplanned:
            self.store_asset_check_event(events[at], ids[at])

    def _store_assets(
        self,
        connection: sqlalchemy.Connection,
        events: Mapping[int, EventLogEntry],
        ids: Mapping[int, int],
    ) -> None:
        """Store the tags of events of assets, and what the assets' rows say of the last one."""
        self._store_asset_event_tags(connection, [*events.values()], [ids[at] for at in events])
        has_index = self._has_asset_key_index_cols_on_connection(connection)
        assets: dict[str, dict[str, Any]] = {}
        for at, event in events.items():
            if key := event.get_dagster_event().asset_key:
                values = self._get_asset_entry_values(event, ids[at], has_index)
                assets.setdefault(key.to_string(), {}).update(values)
        for name, values in assets.items():
            if values:
                statement = insert(AssetKeyTable).values(asset_key=name, **values)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=values)
                )

    def _planned_checks(self, event: EventLogEntry, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a planned check: one for each partition."""
        if event.dagster_event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            planned: Any = event.get_dagster_event().event_specific_data
            subset = planned.partitions_subset
            for partition in subset.get_partition_keys() if subset else [None]:
                yield {
                    "asset_key": planned.asset_key.to_string(),
                    "check_name": planned.check_name,
                    "partition": partition,
                    "run_id": event.run_id,
                    "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
                    "evaluation_event": row["event"],
                    "evaluation_event_timestamp": row["timestamp"],
                }

    def _evaluated(
        self, connection: sqlalchemy.Connection, event: EventLogEntry, row: Mapping[str, Any], number: int
    ) -> bool:
        """Store an evaluation in the row of the planned check; whether there is exactly one."""
        found: Any = event.get_dagster_event().event_specific_data
        made, statuses = found.target_materialization_data, AssetCheckExecutionRecordStatus
        values = (
            statuses.SUCCEEDED.value if found.passed else statuses.FAILED.value,
            row["event"],
            row["timestamp"].isoformat(" ", "microseconds"),
            number,
            made.storage_id if made else None,
        )
        planned = (found.asset_key.to_string(), found.check_name, event.run_id, found.partition)
        return connection.exec_driver_sql(EVALUATED, values + planned).rowcount == 1

    def get_latest_tags_by_partition(
        self,
        asset_key: dg.AssetKey,
        event_type: dg.DagsterEventType,
        tag_keys: Sequence[str],
        asset_partitions: Sequence[str] | None = None,
        before_cursor: int | None = None,
        after_cursor: int | None = None,
    ) -> Mapping[str, Mapping[str, str]]:
        """The tags of the last event of each partition. A step asks for each input, always in this way."""
        if asset_partitions is not None and before_cursor is None and after_cursor is None:
            wanted = event_type.value, json.dumps([*asset_partitions]), json.dumps([*tag_keys])
            if (rows := self._of_asset(asset_key, LATEST_TAGS, *wanted)) is not None:
                tags: dict[str, dict[str, str]] = {}
                for partition, key, value in rows:
                    tags.setdefault(partition, {})[key] = value
                return tags
        return super().get_latest_tags_by_partition(
            asset_key, event_type, tag_keys, asset_partitions, before_cursor, after_cursor
        )

    def fetch_materializations(
        self,
        records_filter: dg.AssetKey | dg.AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,
    ) -> dg.EventRecordsResult:
        """Materializations. A check asks for the last one of its partition, always in this way."""
        if isinstance(records_filter, dg.AssetRecordsFilter) and (limit, cursor, ascending) == (
            1,
            None,
            False,
        ):
            key, partitions = records_filter.asset_key, records_filter.asset_partitions or ()
            rows = None
            if len(partitions) == 1 and records_filter == dg.AssetRecordsFilter(key, partitions):
                rows = self._of_asset(key, NEWEST, *partitions)
            if rows is not None:
                records = [EventLogRecord(row[0], deserialize_value(row[1], EventLogEntry)) for row in rows]
                number = records[0].storage_id if records else -1
                position = EventLogCursor.from_storage_id(number).to_string()
                return dg.EventRecordsResult(records, cursor=position, has_more=bool(records))
        return super().fetch_materializations(records_filter, limit, cursor, ascending)

    def _of_asset(self, key: dg.AssetKey, statement: str, *values: str) -> Sequence[Any] | None:
        """The rows of a statement about an asset; None if it was wiped, and Dagster knows what counts."""
        name = key.to_string()
        with self.index_connection() as connection:
            if connection.exec_driver_sql(IS_WIPED, (name,)).first():
                return None
            return connection.exec_driver_sql(statement, (name, *values)).fetchall()

    def has_secondary_index(self, name: str) -> bool:
        """Whether an index was created. A positive answer is remembered, like the ones below."""
        return self._remembered(f"index {name}", lambda: super(Events, self).has_secondary_index(name))

    def has_asset_key_col(self, column_name: str) -> bool:
        """Whether the table of assets has a column."""
        return self._remembered(
            f"column {column_name}", lambda: super(Events, self).has_asset_key_col(column_name)
        )

    def _has_asset_key_col_on_connection(self, conn: sqlalchemy.Connection, column_name: str) -> bool:
        return self._remembered(
            f"column {column_name}",
            lambda: super(Events, self)._has_asset_key_col_on_connection(conn, column_name),
        )

    def _has_rows(self, table: sqlalchemy.Table) -> bool:
        """Whether a table of the pools has rows. Dagster asks before every step, and the rows stay."""
        return self._remembered(f"rows {table.name}", lambda: super(Events, self)._has_rows(table))

    def has_table(self, table_name: str) -> bool:
        """Whether the file of all runs has a table."""

        def found() -> bool:
            # Not through this storage's connection, because Dagster may hold it while it asks.
            engine = self.files.engine(self.path_for_shard(INDEX_SHARD_NAME))
            with engine.connect() as connection:
                return engine.dialect.has_table(connection, table_name)

        return self._remembered(f"table {table_name}", found)

    def initialize_concurrency_limit_to_default(self, concurrency_key: str) -> bool:
        """Create a pool. If it is new and has one slot, two statements leave the rows that Dagster's six would."""
        if self._instance.global_op_concurrency_default_limit == 1:
            with self.index_connection() as connection:
                if connection.exec_driver_sql(POOL, (concurrency_key,)).rowcount:
                    connection.exec_driver_sql(SLOT, (concurrency_key,))
                    return True
        return super().initialize_concurrency_limit_to_default(concurrency_key)

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        """Claim a slot of a pool. If nobody else wants one, two statements leave the rows that Dagster's nine would."""
        with self.index_connection() as connection:
            claimed = connection.exec_driver_sql(CLAIM, (run_id, step_key, *[concurrency_key] * 2)).rowcount
            if claimed:
                connection.exec_driver_sql(CLAIMANT, (concurrency_key, run_id, step_key, priority or 0))
        if not claimed:
            return super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)
        now = datetime.now(UTC)
        return ConcurrencyClaimStatus(
            concurrency_key=concurrency_key,
            slot_status=ConcurrencySlotStatus.CLAIMED,
            priority=priority,
            assigned_timestamp=now,
            enqueued_timestamp=now,
        )

    def free_concurrency_slot_for_step(self, run_id: str, step_key: str) -> None:
        """Free the slot of a step. If others wait for it, Dagster decides who gets it."""
        with self.index_connection() as connection:
            connection.exec_driver_sql(FREE, (run_id, step_key))
            connection.exec_driver_sql(FORGET, (run_id, step_key))
            left = connection.exec_driver_sql(IS_CLAIMANT, (run_id, step_key)).first()
        if left:
            super().free_concurrency_slot_for_step(run_id, step_key)

    def _remembered(self, fact: str, ask: Callable[[], bool]) -> bool:
        """Ask whether something exists until it does."""
        if fact not in self._facts and ask():
            self._facts.add(fact)
        return fact in self._facts

    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        """Call back for each new event of a run."""
        if not self._obs:
            self._obs = Observer()
            self._obs.start()
        follower = Follower(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = follower, self._obs.schedule(follower, self._base_dir)

    def dispose(self) -> None:
        super().dispose()
        self.files.close()


class Follower(SqliteEventLogStorageWatchdog):
    """Watches a run's log, which has the new events, as well as its file, to which they are moved at times."""

    def __init__(self, storage: Events, run_id: str, callback: Any, cursor: str | None) -> None:
        super().__init__(storage, run_id, callback, cursor)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: object) -> None:
        """Read what is new."""
        self._process_log()


class Storage(DagsterSqliteStorage):
    """All three storages, in the same folders as Dagster's own."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.base_dir = base_dir
        self._run_storage = _opened(Runs, _runs_directory(base_dir), "runs")
        self._event_log_storage = Events(_event_logs_directory(base_dir))
        self._schedule_storage = _opened(Schedules, _schedule_directory(base_dir), "schedules")
        self._inst_data = inst_data
        # Not the parent's, which would create three other storages.
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Create the storage from the instance's settings."""
        return cls(inst_data=inst_data, **config_value)


def records_of_check(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, limit: int, *, partition: str
) -> list[Any]:
    """The records of a check of a partition, the newest first."""
    wanted = PartitionKeyFilter(key=partition)
    storage = instance.event_log_storage
    return list(storage.get_asset_check_execution_history(check, limit=limit, partition_filter=wanted))


def outcomes_of_check(instance: dg.DagsterInstance, check: dg.AssetCheckKey, limit: int) -> list[Any]:
    """The records of a check of a monthly table, the newest first: what was evaluated, and what was only planned.

    Dagster stores a plan for each month of a run, and the evaluation beside them.
    """

    def recent(*statuses: AssetCheckExecutionRecordStatus) -> Sequence[Any]:
        storage = instance.event_log_storage
        return storage.get_asset_check_execution_history(check, limit=limit, status={*statuses})

    evaluated = recent(AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED)
    planned = {record.run_id: record for record in recent(AssetCheckExecutionRecordStatus.PLANNED)}
    only = planned.keys() - {record.run_id for record in evaluated}
    return sorted([*evaluated, *(planned[run] for run in only)], key=lambda record: record.id, reverse=True)


def is_in_a_folder(instance: dg.DagsterInstance) -> bool:
    """Whether the history is in SQLite files, through this storage or Dagster's own."""
    return isinstance(instance.run_storage, SqliteRunStorage)
