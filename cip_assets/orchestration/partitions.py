"""The partitions: months for events, and days for snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import dagster as dg

from cip_assets.contracts.contract import TableContract
from cip_assets.ingest.calendar import Calendar
from cip_assets.storage.written import month_after

EVERY_MONTH_SO_FAR = dg.TimeWindowPartitionMapping(
    start_offset=-36_525, allow_nonexistent_upstream_partitions=True
)
"""From a day to its own month and all earlier months. The offset is in days, a hundred years of them."""


@dataclass(frozen=True)
class Partitions:
    """The months and days, beginning with the first month of the rules.

    They end with the present, or with ``last_day`` if only what was known on that day is computed.
    """

    first_month: date
    last_day: date | None = None

    @cached_property
    def months(self) -> dg.MonthlyPartitionsDefinition:
        """The partitions of event tables: from the first month of the rules to the current month."""
        end = month_after(self.last_day).isoformat() if self.last_day else None
        return dg.MonthlyPartitionsDefinition(self.first_month.isoformat(), end_date=end, end_offset=1)

    @cached_property
    def days(self) -> dg.DailyPartitionsDefinition:
        """The partitions of features, marts and exports: one snapshot per day, including today."""
        end = (self.last_day + timedelta(days=1)).isoformat() if self.last_day else None
        return dg.DailyPartitionsDefinition(self.first_month.isoformat(), end_date=end, end_offset=1)

    @cached_property
    def _by_column(self) -> Mapping[str | None, dg.PartitionsDefinition | None]:
        return {"month": self.months, "as_of_date": self.days, None: None}

    def of(self, contract: TableContract) -> dg.PartitionsDefinition | None:
        """The partitions of a table, according to the column that partitions it on disk."""
        return self._by_column[contract.partition_column]

    def today(self) -> date:
        """The latest possible snapshot day at this moment."""
        day = self.days.get_last_partition_key()
        return date.fromisoformat(day) if day else self.first_month

    def calendar(self) -> Calendar:
        """The months that events may be dated in, and the latest delivery date, at this moment."""
        month = self.months.get_last_partition_key()
        last_month = date.fromisoformat(month) if month else self.first_month
        # The calendar is in UTC, and in some time zones it is already tomorrow.
        return Calendar(self.first_month, last_month, self.today() + timedelta(days=1))
