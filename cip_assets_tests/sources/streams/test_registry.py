"""Values in Avro, with a schema registry: a server that answers as its documentation says, and knows these schemas."""

import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.config.errors import PlatformError
from cip_assets.sources.streams.records import Records
from cip_assets.sources.streams.registry import Registry, RegistryAwayError
from cip_assets.sources.streams.topics import Topic
from cip_assets.sources.streams.values import landing_text
from cip_assets_tests.kafka import SchemaRegistry

RETURNS = Topic(
    topic="back", table="returns", values="avro", columns={"customer_id": "customer.id"}, ignored=("at",)
)

CUSTOMER = {"type": "record", "name": "Customer", "fields": [{"name": "id", "type": "long"}]}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}
RETURN = {
    "type": "record",
    "name": "Return",
    "fields": [
        {"name": "return_id", "type": "string"},
        {"name": "customer", "type": "Customer"},
        {"name": "amount", "type": ["null", MONEY]},
        {"name": "return_date", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
REFERENCES = [{"name": "Customer", "subject": "a/customer", "version": 3}]
ANSWERS = {
    "/schemas/ids/7": {"schema": json.dumps(RETURN), "references": REFERENCES},
    "/subjects/a%2Fcustomer/versions/3": {"schema": json.dumps(CUSTOMER)},
    "/schemas/ids/8": {"schema": "{}", "schemaType": "PROTOBUF"},
}


def framed(record: Mapping[str, Any], number: int = 7) -> bytes:
    named: dict[str, Any] = {}
    fastavro.parse_schema(CUSTOMER, named)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(RETURN, named), record)
    return b"\0" + number.to_bytes(4, "big") + written.getvalue()


GOOD = framed(
    {
        "return_id": "r1",
        "customer": {"id": 7},
        "amount": Decimal("12.50"),
        "return_date": date(2024, 5, 17),
        "at": datetime(2024, 5, 17, tzinfo=UTC),
    }
)


@pytest.fixture(scope="module")
def server() -> Iterator[SchemaRegistry]:
    with SchemaRegistry(ANSWERS) as server:
        yield server


def lines(server: SchemaRegistry, *values: bytes) -> list[str]:
    text = landing_text(RETURNS, 3, Records([*range(len(values))], [*values]), Registry(server.url))
    return text.decode().split("\n")[1:-1]


def test_a_value_becomes_the_fields_that_json_would_have(server: SchemaRegistry) -> None:
    header, line = landing_text(RETURNS, 3, Records([40], [GOOD]), Registry(server.url)).decode().splitlines()
    assert {name: text for name, text in zip(header.split(","), line.split(","), strict=True) if text} == {
        "return_id": "r1",
        "customer_id": "7",
        "amount": "12.50",
        "return_date": "2024-05-17",
        "stream_offset": "40",
    }


def test_what_is_no_avro_of_a_known_schema_is_quarantined(server: SchemaRegistry) -> None:
    asked = len(server.asked)
    values = (
        GOOD[:-1],
        GOOD + b"\0",
        b"{}",
        GOOD[:1] + b"\0\0\0\x09" + GOOD[5:],
        b"\0\0\0\0\x09",
        b"\0\0\0\0\x08",
    )
    assert [line.rpartition(": ")[2].strip('"') for line in lines(server, *values, GOOD)[:-1]] == [
        "it is not what schema 7 says",
        "it is not what schema 7 says",
        "it does not begin with the number of a schema",
        "the registry has no Avro schema 9",
        "the registry has no Avro schema 9",
        "the registry has no Avro schema 8",
    ]
    assert len(server.asked) - asked == 4, "each schema is asked for once, and the one that it refers to"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=9))
def test_no_bytes_stop_a_partition(server: SchemaRegistry, values: list[bytes]) -> None:
    assert len(lines(server, *(GOOD[:5] + value for value in values), GOOD)) == len(values) + 1


def test_a_registry_that_is_away_or_refuses_says_so_without_the_password(server: SchemaRegistry) -> None:
    for answer, error in ((503, RegistryAwayError), (401, PlatformError)):
        server.refuse_with = answer
        with pytest.raises(error, match=r"the schema registry at http://127\.0\.0\.1:\d+ ") as raised:
            Registry(server.url.replace("//", "//shop:hunter2@")).schema(7)
        assert "hunter2" not in str(raised.value)
    server.refuse_with = 0
    with pytest.raises(RegistryAwayError, match=r"at http://127\.0\.0\.1:1 does not answer") as away:
        Registry("http://shop:hunter2@127.0.0.1:1").schema(7)
    assert "hunter2" not in str(away.value)
