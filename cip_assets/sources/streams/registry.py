"""The schemas of Avro values, from a schema registry that answers as Confluent's does."""

import json
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote, urlsplit

import fastavro
import requests

from cip_assets.config.errors import PlatformError
from cip_assets.sources.streams.topics import Kafka

ANSWER = 5.0
"""The seconds that the registry has to answer."""


class RegistryAwayError(OSError):
    """The registry does not answer."""


class Registry:
    """A registry. A schema never changes, so it is asked for once."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        parts = urlsplit(url)
        self._shown = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._known: dict[int, Any] = {}

    @classmethod
    def of(cls, kafka: Kafka) -> Self | None:
        """The registry that ``sources.yaml`` names, if it does.

        Raises:
            PlatformError: a variable is not set.

        """
        return cls(kafka.filled(kafka.registry)) if kafka.registry else None

    def schema(self, number: int) -> Any:
        """The Avro schema with a number; None if the registry has none.

        Raises:
            RegistryAwayError: the registry does not answer.
            PlatformError: it refuses the user.

        """
        if number not in self._known:
            found = self._ask(f"/schemas/ids/{number}")
            if found is None or found.get("schemaType", "AVRO") != "AVRO":
                return None
            self._known[number] = self._parsed(found, {})
        return self._known[number]

    def _parsed(self, found: Mapping[str, Any], named: dict[str, Any]) -> Any:
        """A schema after those that it refers to by their names."""
        for other in found.get("references") or ():
            path = f"/subjects/{quote(other['subject'], safe='')}/versions/{other['version']}"
            self._parsed(self._ask(path) or {"schema": "{}"}, named)
        return fastavro.parse_schema(json.loads(found["schema"]), named)

    def _ask(self, path: str) -> Mapping[str, Any] | None:
        try:
            answer = requests.get(self._url + path, timeout=ANSWER)
        except requests.RequestException as error:
            # Its text has the address with the password.
            raise RegistryAwayError(
                f"the schema registry at {self._shown} does not answer ({type(error).__name__})"
            ) from None
        if answer.status_code == requests.codes.not_found:
            return None
        if answer.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise PlatformError(
                f"kafka: the schema registry at {self._shown} refuses the user; check the user and the password in "
                "registry"
            )
        if not answer.ok:
            raise RegistryAwayError(f"the schema registry at {self._shown} answers {answer.status_code}")
        found: Mapping[str, Any] = answer.json()
        return found
