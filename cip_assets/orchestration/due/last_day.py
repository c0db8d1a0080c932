"""The default snapshot day."""

from datetime import date

from cip_assets.config.settings import Settings
from cip_assets.sources.config import load_sources
from cip_assets.storage import delta


def last_transaction_day(settings: Settings, today: date) -> date | None:
    """The day of the last cleaned transaction, but not after today; None if there are no transactions.

    A transaction can be dated later in the current month. It counts from its day on. The exports of a shop have sales
    and returns together, so for them it is the day of the last of both.
    """
    day = delta.last_day(settings.table_uri("cleaned", "transactions"), "transaction_date")
    if day and load_sources(settings.data_dir) and delta.exists(settings.table_uri("cleaned", "returns")):
        day = max(day, delta.last_day(settings.table_uri("cleaned", "returns"), "return_date") or day)
    return min(day, today) if day else None
