"""The CSV files and the page in ``final``: those of the day that was exported last."""

from pathlib import Path

import dagster as dg

from cip_assets.assets.declare import code_version, column, columns, labels, limits, snapshot_day
from cip_assets.automation.limits import FIRST
from cip_assets.automation.partitions import DAYS, EVERY_MONTH_SO_FAR
from cip_assets.contracts import EVENT_TABLES, TableContract, contract_of
from cip_assets.contracts import exports as declared
from cip_assets.contracts.exports import EXPORTS, Export
from cip_assets.dashboard import charts, figures, page
from cip_assets.io.exports import export_csv
from cip_assets.io.manager import COLUMN_LINEAGE
from cip_assets.resources import LakeResource


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
        code_version=code_version(declared),
        metadata=metadata,
    )
    def write(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        settings = lake.settings
        done = export_csv(
            export, settings.table_uri("marts", export.mart), snapshot_day(context), settings.final
        )
        return dg.MaterializeResult(
            metadata={
                COLUMN_LINEAGE: metadata[COLUMN_LINEAGE],
                "dagster/row_count": done.row_count,
                "path": dg.MetadataValue.path(done.path),
                "sha256": done.sha256,
                "size_bytes": done.size_bytes,
            }
        )

    asset: dg.AssetsDefinition = write
    return asset


def _column(mart: TableContract, expression: str) -> dg.TableColumn:
    """A column of a file: the mart's own, or the text that an expression makes of it."""
    text, _, name = expression.rpartition(" AS ")
    if text:
        return dg.TableColumn(name, "string", text)
    return column(mart, name, [f"{mart.name}.{name}"])


@dg.asset(
    key=["exports", "dashboard"],
    **limits("exports", "dashboard"),
    deps=[
        *(dg.AssetKey(["marts", table]) for table in figures.MARTS),
        *(
            dg.AssetDep(dg.AssetKey(["cleaned", table]), partition_mapping=EVERY_MONTH_SO_FAR)
            for table in figures.CLEANED
            if table in EVENT_TABLES
        ),
        dg.AssetKey(["cleaned", "products"]),
    ],
    partitions_def=DAYS,
    **labels("exports", "customers", pii=False),
    kinds={"html"},
    description="The four questions and all that people look at: `final/dashboard.html`, one file that works offline.",
    code_version=code_version(charts, page, figures),
)
def dashboard(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
    """Read the figures and write the page, replaced in one step."""
    day = snapshot_day(context)
    text = page.page(figures.figures(lake.settings, day), day)
    target = lake.settings.final / "dashboard.html"
    return dg.MaterializeResult(
        metadata={"path": dg.MetadataValue.path(_replaced(target, text)), "size_bytes": len(text.encode())}
    )


def _replaced(target: Path, text: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    scratch.write_text(text, encoding="utf-8")
    return scratch.replace(target)


ASSETS = [*(_export_asset(export) for export in EXPORTS), dashboard]
