"""The jobs: one per stage of a run, since each stage has partitions of its own, and those of recovery."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from cip_assets.contracts.exports import EXPORTS
from cip_assets.io import delta
from cip_assets.resources import LakeResource

SCAN = "scan_landing"
INGEST = "ingest"
SNAPSHOT = "snapshot"
VALIDATE = "validate_exports"
RESTORE = "restore_table"


class RestoreConfig(dg.Config):
    """What to restore."""

    table: str = Field(description="layer/table, such as marts/customer_360")
    version: int = Field(description="the version of the table to go back to")


@dg.op
def restore(context: dg.OpExecutionContext, lake: LakeResource, config: RestoreConfig) -> None:
    """Make a table again what it was at a version, as a new version."""
    layer, table = config.table.split("/")
    new_version = delta.restore(lake.settings.table_uri(layer, table), config.version)
    context.log_event(
        dg.AssetObservation(
            asset_key=[layer, table],
            description=f"Restored to version {config.version}",
            metadata={"delta_version": new_version, "restored_version": config.version},
        )
    )


@dg.job(
    name=RESTORE, description="Go back to a version of a table. What is computed from it must be run again."
)
def restore_table() -> None:
    restore()


JOBS: Sequence[Any] = [
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
    dg.define_asset_job(
        VALIDATE,
        selection=dg.AssetSelection.checks_for_assets(
            *(dg.AssetKey(["exports", export.name]) for export in EXPORTS)
        ),
        description="Check the exported files against the marts and each other.",
    ),
    restore_table,
]
