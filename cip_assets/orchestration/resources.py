"""The resources of the assets: the engine and the data folder."""

import dagster as dg
from dagster_pyspark import LazyPySparkResource
from pydantic import Field, PrivateAttr
from pyspark.sql import SparkSession

from cip_assets.config.settings import Settings
from cip_assets.engines.session import start_session


class EngineResource(LazyPySparkResource):
    """dagster-pyspark's lazy resource, with the named engine.

    The first use starts the engine. Later uses share its session, also in later runs of the same process.

    Raises:
        PlatformError: the engine is unknown or cannot be started; the message says what to do.

    """

    spark_config: dict[str, str] = Field(
        default_factory=dict, description="Spark settings that override those of the engine."
    )
    engine: str = Field(default="sail", description="The engine: sail, spark or connect.")
    _session: SparkSession | None = PrivateAttr(default=None)

    @property
    def spark_session(self) -> SparkSession:
        if self._session is None:
            self._session = start_session(self.engine, self.spark_config)
        return self._session


class LakeResource(dg.ConfigurableResource):
    """The data folder, with landing files, Delta tables and exports, and the name of the engine."""

    data_dir: str
    engine_name: str = "sail"

    @property
    def settings(self) -> Settings:
        return Settings.at(self.data_dir, self.engine_name)
