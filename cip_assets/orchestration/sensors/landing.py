"""The sensor of the landing folder: it requests the runs that new, changed or removed files make due."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.ingest import discover as landing_folder
from cip_assets.ingest.manifest import ManifestEntry, manifest_entry, read_manifest, scan_file
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.dead_runs import end_dead_runs
from cip_assets.orchestration.due import plan
from cip_assets.orchestration.due.last_day import default_day
from cip_assets.orchestration.due.up_to_date import state_of
from cip_assets.orchestration.graph import Graph, digest
from cip_assets.orchestration.jobs.names import INGEST, REFRESH, REFRESH_OP, SCAN, SNAPSHOT
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.sensors.changes import watched
from cip_assets.sources.streams.files import FOLDER as FROM_STREAMS
from cip_assets.storage import delta, place
from cip_assets.storage.files import hash_file
from cip_assets.storage.written import WHOLE

SECONDS = 3
"""The shortest time between two evaluations; the daemon evaluates sensors every five seconds."""

SETTLED_AFTER = 2.0
"""A file counts as complete if nobody has written to it for this many seconds."""

QUIET = SETTLED_AFTER + 0.1
"""The time without a change after which all files count as complete."""

WATCHED = 6.5
"""The seconds for which an evaluation watches the folder: a change in the first 4.4 of them is handled in it. The next
evaluation begins five seconds after this one, or when this one has ended.
"""

SCANNED_HERE = 64_000_000
"""The sensor scans new files up to this many bytes in total, which saves a run. A run scans more."""

LANDING = "landing_files"


@dataclass(frozen=True)
class Look:
    """The landing folder at one moment: the hash of each complete file, and the files still being written."""

    files: Mapping[str, tuple[int, int, str]]
    being_written: Sequence[str]

    @property
    def landed(self) -> dict[str, str]:
        return {path: sha256 for path, (_, _, sha256) in self.files.items()}


def look(folder: Path, known: Mapping[str, Sequence[object]], now: float) -> Look:
    """Hash the complete files of a landing folder; a file with a known size and time keeps its known hash."""
    files: dict[str, tuple[int, int, str]] = {}
    being_written = []
    for file in landing_folder.find_files(folder)[0]:
        if file.problem:
            files[file.path] = (0, 0, file.problem_hash)
            continue
        size, modified, sha256 = known.get(file.path, (None, None, ""))
        try:
            stat = (folder / file.path).stat()
            is_whole = FROM_STREAMS in Path(file.path).parts  # it was renamed when it was complete
            if now - stat.st_ctime < SETTLED_AFTER and not is_whole:
                being_written.append(file.path)
                continue
            if (size, modified) != (stat.st_size, stat.st_mtime_ns):
                _, sha256 = hash_file(folder / file.path)
            files[file.path] = (stat.st_size, stat.st_mtime_ns, str(sha256))
        except FileNotFoundError:
            continue  # deleted since it was listed
        except PermissionError:
            files[file.path] = (0, 0, file.problem_hash)
    return Look(files, being_written)


class Asked:
    """Queries about runs in Dagster: those in progress, and those already requested."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def in_progress(self, *jobs: str) -> bool:
        running = [
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
        return any(
            self.instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=running)) for job in jobs
        )

    def before(self, key: str | None) -> bool:
        tags = {"dagster/run_key": str(key), "dagster/sensor_name": LANDING}
        return self.instance.get_runs_count(dg.RunsFilter(tags=tags)) > 0


Outcome = Sequence[dg.RunRequest] | str
"""The runs to request, or the reason why there are none."""


