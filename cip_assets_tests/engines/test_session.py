"""The session of a process."""

import os
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest
from pyspark.sql import SparkSession

from cip_assets.config.errors import PlatformError
from cip_assets.engines import connect
from cip_assets.engines import spark as apache_spark
from cip_assets.engines.spark import CLASSES, FUNCTIONS
from cip_assets_tests.conftest import ENGINE

ON_ONE_CORE = """
import os
os.environ["SPARK_CONNECT_LOG_LEVEL"] = "error"
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import pyspark.sql.functions as F
from pyspark.sql import Window
from cip_assets.engines.session import start_session
rows = start_session("sail").createDataFrame([("a", 1), ("a", 2), ("b", 3)], "id string, n int")
alone = rows.where("id = 'b'").repartition("id").withColumn("place", F.lit(1))
several = rows.where("id = 'a'").repartition("id")
several = several.withColumn("place", F.row_number().over(Window.partitionBy("id").orderBy("n")))
print(sorted(row["place"] for row in alone.unionByName(several).collect()))
"""

WITH_LITTLE_MEMORY = """
import os
os.environ["CIP_SAIL_MEMORY_GB"] = "0.001"
from types import SimpleNamespace
from cip_assets.engines.session import start_session
from cip_assets.orchestration.failures import root_of
rows = start_session("sail").range(1_000_000).selectExpr("id", "cast(id as string) AS text")
try:
    rows.join(rows.withColumnRenamed("text", "other"), "id").selectExpr("max(other)").collect()
except Exception as error:
    described = SimpleNamespace(cls_name=type(error).__name__, message=str(error), cause=None)
    print(*(failure.message for failure in root_of(described, "step")), flush=True)
os._exit(0)
"""


@pytest.mark.engine
def test_calls_on_frames_do_not_look_for_their_line_of_code(spark: SparkSession) -> None:
    assert spark.conf.get("spark.python.sql.dataFrameDebugging.enabled") == "false"


@pytest.mark.engine
def test_a_setting_has_its_last_value(spark: SparkSession) -> None:
    for value in ("one", "two"):
        spark.conf.set("cip.tried", value)
        assert [spark.conf.get("cip.tried"), spark.conf.get("cip.tried")] == [value, value]
    spark.conf.unset("cip.tried")
    assert spark.conf.get("cip.tried", "none") == "none"


@pytest.mark.skipif(ENGINE == "spark", reason="PySpark asks its own JVM")
def test_a_setting_is_asked_for_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    stub = spark.client._stub
    monkeypatch.setattr(stub, "Config", lambda *a, ask=stub.Config, **k: [asked.append(a), ask(*a, **k)][1])
    spark.conf.set("cip.tried", "one")
    assert [spark.conf.get("cip.tried") for _ in range(3)] == ["one"] * 3
    assert len(asked) == 2


@pytest.mark.engine
@pytest.mark.not_on("sail", because="it has no JVM", link="docs/architecture.md#two-engines-one-code-base")
def test_names_of_the_jvm_are_looked_up_once(spark: SparkSession) -> None:
    assert vars(spark._jvm).keys() >= set(CLASSES)
    assert vars(spark._jvm.functions).keys() >= set(FUNCTIONS)


@pytest.mark.engine
@pytest.mark.skipif(ENGINE == "sail", reason="Sail is tested where there is no Java")
def test_settings_of_spark_in_the_environment_win_over_ours() -> None:
    config = apache_spark.prepare(
        {**os.environ, "CIP_SPARK_CONF": "spark.driver.memory=8g\n spark.app.name='two words'"}
    )
    assert (config["spark.driver.memory"], config["spark.app.name"]) == ("8g", "two words")


@pytest.mark.engine
@pytest.mark.skipif(ENGINE == "sail", reason="Sail is tested where there is no Java")
@pytest.mark.parametrize("wrong", ["spark.driver.memory", "spark.driver.memory=", "driver.memory=8g"])
def test_what_is_no_setting_of_spark_is_refused(wrong: str) -> None:
    with pytest.raises(PlatformError, match=f"CIP_SPARK_CONF: '{wrong}' is no setting; separate settings"):
        apache_spark.prepare({**os.environ, "CIP_SPARK_CONF": wrong})


def test_sail_runs_unions_on_one_core() -> None:
    done = subprocess.run([sys.executable, "-c", ON_ONE_CORE], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[1, 1, 2]", done.stderr[-2000:]
    assert "ERROR" not in done.stderr  # nor when the process ended


def test_a_query_without_memory_says_which_setting_to_raise() -> None:
    # The server of this process has set its limit in the environment.
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAIL_")}
    done = subprocess.run(
        [sys.executable, "-c", WITH_LITTLE_MEMORY], capture_output=True, text=True, check=False, env=own
    )
    assert "raise CIP_SAIL_MEMORY_GB" in done.stdout, done.stdout + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "address", ["sc://127.0.0.1:1/;token=planted", "https://x/;token=planted", "sc://u:planted@h.invalid:1"]
)
def test_no_error_about_an_endpoint_shows_its_token(address: str) -> None:
    with pytest.raises(PlatformError) as refused:
        connect.prepare({"CIP_SPARK_REMOTE": address})
    assert "CIP_SPARK_REMOTE" in str(refused.value)
    assert "planted" not in str(refused.value)


@pytest.mark.engine
def test_the_engine_listens_on_this_machine_only(spark: SparkSession) -> None:
    assert spark.range(1).count() == 1
    here = psutil.Process()
    found = []
    for process in (here, *here.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # a worker of Spark can have ended since
            found += process.net_connections(kind="inet")
    listening = {c.laddr.ip.removeprefix("::ffff:") for c in found if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
