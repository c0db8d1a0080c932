"""Reads topics by Structured Streaming: Apache Spark reads what is there, and ends.

A batch is written as the landing files that Kafka's client would write, and what ``raw`` lacks of these is appended to
it. So each row of ``raw`` is a line of a landing file, whoever read the topic. Where to go on is in a checkpoint in the
lake. If a batch is repeated after a kill, its offsets are in files, its files in ``raw``, and Delta knows its number.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.discover import landed_file
from cip_assets.ingest.manifest import manifest_entry, require_readable, scan_file
from cip_assets.ingest.read import read_landing
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.streams import lag
from cip_assets.sources.streams.consume import ANSWER, AwayError, topic_id
from cip_assets.sources.streams.files import TopicFolder
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.registry import Registry, RegistryAwayError
from cip_assets.sources.streams.topics import Kafka, Topic
from cip_assets.sources.streams.values import landing_text
from cip_assets.storage import delta


def read_topics(
    session: SparkSession, kafka: Kafka, settings: Settings, calendar: Calendar, say: Callable[[str], None]
) -> None:
    """Read what the topics have.

    Args:
        session: of Apache Spark, with its package for Kafka.
        kafka: the cluster and the topics.
        settings: the data folder.
        calendar: the months that events may be dated in.
        say: prints a line about what happens.

    Raises:
        PlatformError: the brokers do not answer, or Spark cannot read a topic.

    """
    admin = AdminClient({**kafka.connection(), "log_level": 0})
    options = {f"kafka.{name}": value for name, value in kafka.java_connection().items()}
    options |= {
        "kafka.isolation.level": "read_committed",
        "startingOffsets": "earliest",
        "maxOffsetsPerTrigger": str(kafka.records),
        # The brokers may have deleted the oldest records.
        "failOnDataLoss": "false",
    }
    registry = Registry.of(kafka)
    lag.fall_silent(settings.data_dir)
    states: dict[str, list[lag.PartitionState]] = {}
    for topic in kafka.topics:
        found = _id_of(admin, kafka, topic)
        if found is None:
            say(f"{topic.topic}: there is no such topic")
            continue
        reading = _Reading(
            session, settings, calendar, topic, found, partial(_id_of, admin, kafka, topic), registry
        )
        frame = session.readStream.format("kafka").options(**options, subscribe=topic.topic).load()
        checkpoint = settings.lake / "_topics" / topic.topic / found
        began = time.time()
        query = (
            frame.writeStream.foreachBatch(reading.take)
            .option("checkpointLocation", str(checkpoint))
            .trigger(availableNow=True)
            .start()
        )
        try:
            query.awaitTermination()
        except StreamingQueryException as error:
            if reading.refused:
                raise reading.refused from error
            reason = str(error).strip().splitlines()[0]
            raise PlatformError(f"kafka: {topic.topic}: Spark cannot read it: {reason}") from error
        states[topic.topic] = _how_far(admin, kafka, topic, checkpoint, reading, began)
        lag.tell(settings.data_dir, states)
        say(
            f"{topic.topic}: {reading.landed.total():,} records landed, and {reading.rows:,} rows were appended to raw"
        )


def _id_of(admin: AdminClient, kafka: Kafka, topic: Topic) -> str | None:
    try:
        return topic_id(admin, topic.topic)
    except AwayError as error:
        raise _away(kafka, str(error)) from error


def _away(kafka: Kafka, why: str) -> PlatformError:
    return PlatformError(f"no broker of {kafka.servers} answers ({why}); run it again later")


def _how_far(
    admin: AdminClient, kafka: Kafka, topic: Topic, checkpoint: Path, reading: "_Reading", began: float
) -> list[lag.PartitionState]:
    """How far each partition of a topic was read.

    The checkpoint also counts the markers of transactions, which are offsets without a record.
    """
    (newest,) = sorted((checkpoint / "offsets").glob("[0-9]*"), key=lambda path: int(path.name))[-1:]
    read_to = {
        int(n): end for n, end in json.loads(newest.read_text("utf-8").splitlines()[-1])[topic.topic].items()
    }
    latest = {TopicPartition(topic.topic, partition): OffsetSpec.latest() for partition in read_to}  # type: ignore[no-untyped-call]
    try:
        ends = {
            place.partition: asked.result().offset
            for place, asked in admin.list_offsets(latest, request_timeout=ANSWER).items()
        }
    except KafkaException as error:
        raise _away(kafka, error.args[0].str()) from error
    seconds = time.time() - began
    found = []
    for partition, landed_to in sorted(read_to.items()):
        behind = max(0, ends[partition] - landed_to)
        at = reading.newest.get(partition) or (began if behind else None)
        found.append(
            lag.PartitionState(partition, landed_to, behind, at, reading.landed[partition] / seconds)
        )
    return found


class _Reading:
    """Takes the batches of a topic."""

    def __init__(
        self,
        session: SparkSession,
        settings: Settings,
        calendar: Calendar,
        topic: Topic,
        found: str,
        ask_id: Callable[[], str | None],
        registry: Registry | None,
    ) -> None:
        self._session, self._settings, self._calendar = session, settings, calendar
        self._topic, self._id, self._ask_id = topic, found, ask_id
        self._registry = registry
        self._folder = TopicFolder.of(settings.landing, topic.table, topic.topic)
        self.rows = 0
        self.landed = Counter[int]()
        """The records of each partition."""
        self.newest: dict[int, float] = {}
        """When the newest record of each partition was put on the topic."""
        self.refused: PlatformError | None = None

    def take(self, batch: DataFrame, number: int) -> None:
        try:
            self._take(batch, number)
        except PlatformError as error:
            self.refused = error
            raise
        except RegistryAwayError as error:
            self.refused = PlatformError(f"kafka: {error}; run it again later")
            raise

    def _take(self, batch: DataFrame, number: int) -> None:
        found = (
            batch.select("partition", "offset", "timestamp", "value").orderBy("partition", "offset").toArrow()
        )
        if self._ask_id() not in {self._id, None}:  # a deleted one was read before
            raise PlatformError(f"kafka: {self._topic.topic} was made again; run 'cip stream' again")
        files = []
        for partition in sorted({*found["partition"].to_pylist()}):
            part = found.filter(pc.field("partition") == partition)
            records = Records(part["offset"].to_pylist(), part["value"].to_pylist())
            text_of = partial(landing_text, self._topic, partition, registry=self._registry)
            today = datetime.now(UTC).date()
            before = self._folder.next_offset(self._id, partition)
            self.landed[partition] += len(records.since(before))
            self.newest[partition] = pc.max(part["timestamp"]).as_py().timestamp()
            self._folder.add(self._id, partition, records, text_of, today)
            files += self._folder.holding(self._id, partition, records.offsets[0], records.offsets[-1])
        source = SOURCE_TABLES[self._topic.table]
        raw = self._settings.table_uri("raw", source.name)
        if not files or not delta.exists(raw):
            return  # the first run makes the table, from all files
        landing = self._settings.landing
        names = [path.relative_to(landing).as_posix() for path in files]
        entries = [manifest_entry(scan_file(landing, landed_file(name), self._calendar)) for name in names]
        require_readable(source, entries)
        rows = read_landing(self._session, landing, source, entries, self._calendar)
        audit = {"asset": f"raw/{source.name}", "topic": self._topic.topic, "batch": number}
        self.rows += delta.append_files(rows, raw, files=names, batch=(self._id, number), audit=audit)
