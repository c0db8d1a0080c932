"""Segments and the churn rule at their limits, and for all combinations of scores."""

from decimal import Decimal
from itertools import product

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import contract_of
from cip_assets.layers.features.churn import churn
from cip_assets.layers.features.rfm import _rfm_segment
from cip_assets.layers.features.segments import segments
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of
from cip_assets_tests.layers.ten_customers import D

# recency_days, frequency, monetary_value: value segment, is_churn_risk
LIMITS: dict[tuple[int, int, str], tuple[str, bool]] = {
    (30, 10, "5000.00"): ("High Value", False),
    (0, 99, "99999.00"): ("High Value", False),
    (31, 10, "5000.00"): ("Loyal", False),
    (30, 9, "5000.00"): ("Loyal", False),
    (30, 10, "4999.99"): ("Loyal", False),
    (60, 5, "1000.00"): ("Loyal", False),
    (61, 5, "1000.00"): ("Regular", False),
    (60, 4, "1000.00"): ("Regular", False),
    (60, 5, "999.99"): ("Regular", False),
    (120, 99, "99999.00"): ("Regular", False),
    (121, 99, "99999.00"): ("Churn Risk", True),
    (121, 1, "0.00"): ("Churn Risk", True),
}


@pytest.mark.engine
def test_value_segment_and_churn_risk_at_their_limits(spark: SparkSession, rules: Rules) -> None:
    buyers: list[Row] = [
        {
            "customer_id": f"{number:02}",
            "recency_days": recency,
            "frequency": frequency,
            "monetary_value": Decimal(monetary),
            "rfm_segment": "Any",
            "is_orphan": False,
        }
        for number, (recency, frequency, monetary) in enumerate(LIMITS)
    ]

    def frame(table: str, rows: list[Row]):
        return frame_of(spark, contract_of("features", table).spark_schema, rows)

    everybody = frame("population", [*buyers, {"customer_id": "nobody"}])
    bought = frame("purchases", buyers)
    found_segments = segments(
        population=everybody, rfm=frame("rfm", buyers), purchases=bought, as_of=D, rules=rules
    )
    segmented = by_key(collected(found_segments), ["customer_id"])
    scored = [{**buyer, "p_active": Decimal("0.5"), "purchase_model": "bg_nbd"} for buyer in buyers]
    nothing = {table: frame(table, []) for table in ("returns", "support", "engagement", "challenger")}
    judged = churn(
        purchases=bought,
        clv=frame("clv", scored),
        churn_model=frame("churn_model", [{"churn_model": "purchase_model"}]),
        as_of=D,
        rules=rules,
        **nothing,
    )
    judged_by_id = by_key(collected(judged), ["customer_id"])
    nobody = segmented.pop("nobody")
    assert (nobody["value_segment"], nobody["rfm_segment"]) == ("No purchase", "No purchase")
    found = {key: (segmented[key]["value_segment"], judged_by_id[key]["is_churn_risk"]) for key in segmented}
    assert found == {
        buyer["customer_id"]: expected for buyer, expected in zip(buyers, LIMITS.values(), strict=True)
    }
    assert "nobody" not in judged_by_id


@pytest.mark.engine
def test_each_of_the_125_scores_gets_its_first_matching_segment(spark: SparkSession, rules: Rules) -> None:
    scores = list(product(range(1, 6), repeat=3))
    frame = spark.createDataFrame(scores, "r_score int, f_score int, m_score int")
    found = frame.withColumn("segment", _rfm_segment(rules)).collect()
    assert {tuple(row)[:3]: row["segment"] for row in found} == {
        score: next(segment.name for segment in rules.rfm_segments if segment.fits(*score))
        for score in scores
    }
