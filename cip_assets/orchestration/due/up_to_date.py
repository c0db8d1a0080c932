"""Finds the assets of a day's snapshot that are up to date, so that they need not be computed again.

This uses only what is stored anyway: every commit has the code version and the versions of its input tables, and the
materialization of a file in ``final`` has both and the file's hash. An asset also needs a run if one of its checks
failed or was not evaluated since.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.ingest.in_step import FACTS, Written, behind, last_write
from cip_assets.storage.files import hash_file


@dataclass(frozen=True)
class UpToDate:
    """An asset that is up to date: its number of rows, and the last evaluations of its checks."""

    row_count: int | None
    checks: Sequence[dg.AssetCheckEvaluation]


def up_to_date(
    settings: Settings,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Collection[dg.AssetKey],
    day: date,
) -> dict[dg.AssetKey, UpToDate]:
    """The assets that are up to date, together with everything that they depend on.

    Args:
        settings: the data folder.
        definitions: the graph of the assets and their checks.
        instance: the instance with the history of the checks.
        assets: the assets of the snapshot.
        day: the snapshot day.

    """
    graph = definitions.resolve_asset_graph()
    checks = {key: sorted(graph.get(key).check_keys) for key in assets}
    looks_at = {check: graph.get(check).parent_entity_keys for found in checks.values() for check in found}

    @cache
    def written(key: dg.AssetKey) -> Written | None:
        if key.path[0] == "exports":
            return _file_written(settings, instance, key, day)
        name = key.to_user_string()
        if name in FACTS and behind(settings, name, day):
            return None
        return last_write(settings, name, day)

    @cache
    def evaluation(check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
        """The last evaluation, if it is newer than everything that the check reads, and does not block."""
        record = instance.get_latest_asset_check_evaluation_record(check)
        if record is None or record.event is None or record.partition not in (None, day.isoformat()):
            return None
        found, moment = record.evaluation, record.event.timestamp
        if not isinstance(found, dg.AssetCheckEvaluation):
            return None  # planned, and then the run ended
        writes = [written(key) for key in looks_at[check]]
        in_time = all(write is not None and write.timestamp <= moment for write in writes)
        return found if in_time and (found.passed or found.severity == dg.AssetCheckSeverity.WARN) else None

    def is_settled(key: dg.AssetKey) -> bool:
        last = written(key)
        if last is None or last.code_version != graph.get(key).code_version:
            return False
        for parent in graph.get(key).parent_keys:
            change = written(parent)
            if change is None or change.version > last.computed_from.get(parent.to_user_string(), -1):
                return False
        return all(evaluation(check) for check in checks[key])

    def depends_on(key: dg.AssetKey) -> Iterator[dg.AssetKey]:
        yield from graph.get(key).parent_keys
        for check in checks[key]:
            yield from looks_at[check]

    due = {key for key in assets if not is_settled(key)}
    while more := {key for key in assets if key not in due and not due.isdisjoint(depends_on(key))}:
        due |= more
    return {
        key: UpToDate(last.row_count, [found for check in checks[key] if (found := evaluation(check))])
        for key in assets
        if key not in due and (last := written(key))
    }


def _file_written(
    settings: Settings, instance: dg.DagsterInstance, key: dg.AssetKey, day: date
) -> Written | None:
    """The last materialization of a file, if it was for the day and the file is unchanged since."""
    event = instance.get_latest_materialization_event(key)
    made = event.asset_materialization if event else None
    if event is None or made is None or made.partition != day.isoformat():
        return None
    metadata: Mapping[str, Any] = {name: value.value for name, value in made.metadata.items()}
    path = settings.final / Path(str(metadata.get("path"))).name
    if not path.is_file() or hash_file(path)[1] != metadata.get("sha256"):
        return None
    rows = metadata.get("dagster/row_count")
    return Written(
        0,
        event.timestamp,
        None if rows is None else int(rows),
        (made.tags or {}).get("dagster/code_version"),
        metadata.get("computed_from", {}),
    )
