"""The one Spark session of a process, from the engine that the settings name."""

import os
from collections.abc import Callable, Mapping

from dagster_pyspark import LazyPySparkResource
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from cip_assets.engines import connect, sail, spark
from cip_assets.errors import PlatformError

ENGINES: Mapping[str, Callable[[Mapping[str, str]], Mapping[str, str]]] = {
    "sail": sail.prepare,
    "spark": spark.prepare,
    "connect": connect.prepare,
}
"""For each engine what starts it, if need be, and returns the configuration of a session on it."""

SESSION_CONFIG = {"spark.sql.session.timeZone": "UTC"}


class EngineResource(LazyPySparkResource):
    """dagster-pyspark's lazy resource, on the engine that is named.

    The first use starts the engine; later uses, in later runs of the same process too, share its session.

    Raises:
        PlatformError: the engine is unknown or cannot be started; the message says what to do.

    """

    spark_config: dict[str, str] = Field(
        default_factory=dict, description="Spark settings that override the engine's own"
    )
    engine: str = Field(default="sail", description="sail, spark or connect")
    _session: SparkSession | None = PrivateAttr(default=None)

    @property
    def spark_session(self) -> SparkSession:
        if self._session is None:
            self._session = start_session(self.engine, self.spark_config)
        return self._session


def start_session(engine: str, overrides: Mapping[str, str] | None = None) -> SparkSession:
    """The session of this process on an engine, started if need be.

    Raises:
        PlatformError: the engine is unknown or cannot be started.

    """
    if engine not in ENGINES:
        raise PlatformError(f"CIP_ENGINE={engine!r} is no engine; set it to one of {', '.join(ENGINES)}")
    config = {**ENGINES[engine](os.environ), **(overrides or {})}
    builder = SparkSession.builder.appName("cip")
    for key, value in config.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    for key, value in SESSION_CONFIG.items():
        session.conf.set(key, value)
    return session
