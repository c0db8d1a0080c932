"""The calendar: it decides which month a row belongs to."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from cip_assets.contracts.text_formats import BLANKS, ISO_DATE


@dataclass(frozen=True)
class Calendar:
    """The first and last month that events may be dated in, both included, each as its first day.

    ``last_delivery`` is the latest valid delivery date.
    """

    first_month: date
    last_month: date
    last_delivery: date = date.max

    def clip(self, month: date) -> date:
        return min(max(month, self.first_month), self.last_month)


def delivery_month(delivery: date | None, calendar: Calendar) -> date:
    """The month of rows without a valid event date: that of their delivery, or the first month of the calendar."""
    return calendar.clip(delivery.replace(day=1)) if delivery else calendar.first_month


def event_dates(text: pa.Array, calendar: Calendar) -> pa.Array:
    """The date that each text begins with; null if that is not an ISO 8601 date in a month of the calendar."""
    # Equal texts are read once, and so are equal days: reading a day takes longer than all else.
    texts = pc.dictionary_encode(text)
    values = pc.utf8_trim(texts.dictionary, characters=BLANKS)
    valid = pc.match_substring_regex(values, ISO_DATE)
    days = pc.dictionary_encode(pc.if_else(valid, pc.utf8_slice_codeunits(values, 0, 10), None))
    parsed = pc.strptime(days.dictionary, format="%Y-%m-%d", unit="s", error_is_null=True)
    real = pc.equal(pc.strftime(parsed, format="%Y-%m-%d"), days.dictionary)  # strptime accepts February 30
    found = pc.if_else(real, parsed, None).cast(pa.date32())
    months = pc.floor_temporal(found, unit="month").cast(pa.date32())
    inside = pc.and_(
        pc.greater_equal(months, pa.scalar(calendar.first_month)),
        pc.less_equal(months, pa.scalar(calendar.last_month)),
    )
    return pc.if_else(inside, found, None).take(days.indices).take(texts.indices)
