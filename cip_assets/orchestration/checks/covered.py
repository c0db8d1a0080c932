"""What a check reads: the partitions that its run covers, or the whole table if it is run by itself.

Dagster keeps one result of a check for a run, and for a range of partitions it keeps it for none of them: its UI then
shows the check as skipped. So the checks of monthly tables have no partitions in Dagster.
"""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import TableContract
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.orchestration.run_tags import partitions_covered
from cip_assets.storage import delta
from cip_assets.storage.written import month_after, require_written

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def covered_slice(context: Context, contract: TableContract) -> delta.Slice | None:
    """The part of a table that the run covers; None for all of it."""
    if contract.partition_column == "as_of_date":
        return delta.Slice.of_day(date.fromisoformat(context.partition_key))
    first, last = partitions_covered(context.run.tags)
    if contract.partition_column is None or first is None or last is None:
        return None
    end = month_after(date.fromisoformat(last))
    return delta.Slice(contract.partition_column, date.fromisoformat(first), end)


def covered_rows(
    context: Context,
    engine: EngineResource,
    lake: LakeResource,
    contract: TableContract,
) -> DataFrame:
    """The rows of a table that the run covers.

    Raises:
        PlatformError: the table, or a part of it that the run covers, was never written.

    """
    uri, only = lake.settings.table_uri(contract.layer, contract.table), covered_slice(context, contract)
    require_written(uri, only)
    return delta.read(engine.spark_session, uri, only=only)
