"""Finds the assets of a day's snapshot that are up to date, so that they need not be computed again.

This uses only what is stored anyway: every commit has the code version and the versions of its input tables, and the
materialization of a file in ``final`` has both and the file's hash. An asset also needs a run if one of its checks
failed or was not evaluated since.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.ingest.in_step import FACTS, NEW, Written, behind, changed_since, last_write, why_other_code
from cip_assets.orchestration.due.exported import Made, file_written, last_made
from cip_assets.orchestration.due.gate import records_of_day
from cip_assets.orchestration.graph import Graph
from cip_assets.storage import inputs
from cip_assets.storage.trouble import damage_of

ALTERED = "file of another day, missing or altered"
DAMAGED = "a file of the table is missing or cut off"
UNCHECKED = "a check did not pass or was not evaluated"
"""Reasons to compute an asset again."""

FOLLOWS = " is computed"
"""The end of the reason of assets that follow from others."""


@dataclass(frozen=True)
class UpToDate:
    """An asset that is up to date: its number of rows, and the last evaluations of its checks."""

    row_count: int | None
    checks: Sequence[dg.AssetCheckEvaluation]


@dataclass(frozen=True)
class State:
    """Which assets of a day's snapshot are up to date, and why the others are not."""

    up_to_date: Mapping[dg.AssetKey, UpToDate]
    reasons: Mapping[dg.AssetKey, str]


def state_of(
    settings: Settings,
    graph: Graph,
    instance: dg.DagsterInstance,
    assets: AbstractSet[dg.AssetKey],
    day: date,
) -> State:
    """The assets that are up to date, together with everything that they depend on, and why the others are not.

    Args:
        settings: the data folder.
        graph: the assets and their checks.
        instance: the instance with the history of the checks.
        assets: the assets of the snapshot.
        day: the snapshot day.

    """
    checks = {key: graph.checks_of.get(key, ()) for key in assets}

    @cache
    def made() -> Mapping[dg.AssetKey, Made]:
        return last_made(instance, sorted(key for key in graph.snapshot_assets if key.path[0] == "exports"))

    @cache
    def written(key: dg.AssetKey) -> Written | None:
        if key.path[0] == "exports":
            return file_written(settings, made()[key], day)
        name = key.to_user_string()
        if name in FACTS and behind(settings, name, day):
            return None
        return last_write(settings, name, day)

    @cache
    def evaluation(check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
        """The last evaluation, if it saw the last writes of everything that the check reads, and does not block."""
        record = _last_record(instance, check, day)
        found = record.evaluation if record else None
        if not isinstance(found, dg.AssetCheckEvaluation):
            return None  # planned, and then the run ended
        told = inputs.told_in({name: value.value for name, value in found.metadata.items()})
        is_seen = all(_is_seen(settings, key, told, written(key)) for key in graph.read_by_checks[check])
        return found if is_seen and (found.passed or found.severity == dg.AssetCheckSeverity.WARN) else None

    def reason(key: dg.AssetKey) -> str | None:
        """Why an asset is to be computed, apart from the assets that it depends on; None if it is not."""
        last, code = written(key), graph.code_versions[key]
        if last is None:
            return ALTERED if key.path[0] == "exports" and made()[key] else NEW
        if last.code_version != code:
            return why_other_code(code, last.code_version)
        for parent in sorted(graph.parents[key]):
            name, change = parent.to_user_string(), written(parent)
            if change is None or not last.shows(settings, name, change):
                first = changed_since(settings, name, last.computed_from.get(name), day) if change else None
                return f"{name} changed" + (f" from {first} on" if first and first > date.min else "")
        is_checked = all(evaluation(check) for check in checks[key])
        return _damage(settings, key, day) or (None if is_checked else UNCHECKED)

    def depends_on(key: dg.AssetKey) -> Iterator[dg.AssetKey]:
        yield from graph.parents[key]
        for check in checks[key]:
            yield from graph.read_by_checks[check]

    reasons = _with_what_follows(
        {key: why for key in sorted(assets) if (why := reason(key))}, assets, depends_on
    )
    settled = {
        key: UpToDate(last.row_count, [found for check in checks[key] if (found := evaluation(check))])
        for key in assets
        if key not in reasons and (last := written(key))
    }
    return State(settled, reasons)


def _last_record(instance: dg.DagsterInstance, check: dg.AssetCheckKey, day: date) -> Any:
    """Dagster's last record of a check for a day, or of a check that has no days; None if there is none."""
    record = instance.get_latest_asset_check_evaluation_record(check)
    if record is None or record.partition in (None, day.isoformat()):
        return record
    return next(iter(records_of_day(instance, check, day)), None)


def _is_seen(settings: Settings, key: dg.AssetKey, told: inputs.Inputs, write: Written | None) -> bool:
    """Whether an evaluation saw the last write of a table or file."""
    if write is None:
        return False
    seen = told.get(key.to_user_string())
    if key.path[0] == "exports":
        return seen == inputs.Read(write.version, write.sha256)
    return inputs.includes(settings.table_uri(*key.path), seen, write.version)


def _damage(settings: Settings, key: dg.AssetKey, day: date) -> str | None:
    layer, name = key.path
    return DAMAGED if layer != "exports" and damage_of(settings.table_uri(layer, name), day) else None


def _with_what_follows(
    reasons: Mapping[dg.AssetKey, str],
    assets: AbstractSet[dg.AssetKey],
    depends_on: Callable[[dg.AssetKey], Iterator[Any]],
) -> dict[dg.AssetKey, str]:
    """The assets that are to be computed for a reason, and those that depend on one of them."""
    found = dict(reasons)
    while more := {
        key: f"{changed.to_user_string()}{FOLLOWS}"
        for key in sorted(assets - found.keys())
        if (changed := min(found.keys() & set(depends_on(key)), default=None))
    }:
        found |= more
    return found
