"""Snapshots that are carried: computed from those of an older day and the events since."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until


@dataclass(frozen=True)
class Before:
    """A table's own rows of an older snapshot day, as they would be computed for that day now."""

    day: date
    rows: DataFrame

    def since(self, events: DataFrame, event_date: str, as_of: date) -> DataFrame:
        """The events dated after the older day, by D."""
        return until(events, event_date, as_of).where(F.col(event_date).cast("date") > F.lit(self.day))


def by_key(
    before: Before | None,
    key: str,
    as_of: date,
    compute: Callable[..., DataFrame],
    **events: tuple[DataFrame, str],
) -> DataFrame:
    """What ``compute`` makes of all events, computed again only for keys with events since the older day.

    The rows of a key must depend on the events with that key alone, and not on D. The other keys keep their rows, so
    all columns of the result must be in the table.

    Args:
        before: the table's rows of an older day; None to compute everything.
        key: the column, such as the customer.
        as_of: the snapshot day, D.
        compute: takes the events by name.
        events: frames with the column that dates their rows.

    """
    if before is None:
        return compute(**{name: frame for name, (frame, _) in events.items()})
    changed = F.broadcast(
        reduce(
            DataFrame.union,
            (before.since(frame, dated, as_of).select(key) for frame, dated in events.values()),
        ).distinct()
    )
    again = compute(**{name: frame.join(changed, key, "left_semi") for name, (frame, _) in events.items()})
    kept = before.rows.join(changed, key, "left_anti")
    return kept.select(*again.columns).union(again)


def from_month(events: DataFrame, start: date | None) -> DataFrame:
    """The events of a month and of those after it; all if there is none. Earlier months are not read."""
    return events if start is None else events.where(F.col("month") >= F.lit(start))


def with_months_before(computed: DataFrame, before: Before | None, start: date | None) -> DataFrame:
    """The computed months from one on, with the older day's rows of the months before it."""
    if before is None or start is None:
        return computed
    return before.rows.where(F.col("month") < F.lit(start)).select(*computed.columns).union(computed)
