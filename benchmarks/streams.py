"""How long a record of a topic takes to the exports while ``cip ui`` and ``cip stream`` run.

Also how many records a second are turned into landing files, beside a client that only reads them.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

from confluent_kafka import Consumer, Producer
from watchdog.events import FileSystemEvent, FileSystemEventHandler

from benchmarks import END
from benchmarks.dropped import CUSTOMERS, LONGEST, ui, wait_for_the_end, watching
from cip_assets.config.settings import Settings
from cip_assets.orchestration.instance import open_instance
from cip_assets.sources.streams.consume import stream
from cip_assets.sources.streams.files import Range, TopicFolder
from cip_assets.sources.streams.topics import Kafka, Topic
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets.synthetic.broker import Broker

TIMES, RECORDS, PARTITIONS = 20, 2_000_000, 3
TURNS = 3
"""How often landing and reading take turns; an odd number."""

TOPIC = "shop.orders"


@dataclass(frozen=True)
class Streamed:
    """The seconds that each record took; of many, how many landed and were only read in a second, and the microseconds
    of CPU for one of them.
    """

    seconds: list[float]
    landed_per_second: int
    landed_cpu: float
    read_per_second: int
    read_cpu: float


class Pace:
    """How fast something went on after its first step, in which it connects."""

    def __init__(self) -> None:
        self._first: tuple[float, float, int] | None = None

    def reached(self, count: int) -> None:
        if count and self._first is None:
            self._first = time.monotonic(), time.process_time(), count

    def ended(self, count: int) -> tuple[int, float]:
        """What was done in a second, and the microseconds of CPU for one, with the client's threads."""
        assert self._first is not None  # noqa: S101 -- something was reached
        began, cpu, before = self._first
        done = count - before
        return round(done / (time.monotonic() - began)), round((time.process_time() - cpu) / done * 1e6, 2)


class Replaced(FileSystemEventHandler):
    """Waits until the file of customers has what is wanted of a customer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._happened = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note that the file was put in its place."""
        if os.fsdecode(event.dest_path or event.src_path) == str(self._path):
            self._happened.set()

    def orders(self, customer: str) -> int:
        with self._path.open(encoding="utf-8", newline="") as file:
            return next(
                int(row["frequency"]) for row in csv.DictReader(file) if row["customer_id"] == customer
            )

    def wait(self, customer: str, orders: int) -> None:
        """Wait until the customer has so many orders.

        Raises:
            SystemExit: it took too long.

        """
        until = time.monotonic() + LONGEST
        while self.orders(customer) < orders:
            if not self._happened.wait(max(0.0, until - time.monotonic())):
                raise SystemExit(f"after {LONGEST:.0f} seconds {customer} has no new order")
            self._happened.clear()


def measured(times: int = TIMES, records: int = RECORDS) -> Streamed:
    """Send single records, and then many at once."""
    with _broker() as broker:
        broker.make(TOPIC, PARTITIONS)
        seconds = _seconds(broker, times)
        broker.delete(TOPIC)
        broker.make(TOPIC, PARTITIONS)
        _send(broker, (_line(f"M{number:07d}", number) for number in range(records)))
        _read(broker, records)  # a broker that was just started is slower
        landed, read = zip(
            *((_landed(broker, records), _read(broker, records)) for _ in range(TURNS)), strict=True
        )
        return Streamed(seconds, *_medians(landed), *_medians(read))


def _medians(paces: Collection[tuple[int, float]]) -> tuple[int, float]:
    per_second, cpu = zip(*paces, strict=True)
    return median(per_second), median(cpu)


