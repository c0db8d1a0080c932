"""Rows that belong together, in few partitions, whatever number of months is read."""

from functools import reduce

import pyspark.sql.functions as F
import pytest
from pyspark.sql import DataFrame, SparkSession

from cip_assets.calc.together import PARTITIONS, together


@pytest.mark.engine
def test_rows_of_a_month_are_in_one_of_a_few_partitions(spark: SparkSession) -> None:
    months = [spark.range(month, month + 1).union(spark.range(month, month + 1)) for month in range(30)]
    frame = together(reduce(DataFrame.union, months), "id")
    found = frame.select("id", F.spark_partition_id().alias("partition")).collect()
    places = {(row["id"], row["partition"]) for row in found}
    assert len(places) == 30
    few = spark.conf.get(PARTITIONS, None) or spark.conf.get("spark.sql.shuffle.partitions")
    assert 1 < len({place for _, place in places}) <= int(str(few)) < 30
