"""The calendar of the platform: months for events, days for snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import dagster as dg

from cip_assets.contracts.contract import TableContract
from cip_assets.ingest.landing import Calendar

EVERY_MONTH_SO_FAR = dg.TimeWindowPartitionMapping(
    start_offset=-1200, allow_nonexistent_upstream_partitions=True
)
"""From a day to its own month and all before it (a hundred years reach beyond any calendar)."""


@dataclass(frozen=True)
class Partitions:
    """The months and days from the first month of the rules on."""

    first_month: date

    @cached_property
    def months(self) -> dg.MonthlyPartitionsDefinition:
        """Of event tables: from the first month of the rules to the running one."""
        return dg.MonthlyPartitionsDefinition(start_date=self.first_month.isoformat(), end_offset=1)

    @cached_property
    def days(self) -> dg.DailyPartitionsDefinition:
        """Of features, marts and exports: one as-of snapshot per day, today included."""
        return dg.DailyPartitionsDefinition(start_date=self.first_month.isoformat(), end_offset=1)

    @cached_property
    def _by_column(self) -> Mapping[str | None, dg.PartitionsDefinition | None]:
        return {"month": self.months, "as_of_date": self.days, None: None}

    def of(self, contract: TableContract) -> dg.PartitionsDefinition | None:
        """How Dagster partitions a table, by the column that partitions it on disk."""
        return self._by_column[contract.partition_column]

    def today(self) -> date:
        """The last day that a snapshot may be of, at this moment."""
        day = self.days.get_last_partition_key()
        return date.fromisoformat(day) if day else self.first_month

    def calendar(self) -> Calendar:
        """The months that events may be dated in, and the latest day of delivery, at this moment."""
        month = self.months.get_last_partition_key()
        last_month = date.fromisoformat(month) if month else self.first_month
        # The calendar is in UTC, and somewhere it is tomorrow already.
        return Calendar(self.first_month, last_month, self.today() + timedelta(days=1))
