"""The challenger: it uses data that the purchase model does not have, and makes no prediction with too little data."""

from decimal import Decimal

import numpy as np
import pytest
from cip_assets.analytics.forecasting.gradient_boosting import ENOUGH_OF_EACH, trained, with_challenger
from pyspark.sql import DataFrame, SparkSession

from cip_assets.layers import contract_of
from cip_assets_tests.layers.frames import Row, collected, frame_of


def buyers(customers: int, seed: int = 1) -> list[Row]:
    """Customers who look the same to the purchase model. Those with sessions buy with probability 0.8, the others 0.2."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(customers):
        is_engaged = bool(random.random() < 0.5)
        rows.append(
            {
                "customer_id": f"{number:05}",
                "recency_days": int(random.integers(1, 90)),
                "tenure_days": 300,
                "purchase_days": 4,
                "monetary_value": Decimal(100),
                "mean_repeat_value": None if number % 7 == 0 else Decimal(25),
                "recent_sessions": 3 * is_engaged,
                "earlier_sessions": 2,
                "total_tickets": 0,
                "open_tickets": 0,
                "total_returns": 0,
                "p_active": Decimal("0.5"),
                "expected_purchases_90": Decimal(1),
                "came_days": int(random.random() < (0.8 if is_engaged else 0.2)),
            }
        )
    return rows


def frame(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return frame_of(spark, contract_of("features", "past_predictions").spark_schema, rows)


@pytest.mark.engine
def test_it_learns_from_sessions_and_is_calibrated(spark: SparkSession) -> None:
    classifier = trained(frame(spark, buyers(3000)))
    found = collected(with_challenger(frame(spark, buyers(1000, seed=2)), classifier, "p_challenger"))
    assert len(found) == 1000
    for is_engaged, share in ((True, 0.8), (False, 0.2)):
        probabilities = [
            float(row["p_challenger"]) for row in found if (row["recent_sessions"] > 0) == is_engaged
        ]
        assert np.mean(probabilities) == pytest.approx(share, abs=0.05)


@pytest.mark.engine
def test_it_learns_without_any_amount(spark: SparkSession) -> None:
    unknown = [row | {"monetary_value": None, "mean_repeat_value": None} for row in buyers(600)]
    unknown[0]["mean_repeat_value"] = Decimal(25)
    both = [
        collected(with_challenger(frame(spark, rows), trained(frame(spark, unknown)), "p_challenger"))
        for rows in (unknown[:50], buyers(50))
    ]
    by_id = [{row["customer_id"]: row["p_challenger"] for row in found} for found in both]
    assert by_id[0] == by_id[1]  # of later amounts it learned nothing
    assert max(by_id[0].values()) > Decimal("0.6") > Decimal("0.4") > min(by_id[0].values())


@pytest.mark.engine
def test_the_order_of_rows_changes_nothing(spark: SparkSession) -> None:
    rows = buyers(600)
    both = [
        collected(with_challenger(frame(spark, rows[:50]), trained(frame(spark, order)), "p_challenger"))
        for order in (rows, rows[::-1])
    ]
    by_id = [{row["customer_id"]: row["p_challenger"] for row in found} for found in both]
    assert by_id[0] == by_id[1]


@pytest.mark.engine
def test_with_too_few_buyers_it_makes_no_prediction(spark: SparkSession) -> None:
    rows = [row | {"came_days": int(n < ENOUGH_OF_EACH - 1)} for n, row in enumerate(buyers(600))]
    assert trained(frame(spark, rows)) is None
    found = collected(with_challenger(frame(spark, rows[:3]), None, "p_challenger"))
    assert [row["p_challenger"] for row in found] == [None] * 3
