"""Checked rows, and beside them the lines that did not get in. Both come from one judgement."""

from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.assets.declare import described, limits
from cip_assets.automation.accept import AcceptConfig
from cip_assets.automation.partitions import partitions_of
from cip_assets.contracts import SOURCE_TABLES, SourceTable
from cip_assets.io import deliveries
from cip_assets.resources import LakeResource
from cip_assets.rules import current_rules
from cip_assets.transforms import cleaning


def _declared(source: SourceTable) -> dict[str, Any]:
    return {
        "name": f"clean_{source.name}",
        **limits("cleaned", source.name),
        "outs": {"cleaned": _out(source.cleaned), "quarantine": _out(source.quarantine)},
        "ins": {"raw": dg.AssetIn(key=["raw", source.name])},
        "partitions_def": partitions_of(source.cleaned),
        "backfill_policy": dg.BackfillPolicy.single_run() if source.is_event else None,
    }


def _event_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.multi_asset(**_declared(source))
    def clean(raw: DataFrame) -> tuple[DataFrame, DataFrame]:
        judged = cleaning.judge(raw, source, current_rules())
        return cleaning.cleaned_rows(judged, source), cleaning.quarantine_rows(judged, source)

    return clean


def _snapshot_asset(source: SourceTable) -> dg.AssetsDefinition:
    @dg.multi_asset(**_declared(source))
    def clean(config: AcceptConfig, lake: LakeResource, raw: DataFrame) -> tuple[DataFrame, DataFrame]:
        judged = cleaning.judge(raw, source, current_rules())
        if not config.accept:
            deliveries.refuse_losses(lake.settings, source, raw, judged, current_rules().quality)
        return cleaning.cleaned_rows(judged, source), cleaning.quarantine_rows(judged, source)

    return clean


def _out(contract: Any) -> dg.AssetOut:
    return dg.AssetOut(dagster_type=DataFrame, **described(contract, cleaning))


ASSETS = [
    _event_asset(source) if source.is_event else _snapshot_asset(source) for source in SOURCE_TABLES.values()
]
