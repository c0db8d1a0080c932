"""Dagster's SQLite files with kept connections: quicker, and what was committed is there for everybody at once."""

import itertools
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import Queue
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.instance.ref import InstanceRef
from sqlalchemy.pool import NullPool

from cip_assets.config.settings import DAGSTER_SETTINGS
from cip_assets.orchestration import event_storage as sqlite
from cip_assets.orchestration.event_storage import Files
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.run_tags import RANGE_END, RANGE_START


def ask(files: Files, path: Path, *statements: str) -> list[tuple[int, ...]]:
    """Run statements as the storage does, in a transaction; what the last one gives."""
    with files.transaction(str(path)) as connection:
        for statement in statements:
            found = connection.execute(sqlalchemy.text(statement))
        return [tuple(row) for row in found] if found.returns_rows else []


def in_wal_mode(path: Path) -> Path:
    """A file in Dagster's mode, with a table."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE events (id INTEGER)")
    connection.close()
    return path


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


@pytest.fixture
def files() -> Iterator[Files]:
    files = Files()
    yield files
    files.close()


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return in_wal_mode(tmp_path / "events.db")


# --- files ------------------------------------------------------------------------------------------------


def test_the_log_stays_between_events_and_others_read_it(files: Files, events: Path) -> None:
    for number in range(3):
        ask(files, events, f"INSERT INTO events VALUES ({number})")
        assert log_of(events).stat().st_size > 0
    count = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM events'))"
    done = subprocess.run([sys.executable, "-c", count, events], capture_output=True, text=True, check=True)
    assert done.stdout == "(3,)\n"
    assert ask(files, events, "SELECT count(*) FROM events") == [(3,)]


def test_what_was_committed_outlives_the_process(files: Files, events: Path, tmp_path: Path) -> None:
    """The files as a kill leaves them: the log is not copied into the database yet."""
    ask(files, events, "INSERT INTO events VALUES (1)")
    killed = Path(shutil.copytree(tmp_path, tmp_path / "killed"))
    assert sqlite3.connect(killed / events.name).execute("SELECT * FROM events").fetchall() == [(1,)]


def test_what_failed_is_rolled_back_and_the_connection_goes_on(files: Files, events: Path) -> None:
    with pytest.raises(sqlalchemy.exc.OperationalError):
        ask(files, events, "INSERT INTO events VALUES (1)", "INSERT INTO nothing VALUES (2)")
    ask(files, events, "INSERT INTO events VALUES (3)")
    assert ask(files, events, "SELECT * FROM events") == [(3,)]


def test_the_files_used_last_are_held_and_others_written_back(
    files: Files, events: Path, tmp_path: Path
) -> None:
    ask(files, events, "INSERT INTO events VALUES (1)")
    others = [in_wal_mode(tmp_path / f"{number}.db") for number in range(sqlite.HELD_OPEN)]
    for other in others:
        assert log_of(events).exists()
        ask(files, other, "INSERT INTO events VALUES (1)")
    assert not log_of(events).exists()
    assert all(log_of(other).exists() for other in others)
    assert ask(files, events, "SELECT * FROM events") == [(1,)]


def test_a_file_in_the_place_of_one_that_was_deleted_is_another(
    files: Files, events: Path, tmp_path: Path
) -> None:
    ask(files, events, "INSERT INTO events VALUES (1)")
    for path in tmp_path.iterdir():
        path.unlink()
    ask(files, in_wal_mode(events), "INSERT INTO events VALUES (2)")
    assert ask(files, events, "SELECT * FROM events") == [(2,)]


def test_what_is_closed_is_written_back_and_opened_again(files: Files, events: Path) -> None:
    ask(files, events, "INSERT INTO events VALUES (1)")
    files.close()
    assert not log_of(events).exists()
    assert ask(files, events, "SELECT * FROM events") == [(1,)]


def test_reading_changes_nothing_for_whoever_watches_the_file(files: Files, events: Path) -> None:
    ask(files, events, "INSERT INTO events VALUES (1)")
    before = [path.stat().st_mtime_ns for path in (events, log_of(events))]
    assert ask(files, events, "SELECT * FROM events") == [(1,)]
    assert [path.stat().st_mtime_ns for path in (events, log_of(events))] == before


def test_only_these_files_are_held(events: Path, tmp_path: Path) -> None:
    """Whoever else opens a SQLite file does so as before."""
    engine = sqlalchemy.create_engine(f"sqlite:///{events}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("INSERT INTO events VALUES (1)"))
        assert connection.get_execution_options() == {}
    assert not log_of(events).exists()


# --- Dagster's history ------------------------------------------------------------------------------------


WRITER = """
import sys
from pathlib import Path
from cip_assets.orchestration.instance import open_instance
from cip_assets_tests.orchestration.test_event_storage import tell

