"""A table of snapshots as an asset: the only wrapper, for every feature and mart."""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.table import Table
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.io_manager import AS_LANDED
from cip_assets.orchestration.limits import FIRST
from cip_assets.orchestration.partitions import EVERY_MONTH_SO_FAR, Partitions


def table_asset(table: Table, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of a table: it reads the inputs up to the snapshot day, and calls the table."""
    is_awaited = table.layer == "features" or table.name == "customer_360"

    @dg.asset(
        **described(table.contract, table.module, rules=rules),
        **limits(table.layer, table.name),
        ins={name: _input_of(contract) for name, contract in table.reads.items()},
        partitions_def=partitions.of(table.contract),
        op_tags=FIRST if is_awaited else None,
    )
    def compute(context: dg.AssetExecutionContext, **frames: DataFrame) -> DataFrame:
        return table(**frames, as_of=date.fromisoformat(context.partition_key), rules=rules)

    asset: dg.AssetsDefinition = compute
    return asset


def _input_of(contract: TableContract) -> dg.AssetIn:
    return dg.AssetIn(
        key=dg.AssetKey([contract.layer, contract.table]),
        partition_mapping=EVERY_MONTH_SO_FAR if contract.partition_column == "month" else None,
        metadata={AS_LANDED: True} if contract.layer in {"cleaned", "facts"} else None,
    )
