"""A day needs its own month and all earlier ones, however long ago the calendar begins."""

from datetime import date

from cip_assets.orchestration.partitions import EVERY_MONTH_SO_FAR, Partitions


def test_a_day_is_mapped_to_all_months_so_far_of_a_long_calendar() -> None:
    partitions = Partitions(date(1990, 1, 1), date(2026, 6, 30))
    day = partitions.days.subset_with_partition_keys(["2025-12-31"])
    mapped = EVERY_MONTH_SO_FAR.get_upstream_mapped_partitions_result_for_partitions(
        day, partitions.days, partitions.months
    )
    months = list(mapped.partitions_subset.get_partition_keys())
    assert (months[0], months[-1], len(months)) == ("1990-01-01", "2025-12-01", 36 * 12)
