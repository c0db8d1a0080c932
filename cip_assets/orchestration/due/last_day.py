"""The day that a snapshot is of unless another is asked for."""

from datetime import date

from cip_assets.config.settings import Settings
from cip_assets.storage import delta


def last_transaction_day(settings: Settings, today: date) -> date | None:
    """The day of the last cleaned transaction, today at the latest; None where there is none.

    A transaction may be dated later in the running month. It counts from its day on.
    """
    day = delta.last_day(settings.table_uri("cleaned", "transactions"), "transaction_date")
    return min(day, today) if day else None
