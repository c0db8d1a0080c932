"""Cleaned tables that failed a blocking check and never passed it since.

A check that fails keeps the run that evaluated it from going on. The next run finds the table in step with its files
and would go on. So it looks here, and has these checks evaluated again.
"""

from collections.abc import Collection

import dagster as dg

from cip_assets.automation.partitions import RANGE_START
from cip_assets.checks.covered import PARTITION

RECENT = 50
"""Evaluations of a check that are looked at; one that fails is evaluated again by every run, so it stays among them."""


def checks_in_doubt(
    instance: dg.DagsterInstance, definitions: dg.Definitions, tables: Collection[dg.AssetKey]
) -> set[dg.AssetCheckKey]:
    """The blocking checks of these tables that failed, and were not passed since by all of the table."""
    graph = definitions.resolve_asset_graph()
    blocking = {
        check
        for table in tables
        for check in graph.get(table).check_keys
        if graph.get_check_spec(check).blocking
    }
    return {check for check in blocking if _is_in_doubt(instance, check)}


def _is_in_doubt(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> bool:
    records = instance.event_log_storage.get_asset_check_execution_history(check, RECENT)
    evaluated = [
        (record.run_id, record.evaluation)
        for record in records
        if isinstance(record.evaluation, dg.AssetCheckEvaluation)
    ]
    faults = [
        place
        for place, (_, found) in enumerate(evaluated)
        if not found.passed and found.severity == dg.AssetCheckSeverity.ERROR
    ]
    if not faults:
        return False
    since = [run_id for run_id, _ in evaluated[: faults[0]]]
    # What some months passed says nothing of those that failed.
    return not any(_covers_all(instance, run_id) for run_id in since)


def _covers_all(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.tags.keys().isdisjoint({RANGE_START, PARTITION})
