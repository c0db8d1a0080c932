"""What a snapshot may be computed from: slices that were written, and tables that hold what landed.

Dagster computes what it is asked for, whatever is missing upstream, and to a query a slice that was never written
looks like one without rows. So every read of a slice asks here first; what is missing is one clear line.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import dagster as dg

from cip_assets.config.errors import PlatformError, listed
from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.ingest.csv_records import hash_file
from cip_assets.ingest.discover import find_files
from cip_assets.ingest.manifest import ManifestEntry, files_to_read, read_manifest
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.run_tags import partitions_covered
from cip_assets.storage import delta
from cip_assets.storage.written import WHOLE, require_written

STARTED_BY_US = ".dagster/cip_code"
"""The tag of runs that the command line or the sensor of the landing folder starts: they looked at it before.

The Dagster UI hides tags with this prefix: they tell a person nothing.
"""

BLOCKING = ("contract", "conservation", "one_line_per_id")
"""The checks of a cleaned table that block what is downstream."""

BLOCKING_SNAPSHOTS = ("contract", "adds_up")
"""The same of a snapshot."""

SNAPSHOTS = ("features", "marts")
"""The layers whose tables are snapshots of days."""

RECENT = 50
"""So many evaluations of a check are looked through for one that failed."""


@lru_cache(maxsize=8)
def looked_at(run_id: str) -> set[tuple[str, str]]:  # noqa: ARG001 -- the key of the cache
    """What a run wrote, or looked at already, as table and slice: a dozen steps read the same tables."""
    return set()


def once(run_id: str, table: str, only: object, look: Callable[[], None]) -> None:
    """Look at a slice, unless the run did before or wrote it itself."""
    if (table, str(only)) not in looked_at(run_id):
        look()
        looked_at(run_id).add((table, str(only)))


AS_LANDED = "as landed"
"""Stands for the slices of a source table that a snapshot reads."""


def require_snapshot(settings: Settings, instance: dg.DagsterInstance, name: str, day: date) -> None:
    """Refuse to read a table's snapshot of a day that is missing, out of date, or known to be wrong.

    Raises:
        PlatformError: it was never computed, one of its inputs, or one of theirs, was written since, or a blocking
            check of it failed.

    """
    require_written(settings.table_uri(*name.split("/")), delta.Slice.of_day(day))
    again = f"materialize {name} for {day} again first (job snapshot, or 'cip run --as-of {day}')"
    if changed := _changed_since(settings, name, day):
        raise PlatformError(
            f"{name}: its snapshot of {day} is older than {changed}, which it was computed from; {again}"
        )
    for check in BLOCKING_SNAPSHOTS:
        key = dg.AssetCheckKey(dg.AssetKey(name.split("/")), check)
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=RECENT)
        evaluated = (r.evaluation for r in history if r.partition == str(day) and not _is_planned(r))
        if why := _why_not(next(evaluated, None)):
            raise PlatformError(f"{name}: its check {check} did not pass for {day}: {why}; {again}")


def _changed_since(settings: Settings, name: str, day: date, current: set[str] | None = None) -> str | None:
    """A table that a snapshot was computed from, directly or not, and that was written since; None if none was."""
    current = set() if current is None else current  # several tables are computed from the same ones
    written = in_step.last_write(settings, name, day)
    for parent, version in sorted(written.computed_from.items()) if written else ():
        change = in_step.last_write(settings, parent, day)
        if change and change.version > version:
            return parent
        if parent.split("/")[0] in SNAPSHOTS and parent not in current:
            if deeper := _changed_since(settings, parent, day, current):
                return deeper
            current.add(parent)
    return None


def require_in_step(
    settings: Settings, instance: dg.DagsterInstance, tags: Mapping[str, str], table: str, until: date
) -> None:
    """Refuse a snapshot of a day while a source table that it reads lacks something that landed up to then.

    Args:
        settings: where the data lies.
        instance: the history of the checks.
        tags: of the run.
        table: the source table.
        until: the day of the snapshot.

    Raises:
        PlatformError: months or a delivery are not in cleaned as they landed, or a line moved to another month; a
            file cannot be read; landing holds files that nobody scanned; or a blocking check of the table failed.

    """
    name, source = f"cleaned/{table}", SOURCE_TABLES[table]
    if STARTED_BY_US not in tags and (files := unscanned(settings, table)):
        raise PlatformError(
            f"{table}: the landing folder changed since it was last scanned ({listed(files)}); "
            "run the job refresh, or 'cip run', before a snapshot is computed"
        )
    entries = read_manifest(settings.table_uri("landing", "manifest")).get(table, [])
    files_to_read(source, entries, None)
    stale = in_step.not_as_landed(settings, source, entries) | in_step.moved(settings, source)
    months = [month[:7] for month in sorted(stale) if month <= str(until)]
    if months and not source.is_event:
        raise PlatformError(
            f"{name}: the newest delivery is not ingested; run the job ingest for {table}, or 'cip run'"
        )
    if months:
        raise PlatformError(
            f"{name}: not ingested as landed: {listed(months)}; a snapshot of {until} needs every month up to it: "
            f"run the job ingest for {table} and these months, or 'cip run'"
        )
    for name_of_check, why, failed in failed_checks(settings, instance, source, entries):
        if min(failed) <= str(until):
            raise PlatformError(
                f"{name}: its check {name_of_check} did not pass: {why}; correct the cause and run the job ingest for "
                f"{table} again, or 'cip run'"
            )


def unscanned(settings: Settings, table: str) -> list[str]:
    """A table's landing files that the manifest lacks, or has otherwise, and those of the manifest that are gone."""
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
        touched = max(stat.st_mtime, stat.st_ctime) >= scanned_at
        return touched and hash_file(settings.landing / path)[1] != known[path].sha256

    same = here.keys() & known.keys()
    return sorted((here.keys() ^ known.keys()) | {path for path in same if is_another(path)})


