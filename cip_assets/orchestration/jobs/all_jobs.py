"""The jobs: one per stage of a run, because each stage has its own partitions, and the recovery jobs."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from cip_assets.layers import CSV_FILES
from cip_assets.orchestration.due.plan import INGESTED
from cip_assets.orchestration.graph import BY_DAY, LANDING, Graph
from cip_assets.orchestration.jobs.days import snapshot_days
from cip_assets.orchestration.jobs.names import AUDIENCES, INGEST, SCAN, SNAPSHOT, VALIDATE
from cip_assets.orchestration.jobs.recovery import maintenance_job, replay_quarantine, restore_table
from cip_assets.orchestration.jobs.refresh import refresh


def all_jobs(graph: Graph) -> Mapping[str, Any]:
    """All jobs by name."""
    stages: list[Any] = [
        dg.define_asset_job(
            SCAN,
            selection=dg.AssetSelection.groups(LANDING),
            description="Start this job to turn the exports into landing files, if there are any, and to update only "
            "the manifest, which lists the landing files, their rows by month and their problems. It needs no month or "
            "day.",
        ),
        dg.define_asset_job(
            INGEST,
            selection=dg.AssetSelection.groups(LANDING, *INGESTED),
            description="Start this job to ingest chosen months again: it computes raw, cleaned, quarantine and "
            "facts for a month or a range of months. The job refresh finds the months that are out of date by itself.",
        ),
        dg.define_asset_job(
            SNAPSHOT,
            selection=dg.AssetSelection.groups(*BY_DAY),
            description="Start this job to compute a chosen day: it computes the features and marts of that snapshot "
            "day and writes the exports. The job refresh computes the newest day.",
        ),
        dg.define_asset_job(
            VALIDATE,
            selection=dg.AssetSelection.checks_for_assets(
                *(dg.AssetKey(["exports", file.name]) for file in CSV_FILES)
            ),
            description="Start this job to check the exported files against the marts and against each other, for "
            "example before you share them. It changes nothing.",
        ),
    ]
    if graph.audiences:
        stages.append(
            dg.define_asset_job(
                AUDIENCES,
                selection=dg.AssetSelection.assets(*graph.audiences),
                description="Start this job to record who is in the audiences on a day, and to bring the newest day to "
                "their destinations. It stops before an audience that changes by more than audiences.yaml allows.",
            )
        )
    others: list[Any] = [
        refresh,
        snapshot_days,
        restore_table,
        maintenance_job(graph.rules),
        replay_quarantine,
    ]
    return {job.name: job for job in (*stages, *others)}
