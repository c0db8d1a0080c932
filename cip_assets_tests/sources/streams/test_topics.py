"""The topics in ``sources.yaml``: what is wrong is named in one line, and no secret stands there."""

import re
from pathlib import Path
from typing import get_args

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.layers import EVENT_TABLES
from cip_assets.sources.config import load_sources
from cip_assets.sources.streams import values
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.topics import EventTable, Kafka
from cip_assets.sources.streams.values import landing_text
from cip_assets_tests.documents import quoted

GOOD = """
first_month: 2024-01-01
kafka:
  servers: 127.0.0.1:9092
  settings: {security.protocol: SASL_SSL, sasl.username: shop, sasl.password: '${SHOP_KAFKA}', linger.ms: 5}
  topics:
  - {topic: shop.orders, table: transactions, columns: {customer_id: customer.id}}
  - {topic: shop.visits, table: web_activity, values: csv, header: [session_id, customer_id, timestamp]}
"""


def kafka(folder: Path, text: str = GOOD) -> Kafka:
    (folder / "sources.yaml").write_text(text, encoding="utf-8")
    sources = load_sources(folder)
    assert sources is not None
    assert sources.kafka is not None
    return sources.kafka


def test_settings_get_the_values_of_their_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = kafka(tmp_path)
    with pytest.raises(PlatformError, match="SHOP_KAFKA is not set"):
        found.connection()
    monkeypatch.setenv("SHOP_KAFKA", "a secret")
    assert found.connection() == {
        "bootstrap.servers": "127.0.0.1:9092",
        "security.protocol": "SASL_SSL",
        "sasl.username": "shop",
        "sasl.password": "a secret",
        "linger.ms": 5,
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("'${SHOP_KAFKA}'", "hunter2", "sasl.password may be a secret; put it into an environment variable"),
        ("linger.ms: 5", "isolation.level: x", "isolation.level is not yours to set"),
        ("table: transactions", "table: customers", "kafka.topics.0.table: Input should be 'transactions', "),
        ("shop.visits", "shop.orders", "two entries have one topic"),
        (", header: [session_id, customer_id, timestamp]", "", "if, and only if, values is csv"),
        ("timestamp]}", "time], columns: {timestamp: timestamp}}", "header has no field 'timestamp'"),
        (
            "values: csv, header: [session_id, customer_id, timestamp]",
            "values: avro",
            "name the schema registry",
        ),
        (
            "  settings",
            "  registry: https://a:hunter2@b\n  settings",
            "registry: put the password into an env",
        ),
        ("shop.orders", "shop/orders", "kafka.topics.0.topic: String should match pattern"),
    ],
)
def test_what_is_wrong_is_one_line_without_secrets(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(PlatformError) as error:
        kafka(tmp_path, GOOD.replace(old, new))
    assert message in str(error.value)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_column_that_the_table_lacks_is_refused(tmp_path: Path) -> None:
    topic = kafka(tmp_path, GOOD.replace("customer_id: customer.id", "buyer: customer.id")).topics[0]
    with pytest.raises(
        PlatformError, match=r"topic shop\.orders: transactions has no column 'buyer'; it has tra"
    ):
        landing_text(topic, 0, Records())


def test_a_file_without_exports_and_topics_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("first_month: 2024-01-01", encoding="utf-8")
    with pytest.raises(PlatformError, match="name exports or kafka"):
        load_sources(tmp_path)


def test_topics_can_be_lines_of_every_table_of_events() -> None:
    assert set(get_args(EventTable)) == set(EVENT_TABLES)


GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "streams.md").read_text(encoding="utf-8")


def test_the_examples_of_the_guide_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, *parts = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    for topic in kafka(tmp_path, whole).topics:
        landing_text(topic, 0, Records())
    for part in parts:
        for variable in re.findall(r"\$\{(\w+)\}", part):
            monkeypatch.setenv(variable, "a secret")
        assert kafka(
            tmp_path, f"{whole}{part}".replace("  servers: broker1", "  group: broker1")
        ).connection()


def test_the_reasons_of_the_guide_are_those_of_the_code() -> None:
    code = Path(values.__file__).read_text(encoding="utf-8")
    reasons = quoted(GUIDE.partition("| the reason |")[2].partition("\n\n")[0])
    for reason in reasons:
        assert re.split(r"'|: [.]{3}|\d| id$", reason)[0].strip() in code, reason
