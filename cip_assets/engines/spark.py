"""Apache Spark with delta-spark: local, or a cluster named in ``CIP_SPARK_MASTER``. It needs Java 17 or later.

``CIP_SPARK_CONF`` has further settings of Spark, which win over those here.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from pyspark.sql import SparkSession

from cip_assets.config.errors import PlatformError

JAVA_AT_LEAST = 17
SCALA = "2.13"

TASKS = str(min(4, os.cpu_count() or 4))
"""Tasks of a step on one machine: on 2 cores, a small run took 96 s with 2 and 112 s with 4."""

LOCAL_TUNING = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.showConsoleProgress": "false",
    # On data that fits one machine, more tasks cost more than they save.
    "spark.sql.shuffle.partitions": TASKS,
    "spark.default.parallelism": TASKS,
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.driver.memory": "4g",
    # By default each sort, aggregate and broadcast join of a task takes pages of 64 MB, however few its rows are. With
    # small ones, the features and marts of ten customers took 11 s of CPU instead of 14, and 0.4 GB instead of 2.
    "spark.buffer.pageSize": "2m",
    # With so few tasks there is little to adapt a query to, and it is planned again after each of its stages. Without
    # that, the features and marts of ten customers took 13.4 s of CPU instead of 17.6. On clusters it stays on.
    "spark.sql.adaptive.enabled": "false",
    # Compiling code for each of about 200 small queries takes longer than it saves: a complete run on a few rows took
    # 119 s without compilation and 251 s with it. On clusters it stays on.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.log.level": "ERROR",
}

CLASSES = (
    "functions",
    "org.apache.spark.sql.functions",
    "org.apache.spark.sql.classic.SparkSession",
    "PythonUtils",
    "PythonSQLUtils",
    "PythonRDD",
    "SerDeUtil",
    "SimplePythonFunction",
)
"""The classes of the JVM that PySpark names to build a frame."""

FUNCTIONS = ("col", "lit", "when", "count", "coalesce", "sum")
"""The functions that are called most."""


def prepare(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The configuration of a Spark session with Delta.

    Raises:
        PlatformError: Java is missing or too old, or CIP_SPARK_CONF has something that is no setting.

    """
    check_java(environment)
    # Python functions must run in the interpreter that has this project's packages, not in `python3`.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    master = environment.get("CIP_SPARK_MASTER", "local[*]")
    config = {
        "spark.master": master,
        "spark.jars.packages": delta_package(),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    return config | (LOCAL_TUNING if master.startswith("local") else {}) | _own_settings(environment)


def _own_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings in CIP_SPARK_CONF.

    Raises:
        PlatformError: one of them has no value.

    """
    words = shlex.split(environment.get("CIP_SPARK_CONF", ""))
    for word in words:
        if not re.fullmatch(r"spark[.][^=]+=.+", word):
            raise PlatformError(
                f"CIP_SPARK_CONF: {word!r} is no setting; separate settings by spaces, such as spark.driver.memory=8g"
            )
    return dict(word.split("=", 1) for word in words)


def delta_package() -> str:
    """Where Maven has Delta for this Spark."""
    minor = ".".join(version("pyspark").split(".")[:2])
    return f"io.delta:delta-spark_{minor}_{SCALA}:{version('delta-spark')}"


def kafka_package() -> str:
    """Where Maven has what Structured Streaming needs to read Kafka."""
    return f"org.apache.spark:spark-sql-kafka-0-10_{SCALA}:{version('pyspark')}"


def remember_names(session: SparkSession) -> None:
    """Look up classes and functions of the JVM once.

    Otherwise py4j asks the JVM whenever one is named, and a class without its package is searched for in all jars:
    9,000 times for the features and marts of ten customers. Three times over, they took 87 s of CPU, and 77 s without.
    """
    jvm = session._jvm  # noqa: SLF001 -- PySpark's view of the JVM has no public name
    for name in CLASSES:
        setattr(jvm, name, getattr(jvm, name))
    for functions in (getattr(jvm, name) for name in CLASSES if name.endswith("functions")):
        for name in FUNCTIONS:
            setattr(functions, name, getattr(functions, name))


def check_java(environment: Mapping[str, str]) -> None:
    """Check that there is a Java version that Spark supports.

    Raises:
        PlatformError: there is no Java, or it is older than 17.

    """
    home = environment.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java", path=environment.get("PATH"))
    remedy = f"install Java {JAVA_AT_LEAST} or later, or leave CIP_ENGINE unset to use Sail, which needs none"
    if java is None or not Path(java).exists():
        raise PlatformError(f"CIP_ENGINE=spark needs Java, but none was found: {remedy}")
    printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1[.])?(\d+)', printed)
    if found is None or int(found[1]) < JAVA_AT_LEAST:
        raise PlatformError(f"CIP_ENGINE=spark needs Java {JAVA_AT_LEAST}, but {java} is older: {remedy}")
