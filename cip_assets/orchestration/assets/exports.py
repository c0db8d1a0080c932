"""The CSV files and the page in ``final``: those of the day that was exported last."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from cip_assets.config.rules import current_rules
from cip_assets.config.settings import Settings
from cip_assets.contracts import SOURCE_TABLES, TableContract, contract_of
from cip_assets.contracts import exports as declared
from cip_assets.contracts.exports import EXPORTS, Export
from cip_assets.orchestration.assets.declare import (
    code_version,
    column,
    columns,
    labels,
    limits,
    snapshot_day,
)
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.io_manager import COLUMN_LINEAGE
from cip_assets.orchestration.limits import FIRST
from cip_assets.orchestration.partitions import DAYS, EVERY_MONTH_SO_FAR
from cip_assets.orchestration.resources import LakeResource
from cip_assets.reporting.dashboard import figures, page
from cip_assets.storage import csv_export as writer
from cip_assets.storage import delta


def _export_asset(export: Export) -> dg.AssetsDefinition:
    mart = contract_of("marts", export.mart)
    shown = [_column(mart, expression) for expression in export.columns]
    metadata = columns(shown, {c.name: [f"{mart.name}.{c.name}"] for c in shown})

    @dg.asset(
        key=["exports", export.name],
        **limits("exports", export.name),
        deps=[dg.AssetKey(["marts", export.mart])],
        partitions_def=DAYS,
        **labels("exports", mart.domain, pii=any("pii" in c.tags for c in shown)),
        kinds={"csv"},
        op_tags=FIRST if export.name == export.mart == "customer_360" else None,
        description=f"{export.description}: `final/{export.name}.csv`, sorted by {', '.join(export.order_by)}.",
        code_version=code_version(declared, writer, text=how_shown()),
        metadata=metadata,
    )
    def write(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        settings = lake.settings
        gate.require_snapshot(settings, context.instance, mart.name, snapshot_day(context))
        computed_from = _versions(context, settings)
        mart_uri = settings.table_uri("marts", export.mart)
        done = writer.export_csv(export, mart_uri, snapshot_day(context), settings.final)
        return dg.MaterializeResult(
            metadata={
                COLUMN_LINEAGE: metadata[COLUMN_LINEAGE],
                "dagster/row_count": done.row_count,
                **_about(done, computed_from),
            }
        )

    asset: dg.AssetsDefinition = write
    return asset


def how_shown() -> str:
    """The rules that change the files and no table."""
    return current_rules().model_dump_json(include={"exports", "personal_data"})


def _column(mart: TableContract, expression: str) -> dg.TableColumn:
    """A column of a file: the mart's own, or the text that an expression makes of it."""
    text, _, name = expression.rpartition(" AS ")
    if text:
        return dg.TableColumn(name, "string", text)
    return column(mart, name, [f"{mart.name}.{name}"])


def _versions(context: dg.AssetExecutionContext, settings: Settings) -> Mapping[str, int]:
    """The versions of the tables that an asset is made of."""
    keys = context.assets_def.keys_by_input_name.values()
    return {
        key.to_user_string(): delta.open_table(settings.table_uri(*key.path)).version()
        for key in sorted(keys)
    }


def _about(done: writer.Exported, computed_from: Mapping[str, int]) -> dict[str, Any]:
    return {
        "path": dg.MetadataValue.path(done.path),
        "sha256": done.sha256,
        "size_bytes": done.size_bytes,
        "computed_from": computed_from,
    }


@dg.asset(
    key=["exports", "dashboard"],
    **limits("exports", "dashboard"),
    deps=[
        *(dg.AssetKey(["features", table]) for table in figures.FEATURES),
        *(dg.AssetKey(["marts", table]) for table in figures.MARTS),
        *(
            dg.AssetDep(
                dg.AssetKey([layer, table]),
                partition_mapping=EVERY_MONTH_SO_FAR if source.is_event else None,
            )
            for table, source in SOURCE_TABLES.items()
            for layer in ("cleaned", "quarantine")
        ),
    ],
    partitions_def=DAYS,
    **labels("exports", "customers", pii=False),
    kinds={"html"},
    description="The four questions and all that people look at: `final/dashboard.html`, one file that works offline.",
    code_version=code_version(page, figures, text=page.source()),
)
def dashboard(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
    """Read the figures and write the page, replaced in one step.

    Raises:
        PlatformError: a table of the day was never computed, or a source table is not what landed.

    """
    day, settings = snapshot_day(context), lake.settings
    for layer, tables in (("features", figures.FEATURES), ("marts", figures.MARTS)):
        for table in tables:
            gate.require_snapshot(settings, context.instance, f"{layer}/{table}", day)
    for table in SOURCE_TABLES:
        gate.require_in_step(settings, context.instance, context.run.tags, table, day)
    computed_from = _versions(context, settings)
    text = page.page(figures.figures(settings, day), day)
    done = writer.replace_text(settings.final / "dashboard.html", text)
    return dg.MaterializeResult(metadata=_about(done, computed_from))


ASSETS = [*(_export_asset(export) for export in EXPORTS), dashboard]
