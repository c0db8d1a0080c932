"""Checked rows, and beside them the lines that did not get in. Both come from one judgement."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.config.rules import current_rules
from cip_assets.contracts import SOURCE_TABLES, SourceTable
from cip_assets.engines import EngineResource
from cip_assets.ingest import deliveries
from cip_assets.layers.cleaned import judge as cleaning
from cip_assets.orchestration.accept import AcceptConfig
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.partitions import partitions_of
from cip_assets.orchestration.resources import LakeResource
from cip_assets.storage import delta


def _declared(source: SourceTable) -> dict[str, Any]:
    raw, quarantine = (dg.AssetKey([layer, source.name]) for layer in ("raw", "quarantine"))
    return {
        "name": f"clean_{source.name}",
        **limits("cleaned", source.name),
        "outs": {"quarantine": _out(source.quarantine), "cleaned": _out(source.cleaned)},
        "ins": {"raw": dg.AssetIn(key=raw)},
        # Cleaned names quarantine as an input, so that a selection of what cleaned needs brings it along.
        "internal_asset_deps": {"quarantine": {raw}, "cleaned": {raw, quarantine}},
        "can_subset": True,
        "partitions_def": partitions_of(source.cleaned),
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }


def _event_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.multi_asset(**_declared(source))
    def clean(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, raw: DataFrame
    ) -> Iterator[dg.Output[DataFrame]]:
        elsewhere = _elsewhere(context, engine, lake, raw, source)
        yield from _outcomes(context, cleaning.judge(raw, source, current_rules(), elsewhere), source)

    return clean


def _snapshot_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.multi_asset(**_declared(source))
    def clean(
        context: dg.AssetExecutionContext, config: AcceptConfig, lake: LakeResource, raw: DataFrame
    ) -> Iterator[dg.Output[DataFrame]]:
        judged = cleaning.judge(raw, source, current_rules())
        if not config.accept:
            deliveries.refuse_losses(lake.settings, source, raw, judged, current_rules().quality)
        yield from _outcomes(context, judged, source)

    return clean


def _outcomes(
    context: dg.AssetExecutionContext, judged: DataFrame, source: SourceTable
) -> Iterator[dg.Output[DataFrame]]:
    """The tables that the run asks for."""
    for name, rows in (("quarantine", cleaning.quarantine_rows), ("cleaned", cleaning.cleaned_rows)):
        if name in context.op_execution_context.selected_output_names:
            yield dg.Output(rows(judged, source), output_name=name)


def _elsewhere(
    context: dg.AssetExecutionContext,
    engine: EngineResource,
    lake: LakeResource,
    raw: DataFrame,
    source: SourceTable,
) -> DataFrame | None:
    """The lines of months that this run leaves alone which have an id of its own lines."""
    uri = lake.settings.table_uri("raw", source.name)
    here = [date.fromisoformat(key) for key in context.partition_keys]
    if delta.slices(uri, "month") <= set(here):
        return None
    others = delta.read(engine.spark_session, uri)
    return cleaning.rivals(raw, others.where(~F.col("month").isin(here)), source)


def _out(contract: Any) -> dg.AssetOut:
    return dg.AssetOut(dagster_type=DataFrame, is_required=False, **described(contract, cleaning))


ASSETS = [
    _event_asset(source) if source.is_event else _snapshot_asset(source) for source in SOURCE_TABLES.values()
]