with open_instance(Path(sys.argv[1])) as instance:
    for number in range(int(sys.argv[3])):
        tell(instance, sys.argv[2], number)
    if sys.argv[4:]:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
"""


def tell(instance: dg.DagsterInstance, run_id: str, number: int) -> None:
    """Store an event of a run, which is kept in the run's file and in that of all runs."""
    materialization = dg.AssetMaterialization("table", metadata={"number": number})
    data: Any = dg.DagsterEvent(
        dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        "some_job",
        event_specific_data=_materialized(materialization),
    )
    instance.report_dagster_event(data, run_id)


def _materialized(materialization: dg.AssetMaterialization) -> Any:
    from dagster._core.events import StepMaterializationData

    return StepMaterializationData(materialization)


def told(instance: dg.DagsterInstance, run_id: str) -> list[int]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return sorted(int(str(e.asset_materialization.metadata["number"].value)) for e in entries)


def in_all(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_materializations(dg.AssetKey("table"), limit=1000).records)


def writer(home: Path, run_id: str, events: int, *killed: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, home, run_id, str(events), *killed])


def test_the_history_of_a_data_folder_is_kept_so(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        assert isinstance(instance.run_storage, sqlite.Runs)
        assert isinstance(instance.event_log_storage, sqlite.Events)
        assert isinstance(instance.schedule_storage, sqlite.Schedules)
        assert sqlite.is_in_a_folder(instance)
        assert InstanceRef.from_dict(instance.get_ref().to_dict()).storage_data.class_name == "Storage"
        with dg.DagsterInstance.from_ref(instance.get_ref()) as another:
            assert isinstance(another.event_log_storage, sqlite.Events)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not sqlite.is_in_a_folder(instance)


def test_another_database_has_its_own_storage(tmp_path: Path) -> None:
    block = "storage: {postgres: {postgres_url: 'postgresql://user:password@host/dagster'}}"
    (tmp_path / "dagster.yaml").write_text(
        f"{DAGSTER_SETTINGS.read_text('utf-8')}\n{block}\n", encoding="utf-8"
    )
    reference = InstanceRef.from_dir(str(tmp_path))
    assert reference.storage_data.module_name == "dagster_postgres"
    assert reference.storage_data.class_name == "DagsterPostgresStorage"
    assert reference.custom_instance_class_data.class_name == "Instance"


def test_events_are_stored_without_a_connection_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    connect = sqlite3.dbapi2.connect
    with open_instance(tmp_path) as instance:
        run_id = "11111111-1111-4111-8111-111111111111"
        tell(instance, run_id, 0)
        monkeypatch.setattr("sqlite3.dbapi2.connect", lambda *a, **k: opened.append(a) or connect(*a, **k))
        for number in range(1, 50):
            tell(instance, run_id, number)
        assert told(instance, run_id) == list(range(50))
        assert in_all(instance) == 50
    assert opened == []


def test_the_files_of_later_runs_are_made_as_the_first(tmp_path: Path) -> None:
    run_ids = [f"{number}7777777-7777-4777-8777-777777777777" for number in range(3)]

    def tables(file: Path) -> dict[str, str]:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA journal_mode").fetchone()
            return dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())

    with open_instance(tmp_path) as instance:
        for number, run_id in enumerate(run_ids):
            tell(instance, run_id, number)
        assert [told(instance, run_id) for run_id in run_ids] == [[0], [1], [2]]
    with open_instance(tmp_path) as instance:
        assert [told(instance, run_id) for run_id in run_ids] == [[0], [1], [2]]
    files = sorted((tmp_path / "history" / "runs").iterdir())
    assert {file.name for file in files} == {"index.db", *(f"{run_id}.db" for run_id in run_ids)}
    assert len({str(tables(file)) for file in files}) == 1
    revisions = {sqlite3.connect(file).execute("SELECT * FROM alembic_version").fetchone() for file in files}
    modes = {sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() for file in files}
    assert (len(revisions), modes) == (1, {("wal",)})


