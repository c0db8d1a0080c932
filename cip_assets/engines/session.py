"""The one Spark session of a process, from the engine that the settings name."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from pyspark.sql import SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.config.folders import plain_path
from cip_assets.engines import connect, sail, spark

ENGINES: Mapping[str, Callable[[Mapping[str, str]], Mapping[str, str]]] = {
    "sail": sail.prepare,
    "spark": spark.prepare,
    "connect": connect.prepare,
}
"""For each engine what starts it, if need be, and returns the configuration of a session on it."""

SESSION_CONFIG = {"spark.sql.session.timeZone": "UTC"}

FROM_THE_START = {
    # If not, PySpark looks for the line that called it, and for IPython, at every call: a second of a small run.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}


def start_session(engine: str, overrides: Mapping[str, str] | None = None) -> SparkSession:
    """The session of this process on an engine, started if need be.

    Raises:
        PlatformError: the engine is unknown or cannot be started.

    """
    if engine not in ENGINES:
        raise PlatformError(f"CIP_ENGINE={engine!r} is no engine; set it to one of {', '.join(ENGINES)}")
    config = {**FROM_THE_START, **ENGINES[engine](os.environ), **(overrides or {})}
    builder = SparkSession.builder.appName("cip")
    for key, value in config.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    for key, value in SESSION_CONFIG.items():
        session.conf.set(key, value)
    return session


def address_of(session: SparkSession, path: Path) -> str:
    """The address by which an engine finds a folder of this machine.

    Apache Spark takes any path as it is. Sail 0.7.2 makes a URL of it and takes the URL for the path: it would
    write into a folder named ``my%20shop``. So it is given a path that is its own URL.

    Raises:
        PlatformError: the engine is a Sail elsewhere, where there is no such path.

    """
    plain = plain_path(path)
    if plain == path or _is_apache_spark(session):
        return str(path)
    if not sail.is_running():
        raise PlatformError(
            f"{str(path)!r} cannot be written by the endpoint of CIP_SPARK_REMOTE, which is not Apache Spark: "
            "take a folder whose path has only letters from a to z, digits, '.', '_', '-' and '='"
        )
    return str(plain)


@cache
def _is_apache_spark(session: SparkSession) -> bool:
    """Other engines behind Spark Connect name Spark's version as the session's, and have another of their own."""
    (row,) = session.sql("SELECT version()").collect()
    return str(row[0]).startswith(session.version)
