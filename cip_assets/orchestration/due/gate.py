"""Refuses inputs of a snapshot that were never written or are out of date.

Dagster computes whatever is requested, even if something is missing upstream, and in a query a slice that was never
written looks like one without rows. So every read of a slice is checked here first, and one line says what is missing.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import dagster as dg

from cip_assets.config.errors import PlatformError, listed
from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.ingest.discover import find_files
from cip_assets.ingest.manifest import ManifestEntry, read_manifest
from cip_assets.layers import FACTS_OF, SOURCE_TABLES
from cip_assets.orchestration.event_storage import outcomes_of_check, records_of_check
from cip_assets.orchestration.run_tags import partitions_covered
from cip_assets.storage import delta
from cip_assets.storage.files import hash_file
from cip_assets.storage.written import WHOLE, require_written

STARTED_BY_US = ".dagster/cip_code"
"""The tag of runs that the command line or the sensor of the landing folder starts. Both have scanned the folder.

The Dagster UI hides tags with this prefix, because they are of no use to a person.
"""

BLOCKING = ("contract", "conservation", "one_line_per_id", "one_currency")
"""The blocking checks of a cleaned table."""

BLOCKING_FACTS = ("contract", "conservation")
"""The blocking checks of a table of facts."""

BLOCKING_SNAPSHOTS = ("contract", "adds_up")
"""The blocking checks of a snapshot's table."""

SNAPSHOTS = ("features", "marts")
"""The layers whose tables have a snapshot per day."""

RECENT = 50
"""The number of evaluations of a check that are searched for a failed one."""


@lru_cache(maxsize=8)
def looked_at(run_id: str) -> set[tuple[str, str]]:  # noqa: ARG001 -- the key of the cache
    """The tables and slices that a run wrote or has already checked. Many steps read the same tables."""
    return set()


def once(run_id: str, table: str, only: object, look: Callable[[], None]) -> None:
    """Check a slice, unless the run has checked it before or wrote it itself."""
    if (table, str(only)) not in looked_at(run_id):
        look()
        looked_at(run_id).add((table, str(only)))


def as_landed(until: date) -> str:
    """The key for all slices of a source table that a snapshot of a day reads."""
    return f"as landed until {until}"


def require_snapshot(settings: Settings, instance: dg.DagsterInstance, name: str, day: date) -> None:
    """Refuse to read a table's snapshot of a day if it is missing, out of date, or known to be wrong.

    Raises:
        PlatformError: it was never computed, a direct or indirect input was written since, or one of its blocking
            checks failed.

    """
    require_written(settings.table_uri(*name.split("/")), delta.Slice.of_day(day))
    again = f"materialize {name} for {day} again first (job snapshot, or 'cip run --as-of {day}')"
    if changed := _changed_since(settings, name, day):
        raise PlatformError(
            f"{name}: its snapshot of {day} is older than {changed}, which it was computed from; {again}"
        )
    if failed := failed_snapshot_check(instance, name, day):
        raise PlatformError(f"{name}: {failed}; {again}")


def failed_snapshot_check(instance: dg.DagsterInstance, name: str, day: date) -> str | None:
    """Which blocking check of a table's snapshot did not pass when it was last evaluated, and why; None if none."""
    for check in BLOCKING_SNAPSHOTS:
        key = dg.AssetCheckKey(dg.AssetKey(name.split("/")), check)
        evaluated = (r.evaluation for r in records_of_day(instance, key, day) if not _is_planned(r))
        if why := _why_not(next(evaluated, None)):
            return f"its check {check} did not pass for {day}: {why}"
    return None


def records_of_day(instance: dg.DagsterInstance, check: dg.AssetCheckKey, day: date) -> list[Any]:
    """Dagster's records of a check of a snapshot day, the newest first."""
    return records_of_check(instance, check, RECENT, partition=str(day))


def _changed_since(settings: Settings, name: str, day: date, current: set[str] | None = None) -> str | None:
    """A direct or indirect input of a snapshot that was written after the snapshot; None if there is none."""
    current = set() if current is None else current  # several tables can have the same inputs
    written = in_step.last_write(settings, name, day)
    if written is None:
        return None
    for parent in sorted(written.computed_from):
        change = in_step.last_write(settings, parent, day)
        if change and not written.shows(settings, parent, change):
            return parent
        if parent.split("/")[0] in SNAPSHOTS and parent not in current:
            if deeper := _changed_since(settings, parent, day, current):
                return deeper
            current.add(parent)
        elif parent in in_step.FACTS and in_step.behind(settings, parent, day):
            return in_step.FACTS[parent].cleaned.name
    return None


