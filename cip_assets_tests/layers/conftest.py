"""The snapshot of the ten customers, computed once for all tests."""

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets_tests.layers.chain import snapshot
from cip_assets_tests.layers.frames import Row
from cip_assets_tests.layers.future import with_another_future
from cip_assets_tests.layers.ten_customers import D, ten_customers


@pytest.fixture(scope="session")
def tables(spark: SparkSession, rules: Rules) -> dict[str, list[Row]]:
    """Every feature and mart of the ten customers as of D, by ``layer/table``, from rows in another order and with
    another future than theirs."""
    return snapshot(spark, with_another_future(ten_customers(), D, 1), D, rules)
