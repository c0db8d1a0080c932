"""Landing files as Delta tables: every line once, as text, with its file and line."""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.assets.declare import described, limits
from cip_assets.automation.partitions import calendar, partitions_of
from cip_assets.contracts import SOURCE_TABLES, SourceTable
from cip_assets.engines import EngineResource
from cip_assets.io import landing
from cip_assets.resources import LakeResource


def _raw_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.asset(
        **described(source.raw, landing),
        **limits("raw", source.name),
        ins={"manifest": dg.AssetIn(key=["landing", "manifest"])},
        partitions_def=partitions_of(source.raw),
        backfill_policy=dg.BackfillPolicy.single_run() if source.is_event else None,
    )
    def raw(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, manifest: DataFrame
    ) -> DataFrame:
        months = [date.fromisoformat(key) for key in context.partition_keys] if source.is_event else None
        entries = landing.files_to_read(source, landing.manifest_entries(manifest, source.name), months)
        context.add_output_metadata(
            {"files_read": len(entries), "columns_not_in_contract": landing.extra_columns(source, entries)}
        )
        return landing.read_landing(
            engine.spark_session, lake.settings.landing, source, entries, calendar(), months
        )

    asset: dg.AssetsDefinition = raw
    return asset


ASSETS = [_raw_asset(source) for source in SOURCE_TABLES.values()]
