"""Reads topics, and writes their records as landing files until it is told to stop.

Where to go on is read from the files. The offsets that the brokers keep are only set, so that tools show the lag.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import lt
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.sources.streams import lag
from cip_assets.sources.streams.files import TopicFolder
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.registry import Registry, RegistryAwayError
from cip_assets.sources.streams.topics import Kafka
from cip_assets.sources.streams.values import landing_text

AT_ONCE = 5_000
"""The records that are taken from the client at once."""

WAIT = 0.25
"""The seconds for which the client collects them, and so how soon a signal is noticed."""

LINGER = 0.2
"""The seconds that a first record waits for others."""

HELD_BYTES = 64_000_000
"""The size of all records in memory at which those of the largest partition are written."""

ANSWER = 5.0
"""The seconds that the brokers have to answer a question."""

LOOK = 5.0
"""The seconds between two looks at the topics: whether they are what they were, and how far they are.

If a topic was made again and its leader had changed before, as after a restart of the broker, the client does not
notice it, and never reads the new topic.
"""

LATE = 30.0
"""The seconds after the brokers came back in which a client may still be told that all are down, since each connects
again by itself, and waits up to 10 seconds before it does. Then they are asked before anything is said.
"""

RETRY = 5.0
"""The seconds between two attempts to write, if the disk refused or the registry did not answer."""

Place = tuple[str, int]
"""A topic and a partition."""

HOPELESS: Mapping[int, str] = {
    KafkaError._AUTHENTICATION: "check the user and the password in settings",  # noqa: SLF001 -- its public name
    KafkaError.SASL_AUTHENTICATION_FAILED: "check the user and the password in settings",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "let the user read and describe the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "let the user read with this group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "let the user describe the topics",
}
"""Errors that waiting does not help against, and what to do."""

NO_PARTITION = {KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART}  # noqa: SLF001 -- its public name
"""What the client and the brokers answer about a partition that does not exist."""


class AwayError(Exception):
    """The brokers do not answer."""


class _NoPartitionError(AwayError):
    """The brokers do not know a partition."""


@dataclass
class _Held:
    """The records of an assigned partition that are not written yet.

    The first ``sure`` of them were read while the topic certainly had the id. ``last`` is the last message, ``end`` the
    offset at which the partition ended when all of it was read; ``count`` records have landed since the last look, the
    newest of them from ``newest``.
    """

    topic_id: str
    next_offset: int
    records: Records = field(default_factory=Records)
    size: int = 0
    sure: int = 0
    last: Any = None
    end: int = 0
    count: int = 0
    newest: float | None = None
    begun: float = 0.0
    written: float = float("-inf")

    def clear(self) -> None:
        self.records, self.size, self.sure = Records(), 0, 0


def topic_id(admin: AdminClient, topic: str) -> str | None:
    """The id of a topic as Kafka writes it; None if there is no such topic.

    Raises:
        AwayError: the brokers do not answer.

    """
    asked = admin.describe_topics(TopicCollection([topic]), request_timeout=ANSWER)
    try:
        found = asked[topic].result()
    except KafkaException as error:
        if error.args[0].code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID}:
            return None
        raise AwayError(error.args[0].str()) from error
    return str(found.topic_id).replace("+", "-").replace("/", "_")


def stream(
    kafka: Kafka, settings: Settings, say: Callable[[str], None], stopping: Callable[[], bool]
) -> None:
    """Read the topics until told to stop; then write what was read and leave the group.

    Args:
        kafka: the cluster and the topics.
        settings: the data folder.
        say: prints a line about what happens.
        stopping: whether to stop.

    Raises:
        PlatformError: the brokers refuse the user, or have lost records that were read.

    """
    consumption = _Consumption(kafka, settings, say, stopping)
    try:
        consumption.go_on()
    finally:
        consumption.end()
        lag.fall_silent(settings.data_dir)


class _Consumption:
    def __init__(
        self, kafka: Kafka, settings: Settings, say: Callable[[str], None], stopping: Callable[[], bool]
    ) -> None:
        self._kafka, self._say, self._stopping = kafka, say, stopping
        self._data_dir = settings.data_dir
        self._folders = {t.topic: TopicFolder.of(settings.landing, t.table, t.topic) for t in kafka.topics}
        registry = Registry.of(kafka)
        self._texts = {t.topic: partial(landing_text, t, registry=registry) for t in kafka.topics}
        for topic in kafka.topics:
            landing_text(topic, 0, Records())  # refuses columns that do not exist
        self._held: dict[Place, _Held] = {}
        self._fresh: set[Place] = set()
        self._again: set[Place] = set()
        self._absent: set[Place] = set()
        self._refused: PlatformError | None = None
        self._away, self._is_waiting = "", False
        self._late_until = 0.0
        self._blocked_until = 0.0
        self._made_again: set[str] = set()
        # The library writes to the console by itself otherwise.
        self._quiet = logging.getLogger("cip.kafka")
        self._quiet.addHandler(logging.NullHandler())
        self._quiet.propagate = False
        self._connection: dict[str, Any] = {**kafka.connection(), "error_cb": self._on_error}
        self._admin = AdminClient(self._connection, logger=self._quiet)
        self._consumer = self._joined()
        self._looked = time.monotonic()  # to join may have taken as long as the brokers may

    def _joined(self) -> Consumer:
        """A consumer that joins the group. What it is told of a topic first, it may not replace later."""
        self._ids = dict(self._ids_now())
        consumer = Consumer(
            {
                # Others take over the partitions of a killed process after this time.
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 3_000,
                # When enough is held, the client fetches no more. By default it then pauses for a second.
                "fetch.queue.backoff.ms": 10,
                **self._connection,
                "group.id": self._kafka.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "partition.assignment.strategy": "cooperative-sticky",
                "topic.metadata.refresh.interval.ms": 10_000,
                "queued.max.messages.kbytes": 65_536,
            },
            logger=self._quiet,
        )
        consumer.subscribe(
            [topic.topic for topic in self._kafka.topics],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        return consumer

    def go_on(self) -> None:
        while not self._stopping():
            self._fresh.clear()
            self._take(self._consumer.consume(AT_ONCE, WAIT))
            if self._refused:
                raise self._refused
            self._heed_brokers()
            self._write_due()
            if time.monotonic() > self._looked + LOOK:
                self._look()
            if self._made_again:
                self._say(f"{', '.join(sorted(self._made_again))}: made again; reading from the beginning")
                self.end()
                self._made_again.clear()
                self._absent.clear()
                self._consumer = self._joined()
            elif self._again:
                self._begin_again()

    def end(self) -> None:
        """Write what was read, and leave the group."""
        for place in [*self._held]:
            self._write(place)
        if left := sum(len(held.records) for held in self._held.values()):
            self._say(f"{left:,} records were read and not written; the next 'cip stream' reads them again")
        self._held.clear()
        self._consumer.close()

    # --- reading ----------------------------------------------------------------------------------------------

    def _take(self, messages: Sequence[Any]) -> None:
        if not messages:
            return
        if any(map(Message.error, messages)):
            for message in messages:
                if (error := message.error()) is not None:
                    self._on_record_error(message, error)
            messages = [message for message in messages if message.error() is None]
        if messages:
            self._answered()
        places: Iterator[Any] = zip(
            map(Message.topic, messages), map(Message.partition, messages), strict=True
        )
        begin = 0
        for place, some in groupby(places):
            end = begin + len(list(some))
            self._hold(place, messages[begin:end])
            begin = end

    def _hold(self, place: Place, messages: Sequence[Any]) -> None:
        held = self._held.get(place)
        if held is None:
            return
        offsets: list[Any] = [*map(Message.offset, messages)]
        is_next = offsets[0] >= held.next_offset and all(map(lt, offsets, offsets[1:]))
        if place in self._fresh or place in self._again or not is_next:
            # It may have been read before the partition was assigned, and what follows would leave a gap.
            self._again.add(place)
            return
        if not held.records:
            held.begun = time.monotonic()
        values = [*map(Message.value, messages)]
        held.records.offsets.extend(offsets)
        held.records.values.extend(values)
        held.size += sum(map(len, filter(None, values))) + 100 * len(values)
        held.next_offset, held.last = offsets[-1] + 1, messages[-1]

    def _on_record_error(self, message: Any, error: KafkaError) -> None:
        place = message.topic(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- its public name
            if place in self._held:
                self._held[place].end = message.offset()
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 -- its public name
            self._again.add(place)
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._wait_for_topic(message.topic())
        else:
            self._on_error(error)

    def _on_error(self, error: KafkaError) -> None:
        if remedy := HOPELESS.get(error.code()):
            self._refused = PlatformError(f"kafka: {error.str()}; {remedy}")
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 -- its public name
            self._away = self._away or error.str()  # the reason may follow: a wrong password

    def _heed_brokers(self) -> None:
        """Say that no broker answers, if one of the clients was told so."""
        if self._away and not self._is_waiting and time.monotonic() < self._late_until:
            self._look()
        elif self._away:
            self._wait_for_brokers(self._away)

    def _wait_for_brokers(self, why: str) -> None:
        self._away = self._away or why
        if not self._is_waiting and not self._refused:
            self._say(f"no broker of {self._kafka.servers} answers ({self._away}); waiting")
            self._is_waiting = True

    def _answered(self) -> None:
        if self._is_waiting:
            self._late_until = time.monotonic() + LATE
        self._away, self._is_waiting = "", False

    def _wait_for_topic(self, topic: str) -> None:
        self._say(f"{topic}: there is no such topic; waiting for it")

    # --- partitions -------------------------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(list(filter(None, map(self._placed, partitions))))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._write((partition.topic, partition.partition))
        self._on_lost(consumer, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        begun = [p for p in partitions if self._held.pop((p.topic, p.partition), None)]
        self._absent -= {(p.topic, p.partition) for p in partitions}
        consumer.incremental_unassign(begun)

    def _placed(self, partition: TopicPartition) -> TopicPartition | None:
        """The partition with the offset to begin at; None if it does not exist, or the end comes before an answer.

        A topic that is gone can be made again before the group sees that, and then assigns nothing anew.
        """
        place = partition.topic, partition.partition
        while not (self._stopping() or self._refused):
            try:
                topic_id = self._topic_id(place[0])
                if topic_id is None:
                    if place[0] not in {topic for topic, _ in self._absent}:
                        self._wait_for_topic(place[0])
                    self._absent.add(place)
                    return None
                if self._ids.setdefault(place[0], topic_id) != topic_id:
                    self._made_again.add(place[0])  # only a new client reads it
                    return None
                begin = self._begin(place, topic_id)
            except _NoPartitionError:
                self._absent.add(place)
                return None
            except AwayError as error:
                self._wait_for_brokers(str(error))
                continue
            self._held[place] = _Held(topic_id, begin)
            self._absent.discard(place)
            self._fresh.add(place)
            return TopicPartition(*place, begin)
        return None

    def _begin(self, place: Place, topic_id: str) -> int:
        """The offset to begin at: after what the files hold, if the brokers still have that."""
        wanted = self._folders[place[0]].next_offset(topic_id, place[1])
        first, end = self._ends(place)
        if wanted > end:
            self._refused = PlatformError(
                f"kafka: {place[0]}:{place[1]} ends at offset {end}, but offset {wanted - 1} was read: its brokers "
                "lost records, or it was made again and they do not say so; give the topic another name, or move "
                f"{self._folders[place[0]].path} to another folder of the table"
            )
            return end
        if 0 < wanted < first:
            self._say(
                f"{place[0]}:{place[1]}: the brokers deleted offsets {wanted} to {first - 1} before they were read"
            )
        return max(first, wanted)

    def _begin_again(self) -> None:
        """Go on from the files in partitions whose next record is not the one that was expected.

        Their topic was made again, or its beginning deleted, or they were assigned while records were taken.
        """
        for place in self._again:
            self._write(place)
        # What could not be written stays, and is tried again.
        places = [p for p in self._again if (held := self._held.get(p)) and not held.records]
        self._again = {place for place in self._again if place in self._held} - {*places}
        partitions = [TopicPartition(*place) for place in places]
        self._on_lost(self._consumer, partitions)
        self._on_assign(self._consumer, partitions)

    # --- writing ----------------------------------------------------------------------------------------------

    def _write_due(self) -> None:
        now = time.monotonic()
        if now < self._blocked_until:
            return
        is_full = sum(held.size for held in self._held.values()) > HELD_BYTES
        largest = max(self._held.values(), key=lambda held: held.size, default=None)
        for place, held in [*self._held.items()]:
            is_due = now >= max(held.begun + LINGER, held.written + self._kafka.seconds)
            is_large = len(held.records) >= self._kafka.records or (is_full and held is largest)
            if held.records and (is_due or is_large):
                self._write(place)

    def _write(self, place: Place) -> None:
        """Write what is held of a partition. If that cannot be done now, it stays in memory."""
        held = self._held.get(place)
        if held is None or not held.records:
            return
        try:
            records = self._of_its_topic(place, held)
            self._folders[place[0]].add(
                held.topic_id,
                place[1],
                records,
                partial(self._texts[place[0]], place[1]),
                datetime.now(UTC).date(),
            )
        except AwayError as error:
            self._wait_for_brokers(str(error))
            return
        except OSError as error:
            self._block(error)
            return
        self._unblock()
        held.count += len(records)
        held.newest = held.last.timestamp()[1] / 1000
        held.clear()
        held.written = time.monotonic()
        self._consumer.commit(offsets=[TopicPartition(*place, held.next_offset)], asynchronous=True)

    def _of_its_topic(self, place: Place, held: _Held) -> Records:
        """The held records, without those that may be of a topic with the same name that was made since."""
        if self._look_at(place[0]) in {None, held.topic_id}:  # a deleted one was read before
            return held.records
        _, end = self._ends(place)
        surely, perhaps = held.records[: held.sure], held.records[held.sure :].since(end)
        return Records(surely.offsets + perhaps.offsets, surely.values + perhaps.values)

    def _look(self) -> None:
        """Look whether the topics are what they were, and say how far they are."""
        seconds = time.monotonic() - self._looked
        self._looked = time.monotonic()
        if self._absent:
            self._on_assign(self._consumer, [TopicPartition(*place) for place in sorted(self._absent)])
        try:
            # Also if no partition is held: nobody else may say that the brokers are away.
            for topic in self._folders:
                self._look_at(topic)
        except AwayError as error:
            self._wait_for_brokers(str(error))
            return
        self._answered()
        states: dict[str, list[lag.PartitionState]] = {}
        for (topic, partition), held in self._held.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            landed_to = held.records.offsets[0] if held.records else max(held.next_offset, held.end)
            states.setdefault(topic, []).append(
                lag.PartitionState(
                    partition, landed_to, max(0, end - landed_to), held.newest, held.count / seconds
                )
            )
            held.count = 0
        lag.tell(self._data_dir, states)

    def _look_at(self, topic: str) -> str | None:
        """The id that a topic has now, after a note whether what is held is of this one."""
        now = self._topic_id(topic)
        for place, held in self._held.items():
            if place[0] == topic and now == held.topic_id:
                held.sure = len(held.records)
            elif place[0] == topic and now is not None:
                self._made_again.add(topic)
        return now

    def _block(self, error: OSError) -> None:
        if not self._blocked_until:
            is_registry = isinstance(error, RegistryAwayError)
            why = str(error) if is_registry else f"the landing folder cannot be written ({error})"
            self._say(f"{why}; waiting")
        self._blocked_until = time.monotonic() + RETRY
        self._consumer.pause(self._consumer.assignment())

    def _unblock(self) -> None:
        if self._blocked_until:
            self._say("the landing folder is written again")
            self._blocked_until = 0.0
            self._consumer.resume(self._consumer.assignment())

    # --- questions to the brokers -----------------------------------------------------------------------------

    def _topic_id(self, topic: str) -> str | None:
        return topic_id(self._admin, topic)

    def _ids_now(self) -> Iterator[tuple[str, str]]:
        """The ids of the topics that exist; not of all if the brokers do not answer."""
        with suppress(AwayError):
            for topic in self._folders:
                if found := self._topic_id(topic):
                    yield topic, found

    def _ends(self, place: Place) -> tuple[int, int]:
        """The first offset of a partition, and the one after its last.

        Raises:
            AwayError: the brokers do not answer, or know no such partition.

        """
        try:
            first, end = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER)
        except KafkaException as error:
            if error.args[0].code() in NO_PARTITION:
                raise _NoPartitionError from error
            raise AwayError(error.args[0].str()) from error
        return first, end
