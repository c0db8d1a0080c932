"""`cip stream` on a real broker."""

import json
import signal
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import yaml
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient

from cip_assets.config.settings import Settings
from cip_assets.sources.config import load_sources
from cip_assets.sources.streams import consume
from cip_assets.sources.streams.lag import TopicState, told
from cip_assets.synthetic.broker import Broker, free_port
from cip_assets_tests.conftest import Cip
from cip_assets_tests.kafka import (
    LOCKED_PORT,
    LONGEST,
    PASSWORD,
    USER,
    Consumers,
    SchemaRegistry,
    certificate,
    configure,
    landed,
    until,
)
from cip_assets_tests.torture.streams import KILL, REBALANCE, REMAKE, RESTART, torture


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


def test_records_land_once_through_kills_rebalances_a_restart_and_a_topic_made_again(
    broker: Broker, tmp_path: Path
) -> None:
    """`python -m cip_assets_tests.torture stream` does more of it, and ingests what landed."""
    counts = {KILL: 2, REBALANCE: 1, RESTART: 1, REMAKE: 1}
    result = torture(broker, tmp_path / "shop", 1_000, counts, 4, lambda _: None)
    assert result.happened == counts
    assert not result.wrong


@pytest.mark.parametrize("partitions", [3, 1])
def test_a_topic_that_is_made_again_while_its_partitions_are_assigned_is_read(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    """With as many partitions, the group sees no change, and assigns nothing anew."""
    topic = f"meanwhile-{partitions}"
    broker.make(topic, 3)
    configure(tmp_path, broker, topic)
    sources = load_sources(tmp_path)
    assert sources is not None
    assert sources.kafka is not None
    ask, answers = consume.topic_id, list[str | None]()

    def ask_while_deleted(admin: AdminClient, topic: str) -> str | None:
        if is_assigned := len(answers) == 1:  # the first time is before the client joins
            broker.delete(topic)
        answers.append(ask(admin, topic))
        if is_assigned:
            broker.make(topic, partitions)
        return answers[-1]

    monkeypatch.setattr(consume, "topic_id", ask_while_deleted)
    ending, said = Event(), list[str]()
    consuming = (sources.kafka, Settings(tmp_path, "sail"), said.append, ending.is_set)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(consume.stream, *consuming)
        try:
            until(lambda: len(answers) > 1, lambda: said)
            send(broker, topic, numbered("a", 10))
            until(lambda: len(landed(tmp_path)) == 10, lambda: said)
        finally:
            ending.set()
        ended.result(LONGEST)
    assert answers[1] is None
    assert said[0] == f"{topic}: there is no such topic; waiting for it"


def test_a_topic_that_is_made_again_after_its_end_was_seen_and_the_broker_restarted_is_read(
    broker: Broker, consumers: Consumers, tmp_path: Path
) -> None:
    broker.make("returned", 2)
    configure(tmp_path, broker, "returned", **{"topic.metadata.refresh.interval.ms": 1000})
    process = consumers.start()
    for number, restart in enumerate((broker.stop, broker.kill), 1):
        send(broker, "returned", numbered(f"{number}-", 10))
        until(lambda number=number: len(landed(tmp_path)) == 10 * number, lambda: consumers.output)
        restart()
        broker.start()
        broker.delete("returned")
        until(
            lambda number=number: consumers.output.count("no such topic") == number, lambda: consumers.output
        )
        broker.make("returned", 2)
    send(broker, "returned", numbered("last-", 10))
    until(lambda: len(landed(tmp_path)) == 30, lambda: consumers.output)
    assert consumers.end(process) == 0


def test_a_consumer_that_had_nothing_to_read_reads_a_topic_that_was_made_again(
    broker: Broker, consumers: Consumers, tmp_path: Path
) -> None:
    """It was told of the first topic, too."""
    broker.make("shared")
    broker.stop()
    broker.start()
    configure(tmp_path, broker, "shared")

    def members() -> int:
        admin = broker.admin()  # the answer comes as long as the client lives
        (group,) = admin.describe_consumer_groups([tmp_path.name]).values()
        return len(group.result().members)

    for _ in range(2):
        consumers.start()
    send(broker, "shared", ["a"])
    until(lambda: landed(tmp_path) == ["a"], lambda: consumers.output)
    until(lambda: members() == 2, lambda: consumers.output)
    broker.delete("shared")
    broker.make("shared")
    send(broker, "shared", ["b"])
    until(lambda: landed(tmp_path) == ["a", "b"], lambda: consumers.output)
    assert consumers.end_all() == [0, 0]


def test_what_a_producer_took_back_does_not_land(
    broker: Broker, consumers: Consumers, tmp_path: Path
) -> None:
    broker.make("_taken_back")
    configure(tmp_path, broker, "_taken_back")
    send(broker, "_taken_back", ["a"])
    send(broker, "_taken_back", numbered("aborted", 20), **{"transactional.id": "t"})
    send(broker, "_taken_back", ["b"])
    process = consumers.start()
    until(lambda: len(landed(tmp_path)) == 2, lambda: consumers.output)
    assert consumers.end(process) == 0
    assert landed(tmp_path) == ["a", "b"]


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

    def state() -> TopicState | None:
        return told(tmp_path, time.time()).get("away")

    until(lambda: (now := state()) is not None and now.partitions[0].landed_to == 20, state)
    now = state()
    assert now is not None
    assert (now.lag, now.behind(time.time())) == (0, 0)
    assert time.time() - (now.newest or 0) < 120
    assert consumers.end(process) == 0
    assert consumers.output.count("waiting") == 1
    assert state() is None


def test_that_no_broker_answers_is_seen_without_partitions_and_beside_other_events_but_not_once_it_does(
    tmp_path: Path, broker: Broker
) -> None:
    broker.make("unread")
    configure(tmp_path, broker, "unread")
    sources = load_sources(tmp_path)
    assert sources is not None
    assert sources.kafka is not None
    said: list[str] = []
    consumption = consume._Consumption(sources.kafka, Settings(tmp_path, "sail"), said.append, lambda: False)
    consumption._look()
    assert not said
    broker.kill()
    try:
        consumption._look()
    finally:
        broker.start()
    assert [f"no broker of {broker.servers} answers" in line for line in said] == [True]
    consumption._look()
    assert not consumption._away
    down, end = (
        Message(topic="unread", partition=0, error=KafkaError(code))
        for code in (KafkaError._ALL_BROKERS_DOWN, KafkaError._PARTITION_EOF)
    )
    consumption._take([down, end])
    assert consumption._away
    consumption._heed_brokers()  # a client that noticed it late
    assert (consumption._away, len(said)) == ("", 1)
    consumption._late_until = 0
    consumption._take([down])
    consumption._heed_brokers()
    assert len(said) == 2
    consumption.end()


def test_a_registry_that_is_away_is_waited_for(broker: Broker, consumers: Consumers, tmp_path: Path) -> None:
    broker.make("avro")
    configure(tmp_path, broker, "avro")
    path, port = tmp_path / "sources.yaml", free_port()
    declared = yaml.safe_load(path.read_text("utf-8"))
    declared["kafka"]["registry"] = f"http://127.0.0.1:{port}"
    declared["kafka"]["topics"][0]["values"] = "avro"
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    producer = Producer({"bootstrap.servers": broker.servers, "log_level": 0})
    producer.produce("avro", value=b"\0\0\0\0\1\2a")  # a text has twice its size before it
    producer.flush()
    process = consumers.start()
    until(lambda: "does not answer" in consumers.output, lambda: consumers.output)
    schema = {"type": "record", "name": "Sale", "fields": [{"name": "transaction_id", "type": "string"}]}
    with SchemaRegistry({"/schemas/ids/1": {"schema": json.dumps(schema)}}, port):
        until(lambda: landed(tmp_path) == ["a"], lambda: consumers.output)
    assert consumers.end(process) == 0
    assert consumers.output.count("waiting") == 1


def test_over_tls_a_password_comes_from_the_environment_and_a_wrong_one_stops_with_one_line(
    broker: Broker, consumers: Consumers, tmp_path: Path
) -> None:
    broker.make("locked")
    configure(tmp_path, broker, "locked")
    path = tmp_path / "sources.yaml"
    sasl = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": USER}
    sasl["ssl.ca.location"] = str(certificate(broker))
    declared = yaml.safe_load(path.read_text("utf-8"))
    declared["kafka"]["servers"] = f"127.0.0.1:{LOCKED_PORT}"
    declared["kafka"]["settings"] |= {**sasl, "sasl.password": "${SHOP_KAFKA}"}
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    send(broker, "locked", ["a"])

    process = consumers.start({"SHOP_KAFKA": "wrong password"})
    process.join(LONGEST)
    assert process.exitcode == 1
    _, *lines = consumers.output.splitlines()
    assert len(lines) == 1, lines
    (line,) = lines
    assert line.startswith("error kafka: ")
    assert line.endswith("; check the user and the password in settings")
    assert "wrong password" not in line

    process = consumers.start({"SHOP_KAFKA": PASSWORD})
    until(lambda: landed(tmp_path) == ["a"], lambda: consumers.output)
    assert consumers.end(process) == 0
    assert PASSWORD not in consumers.output


def test_without_topics_it_says_where_to_name_them(cip: Cip) -> None:
    code, _, errors = cip("stream")
    assert code == 1
    assert "names no topics; write the key kafka into it" in errors
