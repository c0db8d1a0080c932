"""The manifest of the landing folder as an asset."""

from typing import Any

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame

from cip_assets.config.rules import Rules
from cip_assets.ingest import manifest
from cip_assets.ingest.discover import find_files, lines_about
from cip_assets.ingest.manifest import scan_landing
from cip_assets.layers import contract_of
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.sources.config import load_sources
from cip_assets.sources.convert import Summary, convert
from cip_assets.sources.databases.fetch import fetch


class ManifestConfig(dg.Config):
    """What a scan skips."""

    leave_out: list[str] = Field(default=[], description="paths of files that are still being written")


def manifest_asset(rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of the manifest."""

    @dg.asset(
        **described(contract_of("landing", "manifest"), manifest, rules=rules),
        **limits("landing", "manifest"),
        # Dagster's command line takes a range of months only if every asset that it selects can be one run.
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def scan(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, config: ManifestConfig
    ) -> DataFrame:
        folder = lake.settings.landing
        if sources := load_sources(lake.settings.data_dir):
            for fetched in fetch(sources.databases, lake.settings.data_dir):
                context.add_output_metadata({f"fetched_{fetched.name}": fetched.rows})
            context.add_output_metadata(_of_exports(convert(sources, lake.settings.data_dir, folder)))
        _, left_aside = find_files(folder)
        for line in lines_about(left for left in left_aside if not left.is_on_purpose):
            context.log.warning(f"{folder}: {line}")
        context.add_output_metadata(
            {
                "landing_folder": dg.MetadataValue.path(folder),
                "not_read": list(lines_about(left_aside)),
            }
        )
        return scan_landing(engine.spark_session, folder, partitions.calendar(), config.leave_out)

    asset: dg.AssetsDefinition = scan
    return asset


def _of_exports(summary: Summary) -> dict[str, Any]:
    """What the asset shows of the exports that were turned into landing files."""
    kinds = {f"exports_{kind.kind}": kind.records for kind in summary.kinds}
    return {"exports_records": summary.records, **kinds, "exports_not_read": list(summary.skipped)}
