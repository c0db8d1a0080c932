"""The newest delivery of a generated shop is played onto topics."""

import time
from datetime import date
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from cip_assets.sources.config import load_sources
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.values import landing_text
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets.synthetic.broker import Broker
from cip_assets.synthetic.play import PARTITIONS, play, sources, taken, topic_of
from cip_assets_tests.conftest import Cip

SHOP = GeneratorConfig(customers=40, end=date(2024, 5, 20), months=2, seed=3, defects=0.05)


def test_each_line_becomes_a_record_that_lands_as_that_line(broker: Broker, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    generate(SHOP, landing)
    newest = [max(folder.glob("dt=*/*.csv")) for folder in landing.iterdir() if folder.is_dir()]
    texts = {path.stem: path.read_text("utf-8").splitlines() for path in newest}
    lines = taken(landing)
    assert not any(path.exists() for path in newest)
    assert len(lines) == sum(len(found) - 1 for found in texts.values())
    assert [line.day for line in lines] == sorted(line.day for line in lines)

    (tmp_path / "sources.yaml").write_text(sources(broker, lines), encoding="utf-8")
    declared = load_sources(tmp_path)
    assert declared is not None
    assert declared.kafka is not None
    for topic in declared.kafka.topics:
        broker.make(topic.topic, PARTITIONS)
        values: list[bytes | None] = [line.text for line in lines if line.table == topic.table]
        landed = landing_text(topic, 0, Records([*range(len(values))], values)).decode().splitlines()
        header, *sent = texts[topic.table]
        whole = [line for line in sent if line.count(",") == header.count(",") and '"' not in line]
        assert len(landed) == len(sent) + 1
        assert {line.split(",")[0] for line in whole if line.split(",")[0]} <= {
            line.split(",")[0] for line in landed
        }

    assert len(list(play(broker, lines, 1e6))) == len(lines)
    ends = Consumer({"bootstrap.servers": broker.servers, "group.id": "test", "log_level": 0})
    there = [TopicPartition(topic_of(table), n) for table in texts for n in range(PARTITIONS)]
    assert sum(ends.get_watermark_offsets(place)[1] for place in there) == len(lines)
    ends.close()

    began = time.monotonic()
    assert len(list(play(broker, lines[:4], 10.0))) == 4
    assert time.monotonic() - began >= 0.3


def test_a_folder_with_topics_of_its_own_is_refused(cip: Cip, data_dir: Path) -> None:
    (data_dir / "sources.yaml").write_text("first_month: 2024-01-01\n", encoding="utf-8")
    code, _, errors = cip("generate", "--stream")
    assert code == 1
    assert "sources.yaml exists; set CIP_DATA_DIR to another folder" in errors
    assert not any((data_dir / "landing").iterdir())
