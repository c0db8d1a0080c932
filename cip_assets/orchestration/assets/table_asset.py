"""A table of snapshots as an asset: the only wrapper, for every feature and mart.

Its contract is checked in the same step, after the table is written, since a step of its own would cost more than the
check. In Dagster, the check can still be run by itself.
"""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.analytics.kept import Kept
from cip_assets.calc.carried import Before
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.table import Table
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.checks.contract import contract_result, contract_spec
from cip_assets.orchestration.due.carry import EVERYTHING_TAG, older_day
from cip_assets.orchestration.io_manager import AS_LANDED, CARRIED_FROM
from cip_assets.orchestration.limits import priority
from cip_assets.orchestration.partitions import EVERY_MONTH_SO_FAR, Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.storage import delta, kept

TABLE = "table"
"""The output of the step."""


def table_asset(
    table: Table, rules: Rules, partitions: Partitions, codes: Mapping[str, str], waiting: int
) -> dg.AssetsDefinition:
    """The asset of a table: it reads the inputs up to the snapshot day, and calls the table.

    Args:
        table: the table.
        rules: the business rules.
        partitions: the days.
        codes: the code version of each table of snapshots, by name, for those that are carried.
        waiting: how many tables wait for it, one after the other.

    """
    about = described(table.contract, table.module, rules=rules)

    key = about["key"]

    @dg.multi_asset(
        name="__".join(key.path),
        outs={TABLE: dg.AssetOut(dagster_type=DataFrame, is_required=False, **about)},
        **limits(table.layer, table.name),
        ins={name: _input_of(contract) for name, contract in table.reads.items()},
        check_specs=[contract_spec(table.contract, partitions)],
        can_subset=True,
        partitions_def=partitions.of(table.contract),
        backfill_policy=dg.BackfillPolicy.single_run(),
        op_tags=priority(waiting),
    )
    def compute(
        context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, **frames: DataFrame
    ) -> Iterator[dg.Output[DataFrame] | dg.AssetCheckResult]:
        if key in context.selected_asset_keys:
            yield computed(context, engine, lake, frames)
        if context.selected_asset_check_keys:
            yield contract_result(context, engine, lake, table.contract)

    def computed(
        context: dg.AssetExecutionContext,
        engine: EngineResource,
        lake: LakeResource,
        frames: Mapping[str, DataFrame],
    ) -> dg.Output[DataFrame]:
        day = date.fromisoformat(context.partition_key)
        is_everything = EVERYTHING_TAG in context.run.tags
        before = None
        if table.carried and not is_everything:
            before = _before(table, day, context.instance, engine, lake.settings, codes)
        path, code = lake.settings.kept / f"{table.name}.json", about["code_version"]
        results = None
        if table.keeps:
            results = Kept() if is_everything else kept.read(path, code)
        rows = table(**frames, as_of=day, rules=rules, before=before, kept=results)
        if results:
            kept.write(path, code, results)
        return dg.Output(
            rows, output_name=TABLE, metadata={CARRIED_FROM: str(before.day)} if before else None
        )

    asset: dg.AssetsDefinition = compute
    return asset


def _before(
    table: Table,
    day: date,
    instance: dg.DagsterInstance,
    engine: EngineResource,
    settings: Settings,
    codes: Mapping[str, str],
) -> Before | None:
    """The rows of the older day that a table is carried from."""
    older = older_day(settings, instance, codes, table, day)
    if older is None:
        return None
    uri = settings.table_uri(table.layer, table.name)
    rows = delta.read(engine.spark_session, uri, only=delta.Slice.of_day(older))
    return Before(older, rows.drop("as_of_date"))


def _input_of(contract: TableContract) -> dg.AssetIn:
    return dg.AssetIn(
        key=dg.AssetKey([contract.layer, contract.table]),
        partition_mapping=EVERY_MONTH_SO_FAR if contract.partition_column == "month" else None,
        metadata={AS_LANDED: True} if contract.layer in {"cleaned", "facts"} else None,
    )
