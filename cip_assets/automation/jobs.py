"""The jobs: one per stage of a run, since each stage has partitions of its own."""

import dagster as dg

SCAN = "scan_landing"
INGEST = "ingest"
SNAPSHOT = "snapshot"

JOBS = [
    dg.define_asset_job(
        SCAN,
        selection=dg.AssetSelection.groups("landing"),
        description="Look at the landing folder: the manifest. Unpartitioned.",
    ),
    dg.define_asset_job(
        INGEST,
        selection=dg.AssetSelection.groups("raw", "cleaned", "quarantine"),
        description="Landing files to raw, cleaned and quarantine, for a range of months.",
    ),
    dg.define_asset_job(
        SNAPSHOT,
        selection=dg.AssetSelection.groups("features", "marts", "exports"),
        description="Features, marts and exports as of a day.",
    ),
]
