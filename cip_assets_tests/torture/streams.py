"""Records of a topic, while consumers are killed, come and go, the broker restarts, and the topic is made again."""

import itertools
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from confluent_kafka import Producer

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.storage import delta
from cip_assets.synthetic.broker import Broker
from cip_assets_tests.kafka import Consumers, configure, landed, overlapping, until

TOPIC = "shop.orders"
PARTITIONS = 6
CONSUMERS = 3

KILL, REBALANCE, RESTART, REMAKE = "kill", "rebalance", "restart", "remake"

FULL: Mapping[str, int] = {KILL: 50, REBALANCE: 10, RESTART: 2, REMAKE: 1}
"""How often each disturbance happens."""

WORDS: Mapping[str, str] = {
    KILL: "consumers killed",
    REBALANCE: "consumers that left while others joined",
    RESTART: "restarts of the broker",
    REMAKE: "topics deleted and made again",
}


@dataclass(frozen=True)
class Result:
    """What was sent, how often each disturbance happened, and what is wrong."""

    sent: Sequence[str]
    happened: Mapping[str, int]
    files: int
    wrong: Sequence[str]


def line(number: int) -> Mapping[str, object]:
    """A record that is a good line of transactions."""
    return {
        "transaction_id": f"t{number}",
        "customer_id": f"c{number % 97}",
        "product_id": "p1",
        "quantity": 1,
        "price": 12.5,
        "amount": 12.5,
        "payment_method": "Cash",
        "transaction_date": f"2024-05-{1 + number % 28:02}",
    }


def torture(
    broker: Broker,
    data_dir: Path,
    records: int,
    counts: Mapping[str, int],
    seed: int,
    say: Callable[[str], None],
) -> Result:
    """Send records in equal parts, with one disturbance after each, and look at what landed.

    Args:
        broker: a broker without the topic.
        data_dir: an empty data folder.
        records: how many to send.
        counts: how often each disturbance happens.
        seed: decides when what happens.
        say: prints a line.

    """
    consumers = Consumers(data_dir)
    broker.make(TOPIC, PARTITIONS)
    configure(data_dir, broker, TOPIC)
    for _ in range(CONSUMERS):
        consumers.start()
    try:
        return _disturb(broker, consumers, records, counts, random.Random(seed), say)
    finally:
        consumers.end_all(signal.SIGKILL)


def _disturb(
    broker: Broker,
    consumers: Consumers,
    records: int,
    counts: Mapping[str, int],
    chance: random.Random,
    say: Callable[[str], None],
) -> Result:
    data_dir, sent, happened = consumers.data_dir, list[str](), Counter[str]()
    producer, failed = _producer(broker), list[object]()

    def note(error: object, message: object) -> None:
        if error is not None:
            failed.append(error)

    steps = [what for what, count in counts.items() for _ in range(count)]
    chance.shuffle(steps)
    known = 0
    for number, (what, part) in enumerate(zip(steps, _parts(records, len(steps)), strict=True), 1):
        for each in part:
            producer.produce(TOPIC, key=f"t{each}", value=json.dumps(line(each)), callback=note)
            sent.append(f"t{each}")
        # A consumer is killed while it works, and not before it has begun.
        until(lambda known=known: len(landed(data_dir)) > known, lambda: consumers.output)
        producer.poll(chance.random())
        known = len(landed(data_dir))
        if what in {RESTART, REMAKE}:
            producer.flush()
        if what == REMAKE:
            # What is deleted before it was read is lost.
            until(lambda: len(landed(data_dir)) >= len(sent), lambda: consumers.output)
            broker.delete(TOPIC)
            broker.make(TOPIC, PARTITIONS)
            producer = _producer(broker)  # the numbers of its records are those of the deleted topic
        elif what == RESTART:
            (broker.kill if happened[RESTART] % 2 else broker.stop)()
            broker.start()
        else:
            chosen = chance.choice(consumers.running)
            consumers.end(chosen, signal.SIGKILL if what == KILL else signal.SIGTERM)
            consumers.start()
        happened[what] += 1
        say(f"{number}: {what}: {len(sent):,} records sent, {len(landed(data_dir)):,} landed")
        producer.flush()
        assert not failed, failed[0]
    until(lambda: len(landed(data_dir)) >= len(sent), lambda: consumers.output)
    codes = consumers.end_all()
    return Result(sent, happened, len(list(data_dir.rglob("*.csv"))), [*_wrong(data_dir, sent, codes)])


def wrong_in_the_lake(data_dir: Path, sent: Sequence[str]) -> Iterator[str]:
    """Ingest what landed, and say what is wrong with the cleaned lines."""
    settings = Settings(data_dir, os.environ.get("CIP_ENGINE") or "sail")
    platform = open_platform(settings, dg.DagsterInstance.ephemeral())
    yield from map(str, platform.run().failures)
    cleaned = delta.dataset(settings.table_uri("cleaned", "transactions")).to_table(["transaction_id"])
    if sorted(cleaned["transaction_id"].to_pylist()) != sorted(sent):
        yield f"{cleaned.num_rows} lines of {len(sent)} records are cleaned"


def _producer(broker: Broker) -> Producer:
    """A producer that sends each record once, also when the broker restarts meanwhile."""
    return Producer({"bootstrap.servers": broker.servers, "enable.idempotence": True, "log_level": 0})


def _parts(records: int, count: int) -> Iterator[range]:
    ends = [records * n // count for n in range(count + 1)]
    return (range(begin, end) for begin, end in itertools.pairwise(ends))


def _wrong(data_dir: Path, sent: Sequence[str], codes: Sequence[int | None]) -> Iterator[str]:
    found = Counter(landed(data_dir))
    if lost := [each for each in sent if each not in found]:
        yield f"{len(lost)} records are lost, such as {lost[0]}"
    if twice := [each for each, count in found.items() if count > 1]:
        yield f"{len(twice)} records landed twice, such as {twice[0]}"
    if strange := found.keys() - set(sent):
        yield f"{len(strange)} records were not sent, such as {min(strange)}"
    yield from (f"{a} and {b} overlap" for a, b in overlapping(data_dir))
    if any(codes):
        yield f"the consumers ended with {codes}"