def failed_checks(
    settings: Settings,
    instance: dg.DagsterInstance,
    source: SourceTable,
    entries: Sequence[ManifestEntry],
) -> Iterator[tuple[str, str, set[str]]]:
    """The blocking checks of a cleaned table that failed, or whose run ended before they were evaluated.

    Each with its name, what it said, and the landed months for which it did not pass since; ``WHOLE`` for a snapshot
    table.
    """
    landed = set(in_step.held_by_landing(source, entries))
    for name in BLOCKING:
        key = dg.AssetCheckKey(dg.AssetKey(["cleaned", source.name]), name)
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=RECENT)
        if all(record.status.value == "SUCCEEDED" for record in history):
            continue
        commits = delta.commits(settings.table_uri("cleaned", source.name), RECENT)
        writers = {commit.audit.get("run_id") for commit in commits}
        decided: set[str] = set()
        for record in history:  # newest first
            run = instance.get_run_by_id(record.run_id)
            is_planned = _is_planned(record)
            if is_planned and (record.run_id not in writers or (run and not run.is_finished)):
                continue  # there is nothing to look at, or not yet
            months = _months_of(run, landed) - decided
            decided |= months
            why = "its run ended before it was evaluated" if is_planned else _why_not(record.evaluation)
            if months and why:
                yield name, why, months


def _is_planned(record: Any) -> bool:
    """Whether a check was not evaluated, in a record of Dagster's."""
    return not isinstance(record.evaluation, dg.AssetCheckEvaluation)


def _why_not(evaluation: dg.AssetCheckEvaluation | None) -> str | None:
    """What keeps a check from having passed; None where it holds nobody up."""
    if evaluation is None or evaluation.passed or evaluation.severity == dg.AssetCheckSeverity.WARN:
        return None
    return evaluation.description or "it says no more"


def _months_of(run: dg.DagsterRun | None, months: Collection[str]) -> set[str]:
    """Those of some months that a run covered: all if it had no partition, and a table without months always."""
    first, last = partitions_covered(run.tags if run else {})
    return {month for month in months if month == WHOLE or not first or not last or first <= month <= last}
