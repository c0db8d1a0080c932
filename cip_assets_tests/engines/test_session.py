"""The session of a process."""

import pytest
from pyspark.sql import SparkSession


@pytest.mark.engine
def test_calls_on_frames_do_not_look_for_their_line_of_code(spark: SparkSession) -> None:
    assert spark.conf.get("spark.python.sql.dataFrameDebugging.enabled") == "false"