def _seconds(broker: Broker, times: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="cip-streamed-") as scratch:
        settings = Settings(Path(scratch), "sail")
        generate(GeneratorConfig(customers=CUSTOMERS, end=END, seed=1), settings.landing)
        kafka = {"servers": broker.servers, "topics": [{"topic": TOPIC, "table": "transactions"}]}
        declared = {"first_month": "2023-01-01", "kafka": kafka}
        (settings.data_dir / "sources.yaml").write_text(json.dumps(declared), encoding="utf-8")
        environment = {**os.environ, "CIP_DATA_DIR": scratch, "CIP_ENGINE": "sail"}
        nothing = subprocess.DEVNULL
        command = [sys.executable, "-m", "cip_assets"]
        subprocess.run([*command, "run"], env=environment, check=True, stdout=nothing, stderr=nothing)
        replaced, seconds = Replaced(settings.final / "customer_360.csv"), []
        process = subprocess.Popen([*command, "stream"], env=environment, stdout=nothing, stderr=nothing)
        try:
            with (
                watching(settings.final, replaced),
                ui(environment),
                open_instance(settings.dagster_home) as instance,
            ):
                for number in range(times + 1):
                    customer = f"C{1 + number * 97:07d}"
                    wanted = replaced.orders(customer) + 1
                    began = time.monotonic()
                    _send(broker, [{**_line(f"S{number:07d}", number), "customer_id": customer}])
                    replaced.wait(customer, wanted)
                    seconds.append(round(time.monotonic() - began, 1))
                    wait_for_the_end(instance)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    return seconds[1:]  # the first one also waited for the start of the page and its daemon


def _line(name: str, number: int) -> dict[str, object]:
    return {
        "transaction_id": name,
        "customer_id": f"C{1 + number % CUSTOMERS:07d}",
        "product_id": f"P{1 + number % 300:05d}",
        "quantity": 1,
        "price": 12.5,
        "amount": 12.5,
        "payment_method": "PayPal",
        "transaction_date": str(END + timedelta(days=1)),
    }


def _send(broker: Broker, lines: Collection[dict[str, object]] | Iterator[dict[str, object]]) -> None:
    producer = Producer({"bootstrap.servers": broker.servers, "linger.ms": 5})
    for line in lines:
        while True:
            try:
                producer.produce(TOPIC, json.dumps(line), key=str(line["transaction_id"]))
                break
            except BufferError:
                producer.poll(1)
    producer.flush()


def _landed(broker: Broker, records: int) -> tuple[int, float]:
    """Records that land in a second, and the CPU of one."""
    kafka = Kafka(
        servers=broker.servers,
        group=f"landed{time.time()}",
        topics=(Topic(topic=TOPIC, table="transactions"),),
        seconds=1,
    )
    pace = Pace()
    with tempfile.TemporaryDirectory(prefix="cip-streamed-") as scratch:
        settings = Settings(Path(scratch), "sail")
        folder = TopicFolder.of(settings.landing, "transactions", TOPIC).path

        def are_there() -> bool:
            found = filter(None, map(Range.of, folder.glob("*/*.csv")))
            count = sum(each.last - each.first + 1 for each in found)
            pace.reached(count)
            return count == records

        stream(kafka, settings, print, are_there)
    return pace.ended(records)


def _read(broker: Broker, records: int) -> tuple[int, float]:
    """Records that the client reads in a second if it does nothing with them, and the CPU of one."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.servers,
            "group.id": f"read{time.time()}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([TOPIC])
    pace, found = Pace(), 0
    while found < records:
        found += sum(message.value() is not None for message in consumer.consume(5_000, 0.25))
        pace.reached(found)
    ended = pace.ended(records)
    consumer.close()
    return ended


@contextmanager
def _broker() -> Iterator[Broker]:
    with tempfile.TemporaryDirectory(prefix="cip-broker-") as folder:
        broker = Broker(Path(folder))
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def section(streamed: Collection[Streamed]) -> list[str]:
    """The part of docs/benchmarks.md about streams."""
    lines: list[str] = []
    for entry in streamed:
        lines += [
            "",
            "## A record of a topic",
            "",
            f"`make ui` and [`cip stream`](streams.md) run on a shop of {CUSTOMERS:,} customers, and one purchase is",
            f"put on a topic. `final/customer_360.csv` had it {median(entry.seconds):.1f} seconds later (median of",
            f"{len(entry.seconds)}, {min(entry.seconds)} to {max(entry.seconds)}).",
            "",
            f"Of {RECORDS:,} records on a topic, {entry.landed_per_second:,} a second became lines of landing files,",
            f"with {entry.landed_cpu} microseconds of CPU for each. A client that only reads them read",
            f"{entry.read_per_second:,} a second, with {entry.read_cpu} microseconds. The broker ran on the same",
            "machine.",
        ]
    return lines
