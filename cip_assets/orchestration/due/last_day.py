"""The default snapshot day."""

from datetime import date

from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES
from cip_assets.sources.config import load_sources
from cip_assets.storage import delta


def default_day(settings: Settings, today: date) -> date | None:
    """The day of the last cleaned transaction, but not after today; None if there are no events.

    A transaction can be dated later in the current month. It counts from its day on. The exports of a shop have sales
    and returns together, so for them it is the day of the last of both. Without transactions it is the day of the last
    return, ticket or session.
    """
    last = {table: _last_day(settings, SOURCE_TABLES[table]) for table in EVENT_TABLES}
    sources = load_sources(settings.data_dir)
    sold = [last["transactions"], *([last["returns"]] if sources and sources.exports else [])]
    found = list(filter(None, sold if last["transactions"] else last.values()))
    return min(max(found), today) if found else None


def _last_day(settings: Settings, source: SourceTable) -> date | None:
    uri = settings.table_uri("cleaned", source.name)
    return delta.last_day(uri, str(source.event_date)) if delta.exists(uri) else None
