"""The default snapshot day."""

from datetime import date

from cip_assets.config.settings import Settings
from cip_assets.sources.config import load_sources
from cip_assets.storage import delta


def last_transaction_day(settings: Settings, today: date) -> date | None:
    """The day of the last cleaned transaction, but not after today; None if there are no transactions.

    A transaction can be dated later in the current month. It counts from its day on. The exports of a shop have sales
    and returns together, so for them it is the day of the last of both; if they have neither, that of the last ticket.
    """
    day = _last_day(settings, "transactions", "transaction_date")
    if load_sources(settings.data_dir):
        if day:
            day = max(day, _last_day(settings, "returns", "return_date") or day)
        else:
            day = _last_day(settings, "support_tickets", "opened_date")
    return min(day, today) if day else None


def _last_day(settings: Settings, table: str, column: str) -> date | None:
    uri = settings.table_uri("cleaned", table)
    return delta.last_day(uri, column) if delta.exists(uri) else None
