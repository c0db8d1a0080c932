"""The topics that ``sources.yaml`` names, and what the fields of their records are.

Nothing here connects to a broker, so this module is cheap to import.
"""

import re
from collections.abc import Mapping
from os import environ
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cip_assets.config.errors import PlatformError

EventTable = Literal["transactions", "returns", "support_tickets", "web_activity"]
"""The tables of events. Customers and products come as full deliveries, and a topic has changes."""

VARIABLE = re.compile(r"\$\{(\w+)\}")
"""An environment variable in a setting."""

SECRET = re.compile(
    r"pass(word|phrase)|secret|token|credential|jaas|oauthbearer.config|[.]key$|key[.]pem", re.IGNORECASE
)
"""Settings whose value may be a secret."""

PLAIN_PASSWORD = re.compile(r"//[^/@]*:(?!\$\{\w+\}@)[^/@]*@")
"""An address with a password."""

OWN = frozenset(
    {
        "bootstrap.servers",
        "group.id",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "isolation.level",
        "partition.assignment.strategy",
    }
)
"""Settings that decide what is read, and when. They are not a person's to set."""


class _Strict(BaseModel):
    # Errors do not show what was given, because it may be a password.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Topic(_Strict):
    """A topic whose records are lines of a table."""

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=249, description="the name of the topic")
    table: EventTable = Field(description="the table")
    values: Literal["json", "csv", "avro"] = Field(
        default="json",
        description="how the value of a record is written: a JSON object, a line of CSV, or Avro with a registry",
    )
    header: tuple[str, ...] = Field(default=(), description="the fields of a line of CSV, in order")
    columns: Mapping[str, str] = Field(
        default={},
        description="the field of each column of the table, such as customer_id: customer.id for an object in an "
        "object; a column that is not named here has the field with its own name",
    )
    ignored: tuple[str, ...] = Field(
        default=(), description="fields that are not read; a record with any other field is quarantined"
    )

    @model_validator(mode="after")
    def _has_a_header_for_csv(self) -> Self:
        if (self.values == "csv") != bool(self.header):
            raise ValueError("name the fields of a line in header if, and only if, values is csv")
        if self.header and (lacking := sorted(set(self.columns.values()) - set(self.header))):
            raise ValueError(f"columns: header has no field {lacking[0]!r}")
        return self


class Kafka(_Strict):
    """A cluster and its topics."""

    servers: str = Field(description="the brokers to ask first: host:port, and others after commas")
    group: str = Field(
        default="cip", description="the consumer group; consumers of one group share the partitions"
    )
    settings: Mapping[str, str | bool | int] = Field(
        default={},
        description="further settings of librdkafka, such as security.protocol: SASL_SSL. A secret is written as "
        "${VARIABLE}, the name of an environment variable",
    )
    seconds: float = Field(
        default=10,
        ge=0.1,
        le=3600,
        description="the shortest time between two landing files of a partition",
    )
    records: int = Field(
        default=50_000, ge=1, description="the records after which a landing file is written at once"
    )
    registry: str = Field(
        default="",
        description="the address of the schema registry for values in Avro, such as "
        "https://shop:${REGISTRY_PASSWORD}@registry.example.org",
    )
    fresh_minutes: float = Field(
        default=15, gt=1, description="the minutes that a topic may be behind before an alert is sent"
    )
    reader: Literal["client", "structured_streaming"] = Field(
        default="client",
        description="what reads the topics: Kafka's client until it is stopped, or Structured Streaming, which reads "
        "what is there and ends; it needs CIP_ENGINE=spark",
    )
    topics: tuple[Topic, ...] = Field(min_length=1, description="the topics")

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        for name, value in self.settings.items():
            if name in OWN:
                raise ValueError(f"settings: {name} is not yours to set; leave it out")
            if SECRET.search(name) and not VARIABLE.fullmatch(str(value)):
                raise ValueError(
                    f"settings: {name} may be a secret; put it into an environment variable and write "
                    "${KAFKA_PASSWORD}"
                )
        if PLAIN_PASSWORD.search(self.registry):
            raise ValueError(
                "registry: put the password into an environment variable and write ${REGISTRY_PASSWORD}"
            )
        if not self.registry and any(topic.values == "avro" for topic in self.topics):
            raise ValueError("name the schema registry in registry, because a topic has values in Avro")
        names = [topic.topic for topic in self.topics]
        if len(set(names)) < len(names):
            raise ValueError("two entries have one topic; name each once")
        return self

    def connection(self) -> dict[str, str | bool | int]:
        """The settings of a client, with the values of their variables.

        Raises:
            PlatformError: a variable is not set.

        """
        given = {
            name: self.filled(value) if isinstance(value, str) else value
            for name, value in self.settings.items()
        }
        return {**given, "bootstrap.servers": self.filled(self.servers)}

    @staticmethod
    def filled(text: str) -> str:
        """A text with the values of its variables.

        Raises:
            PlatformError: a variable is not set.

        """

        def value_of(found: re.Match[str]) -> str:
            if found[1] not in environ:
                raise PlatformError(
                    f"kafka: {found[1]} is not set; set it, because the settings in sources.yaml need it"
                )
            return environ[found[1]]

        return VARIABLE.sub(value_of, text)

    def java_connection(self) -> dict[str, str]:
        """The same settings as Java's client wants them, where its names differ.

        Raises:
            PlatformError: a variable is not set.

        """
        settings = {name: str(value) for name, value in self.connection().items()}
        user, password = settings.pop("sasl.username", None), settings.pop("sasl.password", None)
        if user is not None and password is not None:
            kind = "plain.Plain" if settings.get("sasl.mechanism", "PLAIN") == "PLAIN" else "scram.Scram"
            module = f"org.apache.kafka.common.security.{kind}LoginModule"
            user, password = (each.replace("\\", r"\\").replace('"', r"\"") for each in (user, password))
            settings["sasl.jaas.config"] = f'{module} required username="{user}" password="{password}";'
        if certificates := settings.pop("ssl.ca.location", None):
            settings |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": certificates}
        return settings
