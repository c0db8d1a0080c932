"""The calendar of the platform: months for events, days for snapshots."""

from datetime import date, timedelta

import dagster as dg

from cip_assets.config.rules import current_rules
from cip_assets.contracts import TableContract
from cip_assets.ingest.landing import Calendar

FIRST_MONTH = current_rules().calendar.first_month

MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH.isoformat(), end_offset=1)
"""Event tables: from the first month of the rules to the running one."""

DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_MONTH.isoformat(), end_offset=1)
"""Features, marts and exports: one as-of snapshot per day, today included."""

EVERY_MONTH_SO_FAR = dg.TimeWindowPartitionMapping(
    start_offset=-1200, allow_nonexistent_upstream_partitions=True
)
"""From a day to its own month and all before it (a hundred years reach beyond any calendar)."""

PARTITIONS_OF: dict[str | None, dg.PartitionsDefinition | None] = {
    "month": MONTHS,
    "as_of_date": DAYS,
    None: None,
}


def partitions_of(contract: TableContract) -> dg.PartitionsDefinition | None:
    """How Dagster partitions a table, by the column that partitions it on disk."""
    return PARTITIONS_OF[contract.partition_column]


def calendar() -> Calendar:
    """The months that events may be dated in, and the latest day of delivery, at this moment."""
    month, day = MONTHS.get_last_partition_key(), DAYS.get_last_partition_key()
    last_month = date.fromisoformat(month) if month else FIRST_MONTH
    today = date.fromisoformat(day) if day else FIRST_MONTH
    # The calendar is in UTC, and somewhere it is tomorrow already.
    return Calendar(FIRST_MONTH, last_month, today + timedelta(days=1))
