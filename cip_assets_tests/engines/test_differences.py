"""Where the engines differ: each probe is a reason for something that the code does in another way.

A probe that fails on its engine is expected to. If it passes there one day, the test fails, and the detour can go.
"""

from datetime import date
from pathlib import Path

import pyspark.sql.functions as F
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

DIFFERENCES = "docs/architecture.md#two-engines-one-code-base"


@pytest.mark.engine
@pytest.mark.not_on(
    "sail", because="it commits the row, so storage/delta.py raises in the query", link=DIFFERENCES
)
def test_a_row_outside_of_what_is_replaced_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    days = spark.createDataFrame([(date(2024, 1, 1),)], "day date")
    days.write.format("delta").save(str(tmp_path / "days"))
    february = (
        spark.createDataFrame([(date(2024, 2, 1),)], "day date").write.format("delta").mode("overwrite")
    )
    with pytest.raises(PySparkException):
        february.option("replaceWhere", "day = DATE'2024-03-01'").save(str(tmp_path / "days"))


@pytest.mark.engine
@pytest.mark.not_on("sail", because="it interpolates, so calc/ranking.py counts", link=DIFFERENCES)
def test_an_approximate_percentile_is_one_of_the_values(spark: SparkSession) -> None:
    numbers = spark.createDataFrame([(1,), (2,), (10,), (20,)], "n int")
    assert numbers.agg(F.expr("percentile_approx(n, 0.5)")).collect()[0][0] in {1, 2, 10, 20}


@pytest.mark.engine
@pytest.mark.not_on("sail", because="it truncates, so calc/exact.py divides whole numbers", link=DIFFERENCES)
def test_the_mean_of_decimals_is_rounded(spark: SparkSession) -> None:
    amounts = spark.sql("SELECT CAST(v AS DECIMAL(18,2)) AS v FROM VALUES (0.01), (0.02), (0.02) AS t(v)")
    assert str(amounts.agg(F.avg("v").cast("decimal(18,6)")).collect()[0][0]) == "0.016667"
