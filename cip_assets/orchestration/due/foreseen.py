"""What `cip run` would do now: which months and tables, why, from which older day, and about how long it takes.

Nothing is written and no engine starts. New files are read as a scan reads them. Only the run itself finds out which of
their lines are good, so a correction that changes nothing is foreseen as one that does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import dagster as dg
import pyarrow.compute as pc

from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import TableContract
from cip_assets.ingest import csv_records, in_step
from cip_assets.ingest.calendar import event_dates
from cip_assets.ingest.discover import LandedFile, find_files
from cip_assets.ingest.manifest import ManifestEntry, manifest_entry, read_manifest, scan_file
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.due import carry, gate, plan
from cip_assets.orchestration.due.last_day import default_day
from cip_assets.orchestration.due.up_to_date import FOLLOWS as COMPUTED
from cip_assets.orchestration.due.up_to_date import state_of
from cip_assets.orchestration.graph import BY_DAY, Graph
from cip_assets.orchestration.run_tags import partitions_covered
from cip_assets.storage.written import month_after

INGESTED = " is ingested"
FOLLOWS = (COMPUTED, INGESTED)
"""The ends of the reasons of assets that follow from others."""


@dataclass(frozen=True)
class Step:
    """An asset that would be computed.

    ``seconds`` is what its step took the last time, for as many months. It is None if the step never ran, or if it is
    told with the first of the tables that it writes.
    """

    asset: str
    partition: str
    reason: str
    carried_from: date | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Foreseen:
    """What a run would do. ``seconds`` is about how long, by the last runs of these assets; None if there were none."""

    as_of: date | None
    steps: Sequence[Step]
    up_to_date: int
    unreadable: Mapping[str, str]
    seconds: float | None


class Look:
    """The data folder and the history of the runs, at this moment."""

    def __init__(self, graph: Graph, settings: Settings, instance: dg.DagsterInstance) -> None:
        self._graph = graph
        self._settings = settings
        self._instance = instance
        self._spent = _Spent(instance)

    def foreseen(self, as_of: date | None = None) -> Foreseen:
        """What a run would do for a day, by default that of the last transaction, in new files too."""
        work = plan.due(self._graph, self._settings, self._instance, manifest=self._manifest)
        day = as_of or self._newest_day()
        steps = [step for block in work.blocks for step in self._ingested(block, work)]
        assets = self._graph.snapshot_assets if day else frozenset()
        reasons = self._reasons(work, day) if day else {}
        for key in sorted(reasons, key=lambda key: (BY_DAY.index(key.path[0]), key)):
            older = self._older_day(key, day, work) if day else None
            seconds = self._spent.on(key)
            steps.append(Step(key.to_user_string(), str(day), reasons[key], older, seconds))
        return Foreseen(day, steps, len(assets) - len(reasons), work.unreadable, self._spent.about(steps))

    @cached_property
    def _manifest(self) -> Mapping[str, Sequence[ManifestEntry]]:
        """The manifest as the next scan would make it."""
        known = self._known
        here = {file.path: file for file in find_files(self._settings.landing)[0]}
        found: dict[str, list[ManifestEntry]] = {}
        for table in SOURCE_TABLES:
            entries = {e.path: e for e in known.get(table, [])}
            changed = set(gate.unscanned(self._settings, table)) if known else set[str]()
            changed |= {path for path, file in here.items() if file.table == table and path not in entries}
            found[table] = [entry for path, entry in entries.items() if path not in changed]
            found[table] += [self._scanned(here[path]) for path in sorted(changed & here.keys())]
        return found

    def _scanned(self, file: LandedFile) -> ManifestEntry:
        calendar = self._graph.partitions.calendar()
        return manifest_entry(scan_file(self._settings.landing, file, calendar))

    def _newest_day(self) -> date | None:
        today = self._graph.partitions.today()
        sold = [entry.latest_event_date for entry in self._new("transactions")]
        found = [default_day(self._settings, today), *sold]
        return min(max(filter(None, found)), today) if any(found) else None

    @cached_property
    def _known(self) -> Mapping[str, Sequence[ManifestEntry]]:
        """The manifest of the last scan."""
        return read_manifest(self._settings.table_uri("landing", "manifest"))

    def _new(self, table: str) -> Sequence[ManifestEntry]:
        """The files that came since, and those with another content."""
        known = {(entry.path, entry.version) for entry in self._known.get(table, [])}
        return [entry for entry in self._manifest[table] if (entry.path, entry.version) not in known]

    def _ingested(self, block: plan.Block, work: plan.Work) -> Iterator[Step]:
        months = list(_months(block))
        for asset in block.assets:
            table = plan.source_of(asset)
            why = [work.reasons[table, m] for m in (*months, "") if (table, m) in work.reasons]
            if why and (not SOURCE_TABLES[table].is_event or months):
                span = _span(block) if SOURCE_TABLES[table].is_event else ""
                seconds = self._spent.on(asset, len(months))
                yield Step(asset.to_user_string(), span, ", ".join(dict.fromkeys(why)), None, seconds)

    def _reasons(self, work: plan.Work, day: date) -> dict[dg.AssetKey, str]:
        """Why the assets of a snapshot would be computed, also because of what would be ingested before."""
        assets = self._graph.snapshot_assets
        found = dict(state_of(self._settings, self._graph, self._instance, assets, day).reasons)
        for block in work.blocks:
            if block.first > str(day):
                continue
            for asset in block.assets:
                follows = self._graph.resolved(dg.AssetSelection.assets(asset).downstream()) & assets
                for key in follows - found.keys():
                    found[key] = f"{asset.to_user_string()}{INGESTED}"
        return found

    def _older_day(self, key: dg.AssetKey, day: date, work: plan.Work) -> date | None:
        table = carry.BY_NAME.get(key.to_user_string())
        if table is None or not table.carried:
            return None
        read = {source for contract in table.carried for source in _sources_of(contract)}
        until = min((self._first_change(source, work) for source in read), default=date.max)
        codes = {name: self._graph.code_versions[dg.AssetKey(name.split("/"))] for name in carry.BY_NAME}
        return carry.older_day(self._settings, self._instance, codes, table, min(day, until))

    def _first_change(self, table: str, work: plan.Work) -> date:
        """The first day that an ingest of a source table may change."""
        months = [month for name, month in work.reasons if name == table]
        if not months:
            return date.max
        if not SOURCE_TABLES[table].is_event or {work.reasons[table, m] for m in months} - FROM_FILES:
            return date.min
        here = {(entry.path, entry.version) for entry in self._manifest[table]}
        if any((entry.path, entry.version) not in here for entry in self._known.get(table, [])):
            return date.fromisoformat(min(months))  # nobody knows which days the removed lines had
        first_days = (self._first_day(table, entry) for entry in self._new(table))
        return min(filter(None, first_days), default=date.max)

    def _first_day(self, table: str, entry: ManifestEntry) -> date | None:
        """The first event day in a file."""
        path, dated = self._settings.landing / entry.path, str(SOURCE_TABLES[table].event_date)
        calendar = self._graph.partitions.calendar()
        blocks = csv_records.read_records(path, entry.column_names, [dated])
        days = (pc.min(event_dates(block.columns.column(dated), calendar)).as_py() for block in blocks)
        return min(filter(None, days), default=None)


FROM_FILES = {in_step.NEW, in_step.FILES}
"""The reasons to ingest a month that files tell the days of."""


class _Spent:
    """How long assets took in the last runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._steps: dict[str, dict[str, float]] = {}
        self._told: set[tuple[str, str]] = set()

    def on(self, asset: dg.AssetKey, months: int = 0) -> float | None:
        """The seconds of the asset's last step, for as many months as are to be written.

        None if it never ran, and for the second asset of a step.
        """
        event = self._instance.get_latest_materialization_event(asset)
        if event is None or event.step_key is None or (event.run_id, event.step_key) in self._told:
            return None
        self._told.add((event.run_id, event.step_key))
        seconds = self._of_run(event.run_id).get(event.step_key)
        run = self._instance.get_run_by_id(event.run_id)
        first, last = partitions_covered(run.tags if run else {})
        if seconds is None or not months or not first or not last:
            return seconds
        return seconds * months / len(list(_months(plan.Block((), first, last))))

    def about(self, steps: Sequence[Step]) -> float | None:
        """About how long a run with these steps takes: steps run side by side, and there are checks between them."""
        spent = sum(step.seconds or 0 for step in steps)
        in_steps = sum(seconds for run in self._steps.values() for seconds in run.values())
        records = self._instance.get_run_records(dg.RunsFilter(run_ids=[*self._steps])) if self._steps else []
        in_runs = sum(r.end_time - r.start_time for r in records if r.end_time and r.start_time)
        return spent * in_runs / in_steps if in_steps and in_runs else None

    def _of_run(self, run_id: str) -> dict[str, float]:
        if run_id not in self._steps:
            found = self._instance.get_run_step_stats(run_id)
            self._steps[run_id] = {
                s.step_key: s.end_time - s.start_time for s in found if s.end_time and s.start_time
            }
        return self._steps[run_id]


def _sources_of(contract: TableContract) -> Iterator[str]:
    """The source tables that a table is computed from, directly or not."""
    if contract.name in in_step.FACTS:
        yield in_step.FACTS[contract.name].name
    elif contract.layer == "cleaned":
        yield contract.table
    elif contract.name in carry.BY_NAME:
        table = carry.BY_NAME[contract.name]
        for parent in table.carried or table.reads.values():
            yield from _sources_of(parent)


def _months(block: plan.Block) -> Iterator[str]:
    month = block.first
    while month and month <= block.last:
        yield month
        month = str(month_after(date.fromisoformat(month)))


def _span(block: plan.Block) -> str:
    return block.first[:7] if block.first == block.last else f"{block.first[:7]} to {block.last[:7]}"
