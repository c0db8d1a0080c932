"""`cip stream`."""

import signal

from rich.markup import escape

from cip_assets.cli.console import err, out
from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, load_sources
from cip_assets.storage import place

try:
    from cip_assets.sources.streams.consume import stream as consume
except ImportError as error:
    if (error.name or "").partition(".")[0] not in {"confluent_kafka", "fastavro"}:
        raise
    consume = None  # type: ignore[assignment]


def stream() -> None:
    settings = place.on_disk(
        "cip stream", "stream into a folder of this machine, and copy its landing files into the bucket"
    )
    sources = load_sources(settings.data_dir)
    if sources is None or sources.kafka is None:
        raise PlatformError(
            f"{settings.data_dir / FILE} names no topics; write the key kafka into it (docs/streams.md)"
        )
    if consume is None:
        raise PlatformError(
            "confluent-kafka or fastavro is not installed; install both: pip install 'cip-assets[kafka]'"
        )
    if sources.kafka.reader == "structured_streaming":
        # Imported here, because only this reader needs an engine.
        from cip_assets.cli.structured import read  # noqa: PLC0415

        read(sources.kafka, settings, say)
        return
    ending: list[int] = []

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda given, _: ending.append(given))
    topics = ", ".join(topic.topic for topic in sources.kafka.topics)
    out.print(f"reading {topics} from {sources.kafka.servers} until you stop it", soft_wrap=True)
    consume(sources.kafka, settings, say, lambda: bool(ending))
    out.print("stopped; everything that was read is in the landing folder")


def say(line: str) -> None:
    err.print(escape(line), highlight=False, soft_wrap=True)
