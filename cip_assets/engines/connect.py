"""Any Spark Connect endpoint with Delta, such as Databricks, at ``CIP_SPARK_REMOTE=sc://host:port``."""

import socket
from collections.abc import Mapping
from urllib.parse import urlparse

from cip_assets.config.errors import PlatformError

DEFAULT_PORT = 15002
CONNECT_SECONDS = 5


def prepare(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Check that the endpoint answers, and return the configuration of a session on it.

    No message shows the whole address, because it may hold a token.

    Raises:
        PlatformError: no endpoint is set, or it does not answer.

    """
    remote = environment.get("CIP_SPARK_REMOTE", "")
    address = urlparse(remote)
    if address.scheme != "sc" or not address.hostname:
        found = "not such an address" if remote else "not set"
        raise PlatformError(f"CIP_ENGINE=connect needs CIP_SPARK_REMOTE=sc://host:port; it is {found}")
    port = address.port or DEFAULT_PORT
    try:
        socket.create_connection((address.hostname, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise PlatformError(
            f"CIP_SPARK_REMOTE=sc://{address.hostname}:{port} does not answer ({error}); start the server or correct "
            "the address"
        ) from error
    return {"spark.remote": remote}