class Stages:
    """Finds the next runs that are due: the manifest with the months of changed files, other months, the snapshot.

    Each request has a key made of its purpose and of the manifest that it is based on. So it is made only once, even if
    its run failed, and again if the same files come back. ``settled`` is the state of manifest and code in which
    nothing else was due.
    """

    def __init__(
        self, graph: Graph, settings: Settings, asked: Asked, seen: Look, settled: str | None
    ) -> None:
        self.settled = settled
        self._graph = graph
        self._settings = settings
        self._asked = asked
        self._seen = seen
        uri = settings.table_uri("landing", "manifest")
        manifest = read_manifest(uri)
        self._known = {entry.path: entry for entries in manifest.values() for entry in entries}
        self._state = digest(delta.current_version(uri) if manifest else None, graph.code)

    def next(self) -> Outcome:
        return (
            self._wait()
            or self._changed_files()
            or self._work()
            or "everything that landed is in the exports"
        )

    def _wait(self) -> str | None:
        if not self._seen.files:
            return f"{self._settings.landing} holds no complete landing file"
        if self._asked.in_progress(SCAN, INGEST, REFRESH):
            return "an ingest is running"
        rewritten = sorted(self._known.keys() & set(self._seen.being_written))
        return f"{', '.join(rewritten)}: still being written" if rewritten else None

    def _changed_files(self) -> Outcome | None:
        """A run of the months that the changed files touch, or only of the manifest if a scan here would take long."""
        landed = self._seen.landed
        changed = {
            path: sha256
            for path, sha256 in landed.items()
            if path not in self._known or self._known[path].sha256 != sha256
        }
        gone = sorted(self._known.keys() - landed.keys())
        key = digest("files", changed, gone, self._state)
        if not (changed or gone) or self._asked.before(key):
            return None
        block = plan.Block(())
        if sum(self._seen.files[path][0] for path in changed) <= SCANNED_HERE:
            block = self._touched_by([*changed], gone)
        leave_out = {"leave_out": list(self._seen.being_written)}
        if not block.tables:
            manifest = {"ops": {"landing__manifest": {"config": leave_out}}}
            return [
                dg.RunRequest(
                    run_key=key,
                    job_name=SCAN,
                    run_config=manifest,
                    tags={plan.CODE_TAG: self._graph.code},
                )
            ]
        what = {"tables": list(block.tables), "first": block.first, "last": block.last, **leave_out}
        return [
            dg.RunRequest(
                run_key=key,
                job_name=REFRESH,
                run_config={"ops": {REFRESH_OP: {"config": what}}},
                tags={plan.CODE_TAG: self._graph.code},
            )
        ]

    def _touched_by(self, changed: Sequence[str], gone: Sequence[str]) -> plan.Block:
        """The tables and months that one run can ingest; nothing if the months of the files are not consecutive."""
        entries = [self._known[path] for path in (*changed, *gone) if path in self._known]
        entries += [self._scanned(path) for path in changed]
        by_month: dict[str, set[str]] = {}
        for entry in entries:
            table = landing_folder.landed_file(entry.path).table
            for month in entry.month_rows if SOURCE_TABLES[table].is_event else [WHOLE]:
                by_month.setdefault(month, set()).add(table)
        broken = {
            landing_folder.landed_file(entry.path).table
            for entry in (*self._known.values(), *entries)
            if entry.problem
        }
        readable = {month: found - broken for month, found in by_month.items() if found - broken}
        whole = readable.pop(WHOLE, set())
        blocks = plan.blocks_of(readable)
        if len(blocks) > 1:
            return plan.Block(())
        (block,) = blocks or [plan.Block(())]
        # A file without rows touches no month, and neither does a table that was not delivered. Any month creates them.
        first_ever = SOURCE_TABLES.keys() - broken - self._written()
        by_default = (
            self._graph.partitions.first_month
            if any(SOURCE_TABLES[table].is_event for table in first_ever)
            else WHOLE
        )
        months = (block.first, block.last) if block.first else (str(by_default), str(by_default))
        return plan.Block(tuple(sorted({*whole, *block.tables, *first_ever})), *months)

    def _written(self) -> set[str]:
        return {t for t in SOURCE_TABLES if delta.exists(self._settings.table_uri("cleaned", t))}

    def _work(self) -> Outcome | None:
        if self._state == self.settled:
            return None
        work = plan.due(self._graph, self._settings, self._asked.instance)
        keys = {block: digest("months", str(block), self._state) for block in work.blocks}
        keys |= {
            # A bad file is reported once, however many good ones come after it.
            plan.without_months(self._graph, table): digest("unreadable", why, self._modified(table))
            for table, why in work.unreadable.items()
        }
        fresh = {block: key for block, key in keys.items() if not self._asked.before(key)}
        if fresh:
            return [
                dg.RunRequest(
                    run_key=key,
                    job_name=INGEST,
                    asset_selection=block.assets,
                    tags={**block.tags, plan.CODE_TAG: self._graph.code},
                )
                for block, key in fresh.items()
            ]
        if self._asked.in_progress(SNAPSHOT):
            return "a snapshot is running"
        snapshot = self._snapshot(blocked={table for block in keys for table in block.tables})
        if snapshot is None or self._asked.before(snapshot.run_key):
            self.settled = self._state
            return None
        return [snapshot]

    def _modified(self, table: str) -> list[int]:
        """The times when the unreadable files of a table were written."""
        files = self._seen.files
        return [files[path][1] for path, entry in self._known.items() if entry.problem and path in files]

    def _snapshot(self, blocked: set[str]) -> dg.RunRequest | None:
        """The request for the newest snapshot, without what depends on tables that could not be ingested.

        None if that snapshot is up to date.
        """
        day = default_day(self._settings, self._graph.partitions.today())
        unreliable = {dg.AssetKey(["cleaned", table]) for table in blocked}
        assets = self._graph.without_downstream(self._graph.snapshot_assets, unreliable)
        if day is None or not assets:
            return None
        if not state_of(self._settings, self._graph, self._asked.instance, assets, day).reasons:
            return None
        return dg.RunRequest(
            run_key=digest("snapshot", str(day), self._state, sorted(blocked)),
            job_name=SNAPSHOT,
            partition_key=str(day),
            asset_selection=sorted(assets),
            tags={plan.CODE_TAG: self._graph.code},
        )

    def _scanned(self, path: str) -> ManifestEntry:
        file = landing_folder.landed_file(path)
        calendar = self._graph.partitions.calendar()
        return manifest_entry(scan_file(self._settings.landing, file, calendar))


