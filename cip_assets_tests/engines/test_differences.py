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


@pytest.mark.engine
@pytest.mark.not_on(
    "sail", because="it replaces the whole table, so each write names its slice", link=DIFFERENCES
)
def test_a_dynamic_overwrite_replaces_only_the_partitions_that_it_has(
    spark: SparkSession, tmp_path: Path
) -> None:
    where = str(tmp_path / "days")
    both = spark.createDataFrame([(1, "a"), (2, "b")], "n int, part string")
    both.write.format("delta").partitionBy("part").save(where)
    again = spark.createDataFrame([(3, "b")], "n int, part string").write.format("delta").mode("overwrite")
    again.option("partitionOverwriteMode", "dynamic").save(where)
    assert sorted(row.n for row in spark.read.format("delta").load(where).collect()) == [1, 3]


@pytest.mark.engine
@pytest.mark.not_on("sail", because="it writes again, so every write replaces a slice", link=DIFFERENCES)
def test_a_write_with_a_transaction_that_was_committed_is_ignored(
    spark: SparkSession, tmp_path: Path
) -> None:
    where = str(tmp_path / "rows")
    for _ in range(2):
        once = spark.createDataFrame([(1,)], "n int").write.format("delta").mode("append")
        once.option("txnAppId", "cip").option("txnVersion", 1).save(where)
    assert spark.read.format("delta").load(where).count() == 1


@pytest.mark.engine
def test_a_delete_keeps_the_rows_of_which_its_condition_is_null(spark: SparkSession, tmp_path: Path) -> None:
    where = str(tmp_path / "rows")
    spark.createDataFrame([(1,), (None,), (2,)], "n int").write.format("delta").save(where)
    spark.sql(f"DELETE FROM delta.`{where}` WHERE n = 1")
    assert {row.n for row in spark.read.format("delta").load(where).collect()} == {None, 2}


@pytest.mark.engine
@pytest.mark.not_on("sail", because="it cannot, so storage/delta.py adds columns itself", link=DIFFERENCES)
def test_a_replacement_that_merges_schemas_keeps_the_new_column(spark: SparkSession, tmp_path: Path) -> None:
    where = str(tmp_path / "rows")
    spark.createDataFrame([(1,)], "n int").write.format("delta").save(where)
    wider = spark.createDataFrame([(1, "x")], "n int, more string").write.format("delta").mode("overwrite")
    wider.option("replaceWhere", "n = 1").option("mergeSchema", "true").save(where)
    assert spark.read.format("delta").load(where).columns == ["n", "more"]
