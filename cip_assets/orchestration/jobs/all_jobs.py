"""The jobs: one per stage of a run, since each stage has partitions of its own, and those of recovery."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from cip_assets.layers import CSV_FILES
from cip_assets.orchestration.graph import BY_DAY, Graph
from cip_assets.orchestration.jobs.names import INGEST, SCAN, SNAPSHOT, VALIDATE
from cip_assets.orchestration.jobs.recovery import maintenance_job, replay_quarantine, restore_table
from cip_assets.orchestration.jobs.refresh import refresh


def all_jobs(graph: Graph) -> Mapping[str, Any]:
    """Every job by its name."""
    stages: list[Any] = [
        dg.define_asset_job(
            SCAN,
            selection=dg.AssetSelection.groups("landing"),
            description="Look at the landing folder: the manifest. Unpartitioned.",
        ),
        dg.define_asset_job(
            INGEST,
            selection=dg.AssetSelection.groups("landing", "raw", "cleaned", "quarantine"),
            description="Landing files to raw, cleaned and quarantine, for a range of months.",
        ),
        dg.define_asset_job(
            SNAPSHOT,
            selection=dg.AssetSelection.groups(*BY_DAY),
            description="Features, marts and exports as of a day.",
        ),
        dg.define_asset_job(
            VALIDATE,
            selection=dg.AssetSelection.checks_for_assets(
                *(dg.AssetKey(["exports", file.name]) for file in CSV_FILES)
            ),
            description="Check the exported files against the marts and each other.",
        ),
    ]
    others: list[Any] = [refresh, restore_table, maintenance_job(graph.rules), replay_quarantine]
    return {job.name: job for job in (*stages, *others)}
