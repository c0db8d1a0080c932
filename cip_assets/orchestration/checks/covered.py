"""What a check looks at: the partitions that its run covers.

Dagster keeps one result of a check for a run, and for a range of partitions it keeps it for none of them: the
page then shows the check as skipped. So the checks of monthly tables have no partitions in Dagster; they read
the months of their run here, or the whole table where they are run by themselves.
"""

from datetime import date

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.contracts import TableContract
from cip_assets.engines import EngineResource
from cip_assets.orchestration.due.gate import require_written
from cip_assets.orchestration.partitions import DAYS, MONTHS
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.run_tags import partitions_covered
from cip_assets.storage import delta


def partitions_of_check(contract: TableContract) -> dg.PartitionsDefinition | None:
    """The partitions of a check of a table: days, which are run one by one, or none."""
    return DAYS if contract.partition_column == "as_of_date" else None


def covered_slice(context: dg.AssetCheckExecutionContext, contract: TableContract) -> delta.Slice | None:
    """The part of a table that the run covers; None for all of it."""
    if contract.partition_column == "as_of_date":
        return delta.Slice.of_day(date.fromisoformat(context.partition_key))
    first, last = partitions_covered(context.run.tags)
    if contract.partition_column is None or first is None or last is None:
        return None
    end = MONTHS.time_window_for_partition_key(last).end.date()
    return delta.Slice(contract.partition_column, date.fromisoformat(first), end)


def covered_rows(
    context: dg.AssetCheckExecutionContext,
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
