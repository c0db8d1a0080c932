"""The default snapshot day."""

from datetime import date

from cip_assets.config.settings import Settings
from cip_assets.storage import delta


def last_transaction_day(settings: Settings, today: date) -> date | None:
    """The day of the last cleaned transaction, but not after today; None if there are no transactions.

    A transaction can be dated later in the current month. It counts from its day on.
    """
    day = delta.last_day(settings.table_uri("cleaned", "transactions"), "transaction_date")
    return min(day, today) if day else None
