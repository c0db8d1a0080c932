"""Segments at their limits, and for all combinations of scores."""

from decimal import Decimal
from itertools import product

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import contract_of
from cip_assets.layers.features.rfm import _rfm_segment
from cip_assets.layers.features.segments import segments
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of
from cip_assets_tests.layers.ten_customers import D

# recency_days, frequency, monetary_value, is_churn_risk: value segment
LIMITS: dict[tuple[int, int, str, bool | None], str] = {
    (30, 10, "5000.00", False): "High Value",
    (0, 99, "99999.00", True): "High Value",
    (31, 10, "5000.00", False): "Loyal",
    (30, 9, "5000.00", False): "Loyal",
    (30, 10, "4999.99", True): "Loyal",
    (60, 5, "1000.00", False): "Loyal",
    (61, 5, "1000.00", False): "Regular",
    (60, 4, "1000.00", False): "Regular",
    (60, 5, "999.99", False): "Regular",
    (60, 5, "999.99", True): "Churn Risk",
    (400, 1, "0.00", True): "Churn Risk",
    (400, 1, "0.00", False): "Regular",
    (400, 1, "0.00", None): "Unknown",
}


@pytest.mark.engine
def test_value_segment_at_its_limits(spark: SparkSession, rules: Rules) -> None:
    buyers: list[Row] = [
        {
            "customer_id": f"{number:02}",
            "recency_days": recency,
            "frequency": frequency,
            "monetary_value": Decimal(monetary),
            "is_churn_risk": is_churn_risk,
            "rfm_segment": "Any",
            "is_orphan": False,
        }
        for number, (recency, frequency, monetary, is_churn_risk) in enumerate(LIMITS)
    ]

    def frame(table: str, rows: list[Row]):
        return frame_of(spark, contract_of("features", table).spark_schema, rows)

    found = segments(
        population=frame("population", [*buyers, {"customer_id": "nobody"}]),
        rfm=frame("rfm", buyers),
        purchases=frame("purchases", buyers),
        churn=frame("churn", buyers),
        as_of=D,
        rules=rules,
    )
    segmented = by_key(collected(found), ["customer_id"])
    nobody = segmented.pop("nobody")
    assert (nobody["value_segment"], nobody["rfm_segment"]) == ("No purchase", "No purchase")
    assert [segmented[key]["value_segment"] for key in sorted(segmented)] == list(LIMITS.values())


@pytest.mark.engine
def test_each_of_the_125_scores_gets_its_first_matching_segment(spark: SparkSession, rules: Rules) -> None:
    scores = list(product(range(1, 6), repeat=3))
    frame = spark.createDataFrame(scores, "r_score int, f_score int, m_score int")
    found = frame.withColumn("segment", _rfm_segment(rules)).collect()
    assert {tuple(row)[:3]: row["segment"] for row in found} == {
        score: next(segment.name for segment in rules.rfm_segments if segment.fits(*score))
        for score in scores
    }
