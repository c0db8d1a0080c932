"""`cip stream` on a real broker."""

import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from cip_assets.synthetic.broker import Broker
from cip_assets_tests.conftest import Cip
from cip_assets_tests.kafka import Consumers, configure, landed, overlapping, until


def send(broker: Broker, topic: str, ids: Iterable[str], **settings: str) -> None:
    producer = Producer({"bootstrap.servers": broker.servers, "log_level": 0, **settings})
    if settings:
        producer.init_transactions()
        producer.begin_transaction()
    for each in ids:
        producer.produce(topic, key=each, value=f'{{"transaction_id": "{each}"}}')
    if settings:
        producer.flush()
        producer.abort_transaction()
    producer.flush()


def numbered(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.fixture
def consumers(tmp_path: Path) -> Iterable[Consumers]:
    made = Consumers(tmp_path)
    yield made
    made.end_all(signal.SIGKILL)


def test_records_land_once_through_kills_rebalances_and_a_topic_made_again(
    broker: Broker, consumers: Consumers, tmp_path: Path
) -> None:
    topic = "_shop.orders"
    broker.make(topic, 3)
    configure(tmp_path, broker, topic)
    first = consumers.start()
    send(broker, topic, sent := numbered("a", 300))
    until(lambda: len(landed(tmp_path)) >= 300, lambda: (landed(tmp_path), consumers.output))

    second = consumers.start()
    send(broker, topic, more := numbered("b", 300))
    send(broker, topic, numbered("aborted", 20), **{"transactional.id": "t"})
    assert consumers.end(first, signal.SIGKILL) == -signal.SIGKILL
    third = consumers.start()
    send(broker, topic, last := numbered("c", 300))
    assert consumers.end(second) == 0
    until(lambda: len(landed(tmp_path)) >= 900, lambda: consumers.output)
    sent += more + last

    broker.delete(topic)
    broker.make(topic, 3)
    send(broker, topic, again := numbered("d", 50))
    until(lambda: len(landed(tmp_path)) >= 950, lambda: consumers.output)
    sent += again
    assert consumers.end(third) == 0
    assert sorted(landed(tmp_path)) == sorted(sent)
    assert not overlapping(tmp_path)


def test_a_broker_that_is_away_is_waited_for(tmp_path: Path, broker: Broker, consumers: Consumers) -> None:
    broker.make("away")
    configure(tmp_path, broker, "away")
    process = consumers.start()
    send(broker, "away", numbered("a", 10))
    until(lambda: len(landed(tmp_path)) == 10, lambda: consumers.output)
    broker.kill()
    until(lambda: "answers" in consumers.output, lambda: consumers.output)
    broker.start()
    send(broker, "away", numbered("b", 10))
    until(lambda: len(landed(tmp_path)) == 20, lambda: consumers.output)
    assert consumers.end(process) == 0
    assert consumers.output.count("waiting") == 1


def test_without_topics_it_says_where_to_name_them(cip: Cip) -> None:
    code, _, errors = cip("stream")
    assert code == 1
    assert "names no topics; write the key kafka into it" in errors