def landing_sensor(graph: Graph, jobs: Mapping[str, Any]) -> dg.SensorDefinition:
    """The sensor of the landing folder."""

    @dg.sensor(
        name=LANDING,
        jobs=[jobs[name] for name in (SCAN, INGEST, SNAPSHOT, REFRESH)],
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="When a landing file is added, changed or removed, ingests the months it touches, then computes "
        "the newest snapshot and the exports. Keep it on to ingest files automatically.",
    )
    def landing_files(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult:
        """Request the next stage that is due after a change in the landing folder; each is requested once."""
        for run_id in end_dead_runs(context.instance):
            context.log.warning(f"run {run_id} was ended because its process no longer exists")
        memory = json.loads(context.cursor or "{}")
        asked, settings = Asked(context.instance), lake.settings
        place.fetch(settings)

        def evaluated(known: Mapping[str, Sequence[object]]) -> tuple[Outcome, Look, str | None]:
            seen = look(settings.landing, known, time.time())
            stages = Stages(graph, settings, asked, seen, memory.get("settled"))
            return stages.next(), seen, stages.settled

        with watched(settings.landing) as changes:
            outcome, seen, settled = evaluated(memory.get("files", {}))
            is_changing = bool(seen.being_written)
            if isinstance(outcome, str) and changes.settled(WATCHED, QUIET, is_changing=is_changing):
                outcome, seen, settled = evaluated(seen.files)
        cursor = json.dumps({"files": seen.files, "settled": settled})
        if isinstance(outcome, str):
            return dg.SensorResult(skip_reason=outcome, cursor=cursor)
        return dg.SensorResult(run_requests=outcome, cursor=cursor)

    return landing_files
