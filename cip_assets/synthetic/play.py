"""Plays the newest delivery of a generated shop onto topics, in the order of its days."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from confluent_kafka import Producer

from cip_assets.synthetic.broker import Broker
from cip_assets.synthetic.tables import COLUMNS, SNAPSHOTS

DATES = ("transaction_date", "return_date", "opened_date", "timestamp")
"""The columns that date the lines."""

PARTITIONS = 2


@dataclass(frozen=True)
class Played:
    """A line of a landing file that becomes a record."""

    day: str
    table: str
    text: bytes


def taken(landing: Path) -> Sequence[Played]:
    """The lines of the newest delivery of each table of events, whose files are removed."""
    lines = []
    for table in (table for table in COLUMNS if table not in SNAPSHOTS):
        newest = max((landing / table).glob(f"dt=*/{table}.csv"))
        date = next(place for place, name in enumerate(COLUMNS[table]) if name in DATES)
        _, *texts = newest.read_bytes().splitlines()
        lines += [Played(_field(text, date), table, text) for text in texts]
        newest.unlink()
    return sorted(lines, key=lambda line: line.day)


def _field(text: bytes, place: int) -> str:
    fields = text.decode("utf-8", "replace").split(",")
    return fields[place] if place < len(fields) else ""


def topic_of(table: str) -> str:
    return f"shop.{table}"


def sources(broker: Broker, lines: Sequence[Played]) -> str:
    """A ``sources.yaml`` with the topics of these lines."""
    topics = [
        {"topic": topic_of(table), "table": table, "values": "csv", "header": [*COLUMNS[table]]}
        for table in sorted({line.table for line in lines})
    ]
    kafka = {"servers": broker.servers, "seconds": 5, "topics": topics}
    return yaml.safe_dump({"first_month": "2023-01-01", "kafka": kafka}, sort_keys=False)


def play(
    broker: Broker, lines: Sequence[Played], speed: float, stopping: Callable[[], bool] = lambda: False
) -> Iterator[Played]:
    """Put the lines on their topics, so many in a second; yields each.

    Args:
        broker: the broker, with the topics.
        lines: the lines.
        speed: records in a second.
        stopping: whether to stop.

    """
    producer = Producer({"bootstrap.servers": broker.servers, "enable.idempotence": True, "log_level": 0})
    began = time.monotonic()
    for number, line in enumerate(lines):
        if stopping():
            break
        # It waits for answers until the record's moment comes, and each answer ends a wait.
        while (left := began + number / speed - time.monotonic()) > 0:
            producer.poll(left)
        producer.poll(0)
        producer.produce(topic_of(line.table), value=line.text, key=line.text.partition(b",")[0])
        yield line
    producer.flush()