def require_in_step(
    settings: Settings, instance: dg.DagsterInstance, tags: Mapping[str, str], read: str, until: date
) -> None:
    """Refuse a snapshot of a day if a source table that it reads is out of date for any month up to that day.

    Args:
        settings: the data folder.
        instance: the instance with the history of the checks.
        tags: the tags of the run.
        read: the cleaned table, or the facts of one, as ``layer/table``.
        until: the snapshot day.

    Raises:
        PlatformError: months or a full delivery in cleaned are out of date, or a line moved to another month; a file
            cannot be read; the landing folder has files that were not scanned; a blocking check of the table or its
            facts failed; or the facts are older than the table.

    """
    source = in_step.FACTS.get(read) or SOURCE_TABLES[read.split("/")[1]]
    name, table = source.cleaned.name, source.name
    if STARTED_BY_US not in tags and (files := unscanned(settings, table)):
        raise PlatformError(
            f"{table}: the landing folder has changed since it was last scanned ({listed(files)}); "
            "run the job refresh, or 'cip run', before you compute a snapshot"
        )
    entries = read_manifest(settings.table_uri("landing", "manifest")).get(table, [])
    in_step.require_files(settings, source, entries)
    stale = in_step.not_as_landed(settings, source, entries) | in_step.moved(settings, source)
    months = [month[:7] for month in sorted(stale) if month <= str(until)]
    if months and not source.is_event:
        raise PlatformError(
            f"{name}: the newest delivery has not been ingested; run the job ingest for {table}, or 'cip run'"
        )
    if months:
        raise PlatformError(
            f"{name}: these months are out of date: {listed(months)}; a snapshot of {until} needs every month up to "
            f"that day: run the job ingest for {table} and these months, or 'cip run'"
        )
    if read in in_step.FACTS and (behind := in_step.behind(settings, read, until)):
        months = sorted(month[:7] for month in behind)
        raise PlatformError(
            f"{read}: these months are older than {name}: {listed(months)}; run the job ingest for {table} and these "
            "months, or 'cip run'"
        )
    for checked, name_of_check, why, failed in failed_checks(settings, instance, source, entries):
        if min(failed) <= str(until):
            raise PlatformError(
                f"{checked}: its check {name_of_check} did not pass: {why}; correct the cause and run the job ingest "
                f"for {table} again, or 'cip run'"
            )


def unscanned(settings: Settings, table: str) -> list[str]:
    """A table's landing files that are new or changed since the manifest was made, and those that were removed."""
    uri = settings.table_uri("landing", "manifest")
    if not delta.exists(uri):
        return []
    known = {entry.path: entry for entry in read_manifest(uri).get(table, [])}
    scanned_at = next(delta.history(delta.open_table(uri), 1)).timestamp.timestamp()
    here = {file.path: file for file in find_files(settings.landing)[0] if file.table == table}

    def is_another(path: str) -> bool:
        if here[path].problem:
            return here[path].problem_hash != known[path].sha256
        stat = (settings.landing / path).stat()
        if stat.st_size != known[path].size_bytes:
            return True
        # A clock that has gone back dates what is touched now before the scan.
        touched = max(stat.st_mtime, stat.st_ctime) >= scanned_at or time.time() < scanned_at
        return touched and hash_file(settings.landing / path)[1] != known[path].sha256

    same = here.keys() & known.keys()
    return sorted((here.keys() ^ known.keys()) | {path for path in same if is_another(path)})


def failed_checks(
    settings: Settings,
    instance: dg.DagsterInstance,
    source: SourceTable,
    entries: Sequence[ManifestEntry],
) -> Iterator[tuple[str, str, str, set[str]]]:
    """The blocking checks of a cleaned table and its facts that failed, or whose run ended before they were evaluated.

    Each has the table, its name, the reason, and the landed months for which it has not passed since; ``WHOLE`` for a
    table of full deliveries.
    """
    landed = set(in_step.held_by_landing(source, entries))
    facts = FACTS_OF.get(source.name)
    blocking = [(source.cleaned.name, name) for name in BLOCKING]
    blocking += [(facts.contract.name, name) for name in BLOCKING_FACTS] if facts else []
    for table, name in blocking:
        key = dg.AssetCheckKey(dg.AssetKey(table.split("/")), name)
        history = outcomes_of_check(instance, key, RECENT)
        # A warning is stored as failed, too. To look up the run of each record would take seconds.
        if not any(_is_planned(record) or _why_not(record.evaluation) for record in history):
            continue
        commits = delta.commits(settings.table_uri(*table.split("/")), RECENT)
        writers = {commit.audit.get("run_id") for commit in commits}
        decided: set[str] = set()
        for record in history:  # newest first
            run = instance.get_run_by_id(record.run_id)
            is_planned = _is_planned(record)
            if is_planned and (record.run_id not in writers or (run and not run.is_finished)):
                continue  # the run wrote nothing that could be checked, or is not finished yet
            months = _months_of(run, landed) - decided
            decided |= months
            why = "its run ended before it was evaluated" if is_planned else _why_not(record.evaluation)
            if months and why:
                yield table, name, why, months


def _is_planned(record: Any) -> bool:
    """Whether Dagster's record of a check is from before its evaluation."""
    return not isinstance(record.evaluation, dg.AssetCheckEvaluation)


def _why_not(evaluation: dg.AssetCheckEvaluation | None) -> str | None:
    """The reason why a check blocks what is downstream; None if it does not."""
    if evaluation is None or evaluation.passed or evaluation.severity == dg.AssetCheckSeverity.WARN:
        return None
    return evaluation.description or "it has no description"


def _months_of(run: dg.DagsterRun | None, months: Collection[str]) -> set[str]:
    """The months that a run covered: all of them if it had no partition. A table without months is always covered."""
    first, last = partitions_covered(run.tags if run else {})
    return {month for month in months if month == WHOLE or not first or not last or first <= month <= last}
