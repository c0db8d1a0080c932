"""Which month a row belongs to."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from cip_assets.contracts.text_formats import BLANKS, ISO_DATE


@dataclass(frozen=True)
class Calendar:
    """The months that event rows may be dated in, both ends included, each as its first day.

    ``last_delivery`` is the latest day that a folder may name as that of its delivery.
    """

    first_month: date
    last_month: date
    last_delivery: date = date.max

    def clip(self, month: date) -> date:
        return min(max(month, self.first_month), self.last_month)


def delivery_month(delivery: date | None, calendar: Calendar) -> date:
    """The month of the rows without a valid event date: that of their delivery, or the calendar's first."""
    return calendar.clip(delivery.replace(day=1)) if delivery else calendar.first_month


def event_dates(text: pa.Array, calendar: Calendar) -> pa.Array:
    """The date each text begins with; null where it is no ISO 8601 date of a calendar month."""
    encoded = pc.dictionary_encode(pc.utf8_trim(text, characters=BLANKS))
    values = encoded.dictionary
    valid = pc.match_substring_regex(values, ISO_DATE)
    day_text = pc.if_else(valid, pc.utf8_slice_codeunits(values, 0, 10), None)
    parsed = pc.strptime(day_text, format="%Y-%m-%d", unit="s", error_is_null=True)
    real = pc.equal(pc.strftime(parsed, format="%Y-%m-%d"), day_text)  # strptime takes 30 February
    days = pc.if_else(real, parsed, None).cast(pa.date32())
    months = pc.floor_temporal(days, unit="month").cast(pa.date32())
    inside = pc.and_(
        pc.greater_equal(months, pa.scalar(calendar.first_month)),
        pc.less_equal(months, pa.scalar(calendar.last_month)),
    )
    return pc.take(pc.if_else(inside, days, None), encoded.indices)
