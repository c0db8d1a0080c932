"""Checks the days and months of a requested run or backfill.

The Dagster UI and command line pass on everything that their buttons and options allow: no day at all, a day instead of
a month, or every day since the first month. Each of these is refused here, in one line that says what to start instead.
The tables are not imported, so that the web server and the daemon can use this module, too.
"""

from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from cip_assets.config.errors import PlatformError
from cip_assets.orchestration.run_tags import partitions_covered

BY_DAY = ("features", "marts", "exports")
"""The layers whose assets are computed for a snapshot day."""

Partitioned = Mapping[dg.AssetKey, Any]
"""Assets, each with its partitions definition: months, days or None."""


def refuse_partitions(asked: Partitioned, tags: Mapping[str, str], most_days: int = 1) -> None:
    """Refuse a run whose tags do not name days of its snapshots, or months of its tables.

    Args:
        asked: what the run makes.
        tags: of the run.
        most_days: how many days it can have. Only our executor computes several.

    Raises:
        PlatformError: no partition is named, too many are named, or a named one does not exist.

    """
    days = {key: found for key, found in asked.items() if found is not None and key.path[0] in BY_DAY}
    months = {key: found for key, found in asked.items() if found is not None and key not in days}
    if days and months:
        raise PlatformError(
            f"a run covers either months (of {_named(months)}) or a day (of {_named(days)}), not both: start the job "
            "refresh, or use 'cip run --select'; both start separate runs"
        )
    first, last = partitions_covered(tags)
    if days:
        _refuse_days(_named(days), next(iter(days.values())), first, last, most_days)
    if months:
        _refuse_months(_named(months), next(iter(months.values())), first, last)


def _refuse_days(name: str, days: Any, first: str | None, last: str | None, most: int) -> None:
    if first is None or last is None:
        raise PlatformError(
            f"{name}: no day is chosen; choose one, or start the job refresh, which computes the newest snapshot"
        )
    for day in (first, last):
        if not _has(days, day):
            raise PlatformError(
                f"{name}: there is no snapshot of {day!r}: choose a day from {days.get_first_partition_key()} "
                f"(calendar.first_month of the rules) to {days.get_last_partition_key()}"
            )
    if first > last:
        raise PlatformError(f"{name}: the first day {first} is after the last day {last}; exchange them")
    if first == last:
        return
    if most == 1:
        raise PlatformError(
            f"{name}: a run on the command line computes one day, not {first} to {last}; materialize these days in "
            "the Dagster UI, which computes them in one run"
        )
    refuse_too_many(len(days.get_partition_keys_in_range(dg.PartitionKeyRange(first, last))), most)


def _refuse_months(name: str, months: Any, first: str | None, last: str | None) -> None:
    if first is None or last is None:
        raise PlatformError(
            f"{name}: no month is chosen; choose one or more, or start the job refresh, which ingests everything "
            "that is out of date"
        )
    for month in (first, last):
        if not _has(months, month):
            raise PlatformError(
                f"{name}: {month!r} is not a month: write the first day of a month, from "
                f"{months.get_first_partition_key()} (calendar.first_month of the rules) to "
                f"{months.get_last_partition_key()}"
            )
    if first > last:
        raise PlatformError(f"{name}: the first month {first} is after the last month {last}; exchange them")


def _has(definition: Any, key: str) -> bool:
    try:
        return bool(definition.has_partition_key(key))
    except ValueError:  # a text that is not a date
        return False


def _named(keys: Collection[dg.AssetKey]) -> str:
    first, *more = sorted(key.to_user_string() for key in keys)
    return f"{first} and {len(more)} more" if more else first


def refuse_too_many(days: int, most: int) -> None:
    """Refuse a run or a backfill of more days than the limit.

    Raises:
        PlatformError: it has too many days.

    """
    if days > most:
        raise PlatformError(
            f"this would compute {days:,} days: start the job refresh, which computes the newest snapshot, or choose "
            f"at most {most} days (operations.max_days_at_once of the rules)"
        )


def days_of(backfill: Any) -> int:
    """The number of days of features, marts and exports that a backfill covers."""
    if backfill.asset_backfill_data is None:
        by_month = backfill.partition_set_name == "ingest_partition_set"
        return 0 if by_month else len(backfill.partition_names or [])
    by_asset = backfill.asset_backfill_data.target_subset.partitions_subsets_by_asset_key
    return max((len(found) for key, found in by_asset.items() if key.path[0] in BY_DAY), default=0)
