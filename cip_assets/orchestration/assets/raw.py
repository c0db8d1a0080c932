"""Landing files as Delta tables: every line once, as text, with its file and line."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.config.rules import current_rules
from cip_assets.contracts import SOURCE_TABLES, SourceTable
from cip_assets.engines import EngineResource
from cip_assets.ingest import deliveries, landing
from cip_assets.ingest.landing import ManifestEntry
from cip_assets.orchestration.accept import AcceptConfig
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.partitions import calendar, partitions_of
from cip_assets.orchestration.resources import LakeResource


def _declared(source: SourceTable) -> dict[str, Any]:
    return {
        **described(source.raw, landing),
        **limits("raw", source.name),
        "ins": {"manifest": dg.AssetIn(key=["landing", "manifest"])},
        "partitions_def": partitions_of(source.raw),
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }


def _event_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.asset(**_declared(source))
    def raw(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, manifest: DataFrame
    ) -> DataFrame:
        months = [date.fromisoformat(key) for key in context.partition_keys]
        entries = landing.manifest_entries(manifest, source.name)
        return _read(context, engine, lake, source, entries, months)

    asset: dg.AssetsDefinition = raw
    return asset


def _snapshot_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.asset(**_declared(source))
    def raw(
        context: dg.AssetExecutionContext,
        config: AcceptConfig,
        engine: EngineResource,
        lake: LakeResource,
        manifest: DataFrame,
    ) -> DataFrame:
        entries = landing.manifest_entries(manifest, source.name)
        rows = _read(context, engine, lake, source, entries, None)
        if not config.accept:
            deliveries.refuse_unlikely(lake.settings, source, entries, current_rules().quality)
        return rows

    asset: dg.AssetsDefinition = raw
    return asset


def _read(
    context: dg.AssetExecutionContext,
    engine: EngineResource,
    lake: LakeResource,
    source: SourceTable,
    entries: Sequence[ManifestEntry],
    months: Sequence[date] | None,
) -> DataFrame:
    """The lines of the files of a table that a run must read."""
    files = landing.files_to_read(source, entries, months)
    context.add_output_metadata(
        {"files_read": len(files), "columns_not_in_contract": landing.extra_columns(source, files)}
    )
    folder = lake.settings.landing
    return landing.read_landing(engine.spark_session, folder, source, files, calendar(), months)


ASSETS = [
    _event_asset(source) if source.is_event else _snapshot_asset(source) for source in SOURCE_TABLES.values()
]
