"""Structured Streaming on a real broker. Spark gets its package for Kafka when it starts, so it is a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cip_assets.config.errors import PlatformError
from cip_assets.engines.session import start_session_for_topics
from cip_assets.sources.streams.lag import told
from cip_assets.sources.streams.topics import Kafka
from cip_assets.synthetic.broker import Broker
from cip_assets_tests.kafka import configure, landed
from cip_assets_tests.sources.streams.test_consume import numbered, send

READ_FOUR_TIMES = """
import os, shutil, sys
from collections import Counter
from datetime import date
from pathlib import Path
from cip_assets.config.settings import Settings
from cip_assets.engines.session import start_session_for_topics
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.from_topics import read_topics
from cip_assets.ingest.manifest import read_manifest
from cip_assets.ingest.read import read_landing
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.config import load_sources
from cip_assets.storage import delta

settings = Settings(Path(sys.argv[1]), os.environ["CIP_ENGINE"])
session = start_session_for_topics(settings.engine)
calendar = Calendar(date(2024, 1, 1), date(2026, 12, 1))
source = SOURCE_TABLES["transactions"]
raw = settings.table_uri("raw", "transactions")

def make_raw():
    nothing = read_landing(session, settings.landing, source, [], calendar)
    delta.write(nothing, raw, schema=source.raw.spark_schema, partition_column="month")

def read(what):
    read_topics(session, load_sources(settings.data_dir).kafka, settings, calendar, lambda _: None)
    rows = delta.dataset(raw).to_table(["transaction_id", "source_line"]).to_pylist() if delta.exists(raw) else []
    twice = [key for key, count in Counter(row["transaction_id"] for row in rows).items() if count > 1]
    print(what, len(rows), len(twice), len(list(settings.landing.rglob("*.csv"))), flush=True)

def forget_the_batch():
    (commits,) = settings.lake.glob("_topics/*/*/commits")
    shutil.rmtree(commits)

make_raw()
read("first")
read("again")
forget_the_batch()
read("killed before the checkpoint")
forget_the_batch()
shutil.rmtree(raw)
make_raw()
read("killed before raw")
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.engine
@pytest.mark.not_on("sail", because="it appends a batch twice", link="docs/streams.md#structured-streaming")
def test_spark_lands_and_appends_each_record_once(engine: str, broker: Broker, tmp_path: Path) -> None:
    broker.make("structured", 2)
    configure(tmp_path, broker, "structured")
    send(broker, "structured", numbered("a", 20))
    send(broker, "structured", ["aborted"], **{"transactional.id": "structured"})
    done = subprocess.run(
        [sys.executable, "-c", READ_FOUR_TIMES, str(tmp_path)],
        env={**os.environ, "CIP_ENGINE": engine},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "first 20 0 2",
        "again 20 0 2",
        "killed before the checkpoint 20 0 2",
        "killed before raw 20 0 2",
    ], done.stderr[-3000:]
    assert sorted(landed(tmp_path)) == sorted(numbered("a", 20))
    # Dagster is told, though nothing was left to read the last time, and the aborted record is an offset, too.
    state = told(tmp_path, time.time())["structured"]
    assert [(p.partition, p.lag) for p in state.partitions] == [(0, 0), (1, 0)]
    assert sum(p.landed_to for p in state.partitions) > 20


def test_engines_that_would_append_a_batch_twice_are_refused() -> None:
    with pytest.raises(PlatformError, match="needs CIP_ENGINE=spark, because sail ignores txnAppId"):
        start_session_for_topics("sail")


def test_java_gets_the_settings_under_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KAFKA", 'a"b\\c')
    declared = yaml.safe_load("""
servers: 127.0.0.1:9092
topics: [{topic: shop, table: returns}]
settings: {sasl.mechanism: SCRAM-SHA-512, sasl.username: shop, sasl.password: '${SHOP_KAFKA}', ssl.ca.location: ca.pem}
""")
    assert Kafka.model_validate(declared).java_connection() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="shop" password="a\\"b\\\\c";',
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "ca.pem",
    }