def test_a_file_of_a_run_that_another_process_made_at_the_same_moment_is_kept(tmp_path: Path) -> None:
    file = in_wal_mode(tmp_path / "events.db")
    before = file.read_bytes()
    sqlite._make_unless_there(file, b"another")
    assert file.read_bytes() == before
    sqlite._make_unless_there(tmp_path / "new.db", b"whole")
    assert (tmp_path / "new.db").read_bytes() == b"whole"
    sqlite._make_unless_there(tmp_path / "nowhere" / "new.db", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.db", "new.db"]


@pytest.mark.parametrize(
    "made", [[], ["CREATE TABLE alembic_version (version_num TEXT)"]], ids=["empty", "half"]
)
def test_a_file_that_was_made_by_half_is_made_whole(tmp_path: Path, made: list[str]) -> None:
    """As by a process that was killed meanwhile."""
    run_id = "88888888-8888-4888-8888-888888888888"
    with open_instance(tmp_path) as instance:
        with sqlite3.connect(tmp_path / "history" / "runs" / f"{run_id}.db") as connection:
            for statement in made:
                connection.execute(statement)
        tell(instance, run_id, 1)
        assert told(instance, run_id) == [1]


@pytest.mark.parametrize(("first", "then"), [("own", "kept"), ("kept", "own")])
def test_what_dagster_s_own_storage_wrote_is_read_and_the_other_way_round(
    tmp_path: Path, first: str, then: str
) -> None:
    @dg.asset
    def table() -> None: ...

    shipped = DAGSTER_SETTINGS.read_text("utf-8")
    settings = {"kept": shipped, "own": shipped.partition("\ninstance_class:")[0]}
    (tmp_path / "dagster.yaml").write_text(settings[first], encoding="utf-8")
    with open_instance(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, sqlite.Events) == (first == "kept")
        run_id = dg.materialize([table], instance=instance).run_id
        expected = [entry.dagster_event.event_type for entry in instance.all_logs(run_id)]
    (tmp_path / "dagster.yaml").write_text(settings[then], encoding="utf-8")
    with open_instance(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, sqlite.Events) == (then == "kept")
        assert [entry.dagster_event.event_type for entry in instance.all_logs(run_id)] == expected
        assert (instance.get_run_by_id(run_id).is_success, in_all(instance)) == (True, 1)
        assert dg.materialize([table], instance=instance).success
        assert in_all(instance) == 2


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    shared = "22222222-2222-4222-8222-222222222222"
    own = "33333333-3333-4333-8333-333333333333"
    with open_instance(tmp_path) as instance:
        others = [writer(tmp_path, run_id, 40) for run_id in (shared, own)]
        threads = [
            threading.Thread(target=lambda: [tell(instance, shared, number) for number in range(40)])
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [other.wait() for other in others] == [0, 0]
        assert told(instance, shared) == sorted([*range(40)] * 4)
        assert told(instance, own) == [*range(40)]
        assert in_all(instance) == 200


def test_what_a_killed_process_stored_is_there(tmp_path: Path) -> None:
    run_id = "44444444-4444-4444-8444-444444444444"
    with open_instance(tmp_path):
        pass
    assert writer(tmp_path, run_id, 20, "killed").wait() == -9
    with open_instance(tmp_path) as instance:
        assert (told(instance, run_id), in_all(instance)) == ([*range(20)], 20)
        tell(instance, run_id, 20)
        assert told(instance, run_id) == [*range(21)]


def test_a_page_that_watches_a_run_sees_its_events_while_its_log_is_open(tmp_path: Path) -> None:
    """A run of another process: its events are in the log, and its file does not change yet."""
    run_id = "55555555-5555-4555-8555-555555555555"
    seen: Queue[int] = Queue()

    def look(entry: Any, _cursor: str) -> None:
        seen.put(int(entry.asset_materialization.metadata["number"].value))

    with open_instance(tmp_path) as running, open_instance(tmp_path) as page:
        tell(running, run_id, 0)
        tell(page, "66666666-6666-4666-8666-666666666666", 0)
        page.watch_event_logs(run_id, None, look)
        tell(running, run_id, 1)
        assert [seen.get(timeout=30) for _ in range(2)] == [0, 1]
        tell(running, run_id, 2)
        assert seen.get(timeout=30) == 2
        page.end_watch_event_logs(run_id, look)
        tell(running, run_id, 3)
        assert told(page, run_id) == [0, 1, 2, 3]
        assert seen.empty()


MOMENTS = re.compile(r'[0-9a-f-]{30,}|\d{4}-\d\d-\d\d [\d:.]+|\d[\dm.]*s\b|\d+\.\d+|"[a-z]{8}", "shell_cmd"')
TABLES = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions")


def rows_of(home: Path, run_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the two files of a run hold of its events."""
    found = {}
    for file in ("index", run_id):
        with sqlite3.connect(home / "history" / "runs" / f"{file}.db") as connection:
            for table in TABLES:
                rows = connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
                found[f"{file == 'index'} {table}"] = [
                    tuple(without_moments(home, x) for x in row) for row in rows
                ]
    return found


def without_moments(home: Path, value: Any) -> Any:
    """A value without what differs from run to run: moments and seconds, ids of runs and data, the folder, the file of output."""
    return MOMENTS.sub("", value.replace(str(home), "")) if isinstance(value, str) else value


def test_the_events_of_many_months_are_stored_at_once_as_dagster_stores_them(tmp_path: Path) -> None:
    months = dg.MonthlyPartitionsDefinition("2026-01-01", end_date="2026-05-01")
    one_run = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=months, backfill_policy=one_run, code_version="1")
    def table() -> None: ...

    @dg.asset_check(asset=table, partitions_def=months)
    def good() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset(partitions_def=months, backfill_policy=one_run, deps=[table])
    def after() -> None: ...

    definitions = dg.Definitions([table, after], asset_checks=[good], jobs=[dg.define_asset_job("both")])
    job = definitions.resolve_job_def("both")
    shipped = DAGSTER_SETTINGS.read_text("utf-8")
    found = []
    for name, settings in (("kept", shipped), ("own", shipped.partition("\ninstance_class:")[0])):
        home = tmp_path / name
        home.mkdir()
        (home / "dagster.yaml").write_text(settings, encoding="utf-8")
        with open_instance(home) as instance:
            tags = {RANGE_START: "2026-01-01", RANGE_END: "2026-04-01"}
            for _ in range(2):  # the second time, the rows of the assets are there
                run_id = job.execute_in_process(instance=instance, tags=tags).run_id
        found.append(rows_of(home, run_id))
    kept, own = found
    assert len(own["True asset_check_executions"]) == 2 * (4 + 1)  # planned for each month, evaluated once
    assert kept == own


def test_an_evaluation_that_no_run_planned_is_stored(tmp_path: Path) -> None:
    check = dg.AssetCheckKey(dg.AssetKey("table"), "good")
    with open_instance(tmp_path) as instance:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=check.asset_key, check_name=check.name, passed=True, metadata={}
            )
        )
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
        assert record.status.value == "SUCCEEDED"


def test_the_newest_event_of_a_partition_and_its_tags_are_found_as_by_dagster(tmp_path: Path) -> None:
    numbers = itertools.count()

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b", "c"]))
    def table() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(data_version=dg.DataVersion(str(next(numbers))))

    kind, tags = dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
    with open_instance(tmp_path) as instance:
        storage: Any = instance.event_log_storage

        def both(*partitions: str) -> Mapping[str, Mapping[str, str]]:
            last = (dg.AssetRecordsFilter(table.key, partitions[-1:]), 1)
            assert storage.fetch_materializations(*last) == super(
                sqlite.Events, storage
            ).fetch_materializations(*last)
            asked = (table.key, kind, tags, partitions)
            found: Mapping[str, Mapping[str, str]] = storage.get_latest_tags_by_partition(*asked)
            assert found == super(sqlite.Events, storage).get_latest_tags_by_partition(*asked)
            return found

        assert both("a", "b") == {}
        for partition in "aba":
            dg.materialize([table], instance=instance, partition_key=partition)
        assert both("a", "b", "c") == {"a": {tags[0]: "2"}, "b": {tags[0]: "1"}}
        instance.wipe_assets([table.key])
        assert both("a", "b") == {}
        dg.materialize([table], instance=instance, partition_key="b")
        assert both("a", "b") == {"b": {tags[0]: "3"}}


# --- pools ------------------------------------------------------------------------------------------------


def test_a_slot_is_claimed_as_by_dagster_and_goes_to_the_one_who_waits(tmp_path: Path) -> None:
    (tmp_path / "dagsters").mkdir()
    ours, dagsters = (
        open_instance(tmp_path / "ours"),
        dg.DagsterInstance.local_temp(str(tmp_path / "dagsters")),
    )
    with ours, dagsters:
        found = history_of_a_slot(ours.event_log_storage)
        assert found == history_of_a_slot(dagsters.event_log_storage)
    assert found == [
        *[True, ["first"], ["first"]],
        *[False, False, ["first"], ["first", "second", "third"]],
        *[[], ["second", "third"], False, True, ["second"], ["second", "third"]],
        *[[], [], set()],
    ]


def test_a_pool_is_created_as_by_dagster(tmp_path: Path) -> None:
    (tmp_path / "dagsters").mkdir()
    own = {"concurrency": {"pools": {"default_limit": 1}}}
    ours, dagsters = (
        open_instance(tmp_path / "ours"),
        dg.DagsterInstance.local_temp(str(tmp_path / "dagsters"), overrides=own),
    )
    with ours, dagsters:
        for storage in (ours.event_log_storage, dagsters.event_log_storage):
            for pool in ("new", "new", "wider"):  # a pool that is there stays as it is
                if pool == "wider":
                    storage.set_concurrency_slots(pool, 2)
                assert storage.initialize_concurrency_limit_to_default(pool)
        found = pools_and_slots(ours.event_log_storage)
        assert found == pools_and_slots(dagsters.event_log_storage)
    assert found[0] == ("new", 1, True, 1)


def pools_and_slots(storage: Any) -> list[tuple[str, int, bool, int]]:
    return [
        (pool.name, pool.limit, pool.from_default, storage.get_concurrency_info(pool.name).slot_count)
        for pool in storage.get_pool_limits()
    ]


def history_of_a_slot(storage: Any) -> list[Any]:
    """What one run after the other is told, and who then has the only slot and who claims it."""
    storage.set_concurrency_slots("table", 1)

    def claim(run: str) -> bool:
        return bool(storage.claim_concurrency_slot("table", run, "writes").is_claimed)

    def known() -> list[list[str]]:
        info = storage.get_concurrency_info("table")
        return [[slot.run_id for slot in info.claimed_slots], [step.run_id for step in info.pending_steps]]

    def free(run: str) -> None:
        storage.free_concurrency_slot_for_step(run, "writes")

    found = [claim("first"), *known(), claim("second"), claim("third"), *known()]
    free("first")
    found += [*known(), claim("third"), claim("second"), *known()]
    free("second")
    free("third")
    return [*found, *known(), storage.get_concurrency_run_ids()]
