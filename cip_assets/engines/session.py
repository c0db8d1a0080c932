"""The single Spark session of a process, on the engine that the settings name."""

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
"""For each engine, the function that starts it if necessary and returns the configuration of a session on it."""

SESSION_CONFIG = {"spark.sql.session.timeZone": "UTC"}

FROM_THE_START = {
    # Otherwise PySpark searches for the calling line, and for IPython, at every call: one second of a small run.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
}
"""What cannot be set after the start, so not for a server that somebody else started."""


def start_session(engine: str, overrides: Mapping[str, str] | None = None) -> SparkSession:
    """The session of this process on an engine; it is started if necessary.

    Raises:
        PlatformError: the engine is unknown or cannot be started.

    """
    if engine not in ENGINES:
        raise PlatformError(f"Unknown engine CIP_ENGINE={engine!r}. Choose one of: {', '.join(ENGINES)}")
    own = {} if engine == "connect" else FROM_THE_START
    config = {**own, **ENGINES[engine](os.environ), **(overrides or {})}
    builder = SparkSession.builder.appName("cip")
    for key, value in config.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    if engine == "spark":
        spark.remember_names(session)
    if engine == "sail":
        sail.read_directly(session)
        sail.ask_once(session)
        sail.leave_quietly(session)
    for key, value in SESSION_CONFIG.items():
        session.conf.set(key, value)
    return session


def start_session_for_topics(engine: str) -> SparkSession:
    """The session of this process, which can read topics of Kafka and append a batch of records once.

    Raises:
        PlatformError: the engine cannot do this.

    """
    if engine != "spark":
        raise PlatformError(
            f"sources.yaml: reader: structured_streaming needs CIP_ENGINE=spark, because {engine} ignores txnAppId and "
            "txnVersion, so a batch that is repeated would be appended twice: leave reader out, and cip stream reads "
            "topics on every engine"
        )
    packages = f"{spark.delta_package()},{spark.kafka_package()}"
    return start_session(engine, {"spark.jars.packages": packages})


def address_of(session: SparkSession, path: Path) -> str:
    """The address at which an engine finds a folder of this machine.

    Apache Spark accepts any path as it is. Sail 0.7.2 encodes a path as a URL and then uses that URL as the path, so it
    would write into a folder named ``my%20shop``. Therefore Sail gets a path that stays the same as a URL.

    Raises:
        PlatformError: the engine is a Sail server on another machine, which does not have such a path.

    """
    plain = plain_path(path)
    if plain == path or _is_apache_spark(session):
        return str(path)
    if not sail.is_running():
        raise PlatformError(
            f"the endpoint CIP_SPARK_REMOTE cannot write to {str(path)!r} because it is not Apache Spark: "
            "use a folder whose path has only the letters a to z, digits, '.', '_', '-' and '='"
        )
    return str(plain)


def require_conditional_commits(session: SparkSession, address: str) -> None:
    """Refuse an engine that does not write a commit in a bucket only if nobody else has.

    Raises:
        PlatformError: the engine is Apache Spark, so commits could be lost.

    """
    if _is_apache_spark(session):
        raise PlatformError(
            f"Apache Spark cannot write to {address}, because its Delta does not see commits of others there: leave "
            "CIP_ENGINE unset to use Sail, or set CIP_DATA_DIR to a folder"
        )


@cache
def _is_apache_spark(session: SparkSession) -> bool:
    """Other Spark Connect engines report Spark's version for the session, but their own version in SQL."""
    (row,) = session.sql("SELECT version()").collect()
    return str(row[0]).startswith(session.version)
