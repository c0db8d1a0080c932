"""A table that lands as assets: raw lines, cleaned rows, and quarantined lines.

One step makes cleaned and quarantine, because both come from the same judgment of the raw lines.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg
import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.config.rules import Rules
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import deliveries, in_step, read
from cip_assets.ingest.manifest import ManifestEntry, files_to_read, read_manifest
from cip_assets.ingest.read import extra_columns, read_landing
from cip_assets.layers.cleaned import history as past
from cip_assets.layers.cleaned import judge
from cip_assets.orchestration.accept import AcceptConfig
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.assets.landing import MANIFEST
from cip_assets.orchestration.io_manager import DELIVERIES
from cip_assets.orchestration.limits import priority_of_source
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.storage import delta


def raw_asset(source: SourceTable, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """Every line of a table's landing files once, as text, with its file and line."""
    declared: dict[str, Any] = {
        **described(source.raw, read, rules=rules),
        **limits("raw", source.name),
        "op_tags": priority_of_source(source),
        "deps": [MANIFEST],
        "partitions_def": partitions.of(source.raw),
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }

    def landed(lake: LakeResource) -> Sequence[ManifestEntry]:
        """The table's files, as they were scanned last."""
        uri = lake.settings.table_uri(*MANIFEST.path)
        return read_manifest(uri, is_needed=True).get(source.name, [])

    def rows(
        context: dg.AssetExecutionContext,
        engine: EngineResource,
        lake: LakeResource,
        entries: Sequence[ManifestEntry],
        months: Sequence[date] | None,
    ) -> DataFrame:
        in_step.require_files(lake.settings, source, entries)
        files = files_to_read(entries, months)
        context.add_output_metadata(
            {"files_read": len(files), "columns_not_in_contract": extra_columns(source, files)}
        )
        session, folder = engine.spark_session, lake.settings.landing
        return read_landing(session, folder, source, files, partitions.calendar(), months)

    @dg.asset(**declared)
    def events(context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource) -> DataFrame:
        months = [date.fromisoformat(key) for key in context.partition_keys]
        return rows(context, engine, lake, landed(lake), months)

    @dg.asset(**declared)
    def deliveries_of(
        context: dg.AssetExecutionContext,
        config: AcceptConfig,
        engine: EngineResource,
        lake: LakeResource,
    ) -> DataFrame:
        entries = landed(lake)
        found = rows(context, engine, lake, entries, None)
        if not config.accept:
            deliveries.refuse_unlikely(lake.settings, source, entries, rules.quality)
        return found

    asset: dg.AssetsDefinition = events if source.is_event else deliveries_of
    return asset


def clean_asset(source: SourceTable, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """Cleaned rows, and the lines that were not accepted."""
    raw_key, quarantine_key = (dg.AssetKey([layer, source.name]) for layer in ("raw", "quarantine"))

    def out(contract: Any) -> dg.AssetOut:
        described_as = described(contract, judge, source.module, rules=rules)
        return dg.AssetOut(dagster_type=DataFrame, is_required=False, **described_as)

    declared: dict[str, Any] = {
        "name": f"clean_{source.name}",
        **limits("cleaned", source.name),
        "op_tags": priority_of_source(source),
        "outs": {"quarantine": out(source.quarantine), "cleaned": out(source.cleaned)},
        "ins": {"raw": dg.AssetIn(key=raw_key)},
        # Cleaned names quarantine as an input, so that a selection of what cleaned needs includes it.
        "internal_asset_deps": {"quarantine": {raw_key}, "cleaned": {raw_key, quarantine_key}},
        "can_subset": True,
        "partitions_def": partitions.of(source.cleaned),
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }

    def outcomes(
        context: dg.AssetExecutionContext,
        engine: EngineResource,
        lake: LakeResource,
        raw: DataFrame,
        elsewhere: DataFrame | None = None,
    ) -> Iterator[dg.Output[DataFrame]]:
        """The tables that the run selects. Once quarantine is written, cleaned is all other lines."""
        selected = context.op_execution_context.selected_output_names
        if "quarantine" in selected:
            suspects = judge.judge(raw, source, rules, elsewhere, only_suspects=True)
            yield dg.Output(judge.quarantine_rows(suspects, source), output_name="quarantine")
        if "cleaned" not in selected:
            return
        if "quarantine" in selected and not source.over_lines:
            uri = lake.settings.table_uri("quarantine", source.name)
            kept_out = delta.read(engine.spark_session, uri)
            if source.is_event:
                here = [date.fromisoformat(key) for key in context.partition_keys]
                kept_out = kept_out.where(F.col("month").isin(here))
            cleaned = judge.rows_not_kept_out(raw, kept_out, source, rules)
        else:
            cleaned = judge.cleaned_rows(judge.judge(raw, source, rules, elsewhere), source)
        yield dg.Output(cleaned, output_name="cleaned")

    @dg.multi_asset(**declared)
    def events(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, raw: DataFrame
    ) -> Iterator[dg.Output[DataFrame]]:
        elsewhere = _elsewhere(context, engine, lake, raw, source)
        yield from outcomes(context, engine, lake, raw, elsewhere)

    @dg.multi_asset(**declared)
    def deliveries_of(
        context: dg.AssetExecutionContext,
        config: AcceptConfig,
        engine: EngineResource,
        lake: LakeResource,
        raw: DataFrame,
    ) -> Iterator[dg.Output[DataFrame]]:
        if not config.accept:
            judged = judge.judge(raw, source, rules)
            deliveries.refuse_losses(lake.settings, source, raw, judged, rules.quality)
        yield from outcomes(context, engine, lake, raw)

    return events if source.is_event else deliveries_of


def _elsewhere(
    context: dg.AssetExecutionContext,
    engine: EngineResource,
    lake: LakeResource,
    raw: DataFrame,
    source: SourceTable,
) -> DataFrame | None:
    """The lines of other months that share an id with the lines of this run."""
    uri = lake.settings.table_uri("raw", source.name)
    here = [date.fromisoformat(key) for key in context.partition_keys]
    if delta.slices(uri, "month") <= set(here):
        return None
    others = delta.read(engine.spark_session, uri)
    return judge.rivals(raw, others.where(~F.col("month").isin(here)), source)


def history_asset(source: SourceTable, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """What the rows of a table of full deliveries were, and when. It is computed again from all deliveries."""
    if source.history is None:
        raise TypeError(f"{source.name} has no full deliveries")

    @dg.asset(
        **described(source.history, past, source.module, read, deliveries, rules=rules),
        **limits("cleaned", source.history.table),
        ins={"newest": dg.AssetIn(key=dg.AssetKey(["cleaned", source.name]))},
        deps=[MANIFEST],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def compute(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, newest: DataFrame
    ) -> DataFrame:
        entries = read_manifest(lake.settings.table_uri(*MANIFEST.path)).get(source.name, [])
        found = deliveries.counted(entries, rules.quality)
        files = [entry for delivery in found[:-1] for entry in delivery]
        calendar, landing = partitions.calendar(), lake.settings.landing
        older = read_landing(engine.spark_session, landing, source, files, calendar, None) if files else None
        context.add_output_metadata({"deliveries": len(found), DELIVERIES: deliveries.digest_of(entries)})
        return past.history(newest, older, [delivery[0].delivery_date for delivery in found], source, rules)

    asset: dg.AssetsDefinition = compute
    return asset
