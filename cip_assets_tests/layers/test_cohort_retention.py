"""The retention to expect: cohorts of simulated customers follow the curve, and it shows what comes a year later."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from pyspark.sql import SparkSession

from cip_assets.layers import contract_of
from cip_assets.layers.marts.cohort_retention import cohort_retention
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of

SIZE = 3000
MONTHS = 30
CUT = 15
"""Months that the first snapshot knows; it expects those of the other."""


def month(number: int) -> date:
    return date(2023 + number // 12, number % 12 + 1, 1)


def simulated() -> list[tuple[str, date]]:
    """Customers who first buy in one of two months, and then in a month with a probability of 0.35 while they are there;
    they leave after a month with their own probability.
    """
    rng = np.random.default_rng(4)
    rows = []
    for number in range(SIZE):
        start = number % 2
        rows.append((f"{number:05}", month(start)))
        lifetime = rng.geometric(rng.beta(0.9, 4.0))
        last = min(lifetime, MONTHS - start)
        rows += [(f"{number:05}", month(start + k)) for k in range(1, last) if rng.random() < 0.35]
    return rows


@pytest.mark.engine
def test_what_is_expected_a_year_later_comes(spark: SparkSession) -> None:
    bought = simulated()
    firsts: dict[str, date] = {}
    for customer, day in bought:
        firsts.setdefault(customer, day)
    orders: list[Row] = [
        {"customer_id": customer, "transaction_date": day, "month": day} for customer, day in bought
    ]
    order_days = frame_of(spark, contract_of("facts", "order_days").spark_schema, orders)
    known: list[Row] = [{"customer_id": c, "first_purchase_date": day} for c, day in firsts.items()]
    purchases = frame_of(spark, contract_of("features", "purchases").spark_schema, known)

    def rates(as_of: date) -> dict[object, Row]:
        rows = collected(cohort_retention(order_days=order_days, purchases=purchases, as_of=as_of))
        return by_key(rows, ["cohort_month", "month_number"])

    then, now = rates(month(CUT) - timedelta(days=1)), rates(month(MONTHS) - timedelta(days=1))
    assert then[month(0), 0]["expected_rate"] == Decimal(1)
    for k in range(1, CUT):
        row, later = then[month(0), k], now[month(0), k + 12]
        # Six standard errors of a share of 1,500 customers.
        assert float(row["expected_rate"]) == pytest.approx(float(row["retention_rate"]), abs=0.07)
        assert float(row["expected_rate_a_year_later"]) == pytest.approx(
            float(later["retention_rate"]), abs=0.05
        )
        assert row["expected_rate_a_year_later"] < row["expected_rate"]


@pytest.mark.engine
def test_a_month_that_is_not_complete_has_an_expected_rate_only(spark: SparkSession) -> None:
    orders: list[Row] = [
        {"customer_id": str(n), "transaction_date": month(k), "month": month(k)}
        for n in range(60)
        for k in range(9)
        if k == 0 or n % (k + 1) == 0
    ]
    order_days = frame_of(spark, contract_of("facts", "order_days").spark_schema, orders)
    known: list[Row] = [{"customer_id": str(n), "first_purchase_date": month(0)} for n in range(60)]
    purchases = frame_of(spark, contract_of("features", "purchases").spark_schema, known)
    as_of = month(8) + timedelta(days=3)
    rows = by_key(
        collected(cohort_retention(order_days=order_days, purchases=purchases, as_of=as_of)), ["month_number"]
    )
    assert rows[8]["retention_rate"] is None
    assert 0 < rows[8]["expected_rate_a_year_later"] < rows[8]["expected_rate"] < rows[7]["expected_rate"]
