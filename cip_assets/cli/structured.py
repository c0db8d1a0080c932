"""`cip stream` with Structured Streaming."""

from collections.abc import Callable

from cip_assets.config.settings import Settings
from cip_assets.definitions import graph_of
from cip_assets.engines.session import start_session_for_topics
from cip_assets.ingest.from_topics import read_topics
from cip_assets.sources.streams.topics import Kafka


def read(kafka: Kafka, settings: Settings, say: Callable[[str], None]) -> None:
    session = start_session_for_topics(settings.engine)
    read_topics(session, kafka, settings, graph_of(settings).partitions.calendar(), say)
