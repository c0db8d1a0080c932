"""Sums of money can hold ten million lines with the largest amount: 9,999,999,999,900,000.00."""

from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.features.purchases import purchases
from cip_assets_tests.layers.chain import orders_of, snapshot
from cip_assets_tests.layers.frames import by_key, collected, frame_of, landed

D = date(2024, 6, 20)
LARGEST = Decimal("9999999999900000.00")

# Each line stands for very many lines of one day, because only the sums matter here.
TRANSACTIONS = """
transaction_id | customer_id | product_id | quantity  | amount              | payment_method | transaction_date
t1             | c1          | p1         | 999999999 | 1.00                | Cash           | 2024-01-10
t2             | c1          | p1         | 999999999 | 4999999999900000.00 | Cash           | 2024-03-10
t3             | c1          | p1         | 999999999 | 4999999999999999.00 | Cash           | 2024-05-10
"""


def purchases_of(spark: SparkSession) -> DataFrame:
    transactions = frame_of(
        spark, SOURCE_TABLES["transactions"].cleaned.spark_schema, landed("transactions", TRANSACTIONS)
    )
    customers = frame_of(
        spark, SOURCE_TABLES["customers"].cleaned.spark_schema, landed("customers", "customer_id\nc1")
    )
    return purchases(**orders_of(transactions, D), customers=customers, as_of=D)


@pytest.mark.engine
def test_the_purchases_of_the_largest_customer(spark: SparkSession) -> None:
    (found,) = collected(purchases_of(spark))
    assert found["monetary_value"] == LARGEST
    assert found["avg_order_value"] == Decimal("3333333333300000.00")
    # 5 * 10^15 a day is more than the column can hold.
    assert found["mean_repeat_value"] == Decimal("999999999999.999999")


def test_every_table_of_a_snapshot_holds_the_largest_sum(spark: SparkSession, rules: Rules) -> None:
    sources = {name: landed(name, f"{source.id_column}\n") for name, source in SOURCE_TABLES.items()}
    sources |= {
        "customers": landed("customers", "customer_id\nc1"),
        "transactions": landed("transactions", TRANSACTIONS),
    }
    tables = snapshot(spark, sources, D, rules)
    (totals,) = tables["marts/kpi_totals"]
    assert totals["total_revenue"] == LARGEST
    assert by_key(tables["marts/customer_360"], ["customer_id"])["c1"]["monetary_value"] == LARGEST
    assert sum(row["monthly_revenue"] for row in tables["marts/kpi_monthly_revenue"]) == LARGEST
    assert {row["revenue_share"] for row in tables["marts/kpi_revenue_segment"]} == {Decimal("1.000000")}
    (product,) = tables["marts/kpi_top_products"]
    assert (product["revenue"], product["units"]) == (LARGEST, 3 * 999_999_999)
    (forecast,) = tables["features/forecast"]
    assert forecast["clv_horizon"] >= forecast["clv_12m"] > forecast["expected_value"] / 100 > 0
