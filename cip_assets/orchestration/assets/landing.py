"""What lands, as assets: the exports of a shop, if there are any, and the manifest of the landing folder.

One step makes all exports, because orders, currencies and customers of several exports are worked out together.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from functools import reduce
from itertools import chain, count
from operator import or_
from typing import Any

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.ingest import manifest
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.discover import find_files, lines_about
from cip_assets.ingest.in_step import KEEPS_ROWS
from cip_assets.ingest.manifest import scan_landing, with_arrivals
from cip_assets.layers import contract_of
from cip_assets.orchestration.assets.declare import described, labels, limits
from cip_assets.orchestration.assets.topics import topic_keys
from cip_assets.orchestration.due.carry import EVERYTHING_TAG
from cip_assets.orchestration.io_manager import LAST_MONTH
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.sources.config import (
    FIELDS,
    FILE,
    KINDS,
    OTHER_KINDS,
    Export,
    FieldName,
    Layout,
    Sources,
    goes_to,
    is_left_out,
    load_sources,
)
from cip_assets.sources.convert import ExportTotal, convert
from cip_assets.sources.databases.fetch import fetch
from cip_assets.sources.kept import code
from cip_assets.storage import delta, place

MANIFEST = dg.AssetKey(["landing", "manifest"])

PERSONAL: AbstractSet[FieldName] = {"customer_id", "email", "first_name", "last_name"}
"""The fields that identify a person."""


class ManifestConfig(dg.Config):
    """What a scan skips."""

    leave_out: list[str] = Field(default=[], description="paths of files that are still being written")


def export_keys(sources: Sources | None) -> list[dg.AssetKey]:
    """The asset of each export: its preset, its database or its records, and a number if another one has the name."""
    fetched = {database.files: database.name for database in sources.databases} if sources else {}
    taken: list[str] = []
    for export in sources.exports if sources else ():
        named = (fetched[pattern] for pattern in export.files if pattern in fetched)
        records = (layout.name for layout in export.layouts if layout.fields)
        own = export.preset or next(chain(named, records, ["records"]))
        plain = unicodedata.normalize("NFKD", own).encode("ascii", "ignore").decode()
        name = "export_" + "".join(letter if letter.isalnum() else "_" for letter in plain)
        names = chain([name], (f"{name}_{number}" for number in count(2)))
        taken.append(next(each for each in names if each not in taken))
    return [dg.AssetKey(["landing", name]) for name in taken]


def export_assets(sources: Sources) -> dg.AssetsDefinition:
    """An asset for each export, whose materialization turns it into landing files."""
    keys = export_keys(sources)

    @dg.multi_asset(
        name="landing__exports",
        specs=[_spec(key, export) for key, export in zip(keys, sources.exports, strict=True)],
        **limits("landing", "exports"),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def stage_and_convert(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        # Another process may have changed the file since the assets were defined.
        now = load_sources(lake.settings.data_dir)
        made = _converted(now, lake.settings) if now else {}
        if new := [key.path[-1] for key in made if key not in keys]:
            context.log.warning(
                f"{FILE} has new exports, {', '.join(new)}: reload the definitions to see them"
            )
        gone = {"removed": f"{FILE} has this export no longer: reload the definitions"}
        for key in keys:
            yield dg.MaterializeResult(asset_key=key, metadata=made.get(key, gone))

    asset: dg.AssetsDefinition = stage_and_convert
    return asset


def _converted(sources: Sources, settings: Settings) -> Mapping[dg.AssetKey, Mapping[str, Any]]:
    """Fetch from the databases and turn all exports into landing files; returns what their assets show."""
    new = fetch(sources.databases, settings.data_dir)
    for each in new:
        if each.path:
            place.publish(settings, each.path)
    rows = {each.name: each.rows for each in new}
    fetched = {each.files: {f"fetched_{each.name}": rows[each.name]} for each in sources.databases}
    totals = convert(sources, settings.data_dir, settings.landing).exports
    return {
        key: reduce(or_, (fetched.get(pattern, {}) for pattern in export.files), _of_export(export, total))
        for key, export, total in zip(export_keys(sources), sources.exports, totals, strict=True)
    }


def _spec(key: dg.AssetKey, export: Export) -> dg.AssetSpec:
    """What Dagster knows of an export before it is read."""
    taken = [layout for layout in export.layouts if layout.fields]
    of_people = any(PERSONAL & set(layout.fields) for layout in taken)
    which = f"of the known system {export.preset}" if export.preset else "that no preset knows"
    return dg.AssetSpec(
        key,
        description=f"The lines of an export {which}: {', '.join(export.files)}. Each line of each file is staged as "
        f"texts and has one kind. Sales, returns, customers and tickets become landing files.\n\n"
        "**Grain:** one row per line of a file. **Key:** file, line.",
        kinds={"duckdb"},
        code_version=code()[:12],
        metadata={"dagster/column_schema": dg.TableSchema(columns=list(_columns(taken)))},
        **labels("landing", "platform", pii=of_people),
    )


def _columns(layouts: Sequence[Layout]) -> Iterator[dg.TableColumn]:
    """The columns of the records, each with the fields that it is taken for."""
    fields: dict[str, list[FieldName]] = {}
    for layout in layouts:
        for name in () if layout.records else layout.header:
            fields.setdefault(name, [])
        for field, columns in layout.fields.items():
            for name in columns:
                found = fields.setdefault(name, [])
                found += [] if field in found else [field]
    for name, taken in fields.items():
        about = "; ".join(f"{field}: {FIELDS[field]}" for field in taken) or "not taken"
        yield dg.TableColumn(name, "string", about, tags={"pii": ""} if PERSONAL & set(taken) else {})


def _of_export(export: Export, found: ExportTotal) -> dict[str, Any]:
    """What the asset of an export shows: its files, lines by kind, what is left out, the orders and the columns."""
    meanings = {str(kind): what for known in (KINDS, OTHER_KINDS) for kind, what in known.items()}
    kinds: list[Mapping[str, str | int]] = [
        {
            "kind": kind.kind,
            "lines": kind.records,
            "amount": str(kind.amount),
            "go_to": goes_to(kind.kind),
            "why": meanings[kind.kind],
        }
        for kind in found.kinds
    ]
    taken = [
        {"records": layout.name, "field": field, "columns": ", ".join(columns)}
        for layout in export.layouts
        for field, columns in layout.fields.items()
    ]
    return {
        "dagster/row_count": sum(kind.records for kind in found.kinds),
        "files": _table([{"file": name, "lines": lines} for name, lines in found.files]),
        "lines_by_kind": _table(kinds),
        "left_out": sum(kind.records for kind in found.kinds if is_left_out(kind.kind)),
        "orders_with_totals": found.checked,
        "orders_that_reconcile": found.reconciled,
        "columns_taken": _table(taken),
        "not_read": list(found.skipped),
    }


def _table(rows: Sequence[Mapping[str, str | int]]) -> dg.MetadataValue[Any]:
    """Rows as Dagster shows them; a text if there are none, because Dagster would not know the columns."""
    return (
        dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
        if rows
        else dg.MetadataValue.text("none")
    )


def manifest_asset(rules: Rules, partitions: Partitions, sources: Sources | None) -> dg.AssetsDefinition:
    """The asset of the manifest."""
    about = described(contract_of("landing", "manifest"), manifest, rules=rules)

    @dg.asset(
        **about,
        **limits("landing", "manifest"),
        deps=[*export_keys(sources), *topic_keys(sources)],
        # Dagster's command line takes a range of months only if every asset that it selects can be one run.
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def scan(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, config: ManifestConfig
    ) -> DataFrame:
        folder = lake.settings.landing
        _, left_aside = find_files(folder)
        for line in lines_about(left for left in left_aside if not left.is_on_purpose):
            context.log.warning(f"{folder}: {line}")
        calendar = partitions.calendar()
        context.add_output_metadata(
            {
                LAST_MONTH: str(calendar.last_month),
                "landing_folder": dg.MetadataValue.path(lake.settings.address_of(folder)),
                "not_read": list(lines_about(left_aside)),
            }
        )
        is_all = EVERYTHING_TAG in context.run.tags
        known = {} if is_all else _known_rows(lake.settings, about["code_version"], calendar)
        scanned = scan_landing(engine.spark_session, folder, calendar, config.leave_out, known)
        arrived = with_arrivals(scanned, lake.settings.first_seen, datetime.now(UTC))
        if lake.settings.first_seen.exists():
            place.publish(lake.settings, lake.settings.first_seen, is_only_here=True)
        return arrived

    asset: dg.AssetsDefinition = scan
    return asset


def _known_rows(settings: Settings, code: str, calendar: Calendar) -> Mapping[str, Mapping[str, Any]]:
    """The manifest's rows by path, if the same code made them with the same calendar."""
    uri = settings.table_uri("landing", "manifest")
    made = next((c for c in delta.commits(uri) if c.operation not in KEEPS_ROWS), None)
    told = made.audit if made and made.operation != "RESTORE" else {}
    if (told.get("code_version"), told.get(LAST_MONTH)) != (code, str(calendar.last_month)):
        return {}
    return {row["path"]: row for row in delta.dataset(uri).to_table().to_pylist()}
