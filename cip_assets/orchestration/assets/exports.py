"""The CSV files and the dashboard in ``final``: those of the day that was exported last."""

from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.ingest import in_step
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.assets.code_version import code_version
from cip_assets.orchestration.assets.declare import column, columns, labels, limits
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.io_manager import column_lineage
from cip_assets.orchestration.limits import priority
from cip_assets.orchestration.partitions import EVERY_MONTH_SO_FAR, Partitions
from cip_assets.orchestration.resources import LakeResource
from cip_assets.reporting.dashboard import figures, page
from cip_assets.storage import csv_export, delta, inputs, issued, place
from cip_assets.storage.files import Written, replace_text

FORECASTS_IN = "customer_360"
"""The file that publishes the forecasts of a day."""


def export_asset(file: CsvFile, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of a CSV file."""
    mart = file.mart
    shown = [_column(file, name) for name in file.columns]
    metadata = columns(shown, {c.name: [f"{mart.name}.{c.name}"] for c in shown})

    @dg.asset(
        key=["exports", file.name],
        **limits("exports", file.name),
        deps=[dg.AssetKey([mart.layer, mart.table])],
        partitions_def=partitions.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        **labels("exports", mart.domain, pii=any("pii" in c.tags for c in shown)),
        kinds={"csv"},
        op_tags=priority(int(file.name == mart.table == "customer_360")),
        description=f"{file.description}: `final/{file.name}.csv`, sorted by {', '.join(file.order_by)}.",
        code_version=code_of_file(file, rules),
        metadata=metadata,
    )
    def write(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        settings, day = lake.settings, date.fromisoformat(context.partition_key)
        _look_at(context, settings, mart.name, day)
        computed_from = _versions(context, settings)
        mart_uri = settings.table_uri(mart.layer, mart.table)
        done = csv_export.export_csv(file, mart_uri, day, settings.final, rules)
        place.publish(settings, done.path)
        return dg.MaterializeResult(
            metadata={
                **column_lineage(metadata),
                "dagster/row_count": done.row_count,
                **_about(done, computed_from, settings),
                **(_issued(settings, day, rules) if file.name == FORECASTS_IN else {}),
            }
        )

    asset: dg.AssetsDefinition = write
    return asset


def code_of_file(file: CsvFile, rules: Rules) -> str:
    """The code version of a CSV file, which also says how the file is shown."""
    described = repr((file.columns, file.months, file.spread, file.order_by))
    return code_version(csv_export, rules=rules, text=described + how_shown(rules))


def _issued(settings: Settings, day: date, rules: Rules) -> dict[str, Any]:
    """Keep the forecasts that are published with the snapshot of a day, unless it is of what was known on another."""
    if settings.known_at:
        return {}
    written = in_step.last_write(settings, issued.MODEL_TABLE, day)
    path = issued.issue(
        settings,
        day,
        datetime.now(UTC),
        code=str(written and written.code_version),
        window_days=rules.churn.window_days,
        discount_rate=rules.clv.annual_discount_rate,
    )
    if path is None:
        return {}
    place.publish(settings, path)
    return {"forecasts_issued": dg.MetadataValue.path(settings.address_of(path))}


def _look_at(context: dg.AssetExecutionContext, settings: Settings, name: str, day: date) -> None:
    """Refuse to read a snapshot that is missing, out of date or wrong."""
    only = delta.Slice.of_day(day)
    gate.once(
        context.run.run_id, name, only, lambda: gate.require_snapshot(settings, context.instance, name, day)
    )


def how_shown(rules: Rules) -> str:
    """The rules that change the files and no table."""
    return rules.model_dump_json(include={"exports", "personal_data"})


def _column(file: CsvFile, name: str) -> dg.TableColumn:
    """A column of a file: the mart's own, but for a month, which is written as text."""
    if name in file.months:
        return dg.TableColumn(name, "string", f"{file.mart.columns[name].description}, as YYYY-MM")
    return column(file.mart, name, [f"{file.mart.name}.{name}"])


def _versions(context: dg.AssetExecutionContext, settings: Settings) -> inputs.Inputs:
    """The versions of the tables that an asset is computed from."""
    keys = context.assets_def.keys_by_input_name.values()
    return {key.to_user_string(): inputs.newest(settings.table_uri(*key.path)) for key in sorted(keys)}


def _about(done: Written, computed_from: inputs.Inputs, settings: Settings) -> dict[str, Any]:
    return {
        "path": dg.MetadataValue.path(settings.address_of(done.path)),
        "sha256": done.sha256,
        "size_bytes": done.size_bytes,
        **inputs.entries(computed_from),
    }


def dashboard_asset(rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of the dashboard."""

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
        partitions_def=partitions.days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        **labels("exports", "customers", pii=False),
        kinds={"html"},
        description="The dashboard with the answers to the four questions: `final/dashboard.html`, one file that "
        "works offline.",
        code_version=code_version(page, figures, rules=rules, text=page.source()),
    )
    def dashboard(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        day, settings = date.fromisoformat(context.partition_key), lake.settings
        for layer, tables in (("features", figures.FEATURES), ("marts", figures.MARTS)):
            for table in tables:
                _look_at(context, settings, f"{layer}/{table}", day)
        for name in (f"cleaned/{table}" for table in SOURCE_TABLES):
            gate.once(
                context.run.run_id,
                name,
                gate.as_landed(day),
                partial(gate.require_in_step, settings, context.instance, context.run.tags, name, day),
            )
        computed_from = _versions(context, settings)
        text = page.page(figures.figures(settings, day), day, rules, settings.known_at)
        done = replace_text(settings.final / "dashboard.html", text)
        place.publish(settings, done.path)
        return dg.MaterializeResult(metadata=_about(done, computed_from, settings))

    asset: dg.AssetsDefinition = dashboard
    return asset
