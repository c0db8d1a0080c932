"""The jobs: one per stage of a run, since each stage has partitions of its own, and those of recovery."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from cip_assets.contracts.exports import EXPORTS
from cip_assets.orchestration.assets import ASSETS
from cip_assets.orchestration.jobs.recovery import maintenance, replay_quarantine, restore_table
from cip_assets.orchestration.jobs.refresh import INGEST, SNAPSHOT, refresh

SCAN = "scan_landing"
VALIDATE = "validate_exports"

SNAPSHOT_SELECTION = dg.AssetSelection.groups("features", "marts", "exports")
SNAPSHOT_ASSETS = SNAPSHOT_SELECTION.resolve(ASSETS)

JOBS: Sequence[Any] = [
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
        selection=SNAPSHOT_SELECTION,
        description="Features, marts and exports as of a day.",
    ),
    dg.define_asset_job(
        VALIDATE,
        selection=dg.AssetSelection.checks_for_assets(
            *(dg.AssetKey(["exports", export.name]) for export in EXPORTS)
        ),
        description="Check the exported files against the marts and each other.",
    ),
    refresh,
    restore_table,
    maintenance,
    replay_quarantine,
]
