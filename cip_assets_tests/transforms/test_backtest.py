"""The backtest: its figures by hand, its window, and what becomes of a model that proves worse than none."""

from datetime import timedelta
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from cip_assets.contracts import SOURCE_TABLES, contract_of
from cip_assets.rules import Rules
from cip_assets.transforms import backtest
from cip_assets.transforms.marts import _verdict
from cip_assets_tests.transforms.frames import Row, by_key, collected, frame_of
from cip_assets_tests.transforms.ten_customers import D

TRAINED = D - timedelta(days=90)

# Probability, customers, of them buyers.
COUNTS = [(0.2, 4, 1), (0.8, 2, 2)]


def test_brier_log_loss_and_auc_by_hand() -> None:
    # (1 x 0.8^2 + 3 x 0.2^2 + 2 x 0.2^2) / 6 = 0.84 / 6
    assert backtest._brier(COUNTS) == pytest.approx(0.14)
    # -(ln 0.2 + 3 ln 0.8 + 2 ln 0.8) / 6
    assert backtest._log_loss(COUNTS) == pytest.approx((1.6094379 + 5 * 0.2231436) / 6)
    # 3 buyers x 3 others = 9 pairs: the two at 0.8 win 6, the one at 0.2 ties with 3.
    assert backtest._auc(COUNTS) == pytest.approx((6 + 1.5) / 9)


def test_auc_needs_both_kinds() -> None:
    assert backtest._auc([(0.5, 3, 3)]) is None


def test_deciles_keep_equal_probabilities_together() -> None:
    assert list(backtest._deciles([(0.5, 10, 4)])) == [(6, 10, 0.5, 0.4)]
    (first, *_, last) = backtest._deciles([(p / 100, 1, p % 2) for p in range(100)])
    assert first == (1, 10, pytest.approx(0.045), 0.5)
    assert last[:2] == (10, 10)


# Days before D of each customer's purchases; the model is of day 90, the baselines learn from 180 to 90.
BOUGHT = {"again": (300, 100, 50), "left": (300, 100), "old": (300,), "new": (30,)}


def transactions(spark: SparkSession):
    rows: list[Row] = []
    for customer, ages in BOUGHT.items():
        for age in ages:
            day = D - timedelta(days=age)
            rows.append(
                {
                    "transaction_id": f"{customer}{age}",
                    "customer_id": customer,
                    "amount": Decimal("10.00"),
                    "transaction_date": day,
                    "month": day.replace(day=1),
                }
            )
    return frame_of(spark, SOURCE_TABLES["transactions"].cleaned.spark_schema, rows)


def customers(spark: SparkSession):
    rows: list[Row] = [{"customer_id": customer} for customer in BOUGHT]
    return frame_of(spark, SOURCE_TABLES["customers"].cleaned.spark_schema, rows)


@pytest.mark.engine
def test_who_bought_by_then_is_judged_by_what_came_after(spark: SparkSession, rules: Rules) -> None:
    found = by_key(
        collected(backtest.model_backtest(transactions(spark), customers(spark), D, rules)), ["model"]
    )
    assert set(found) == {"purchase_model", "recency", "carry_forward", "base_rate"}
    for row in found.values():
        assert (row["trained_as_of"], row["window_days"], row["customers"]) == (TRAINED, 90, 3)
        assert row["bought_share"] == Decimal("0.333333")  # again; new was not there yet
    # Of the three of 180 days ago, two came back by day 90: (1/3 x (1/3)^2 + 2/3 x (2/3)^2) = 1/3, to four places.
    assert float(found["base_rate"]["brier"]) == pytest.approx(1 / 3, abs=1e-4)
    # again and left bought in the window before, old did not: 0.999 for two, of whom one came.
    assert float(found["carry_forward"]["brier"]) == pytest.approx(
        (0.001**2 + 0.999**2 + 0.001**2) / 3, abs=1e-6
    )
    assert float(found["carry_forward"]["auc"]) == pytest.approx(0.75)
    # again 1 of 1, left 1 of 0, old 0 of 0.
    assert float(found["carry_forward"]["mae_purchases"]) == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.engine
def test_before_anybody_bought_there_is_nothing_to_judge(spark: SparkSession, rules: Rules) -> None:
    early = D - timedelta(days=250)
    assert collected(backtest.model_backtest(transactions(spark), customers(spark), early, rules)) == []
    assert collected(backtest.model_calibration(transactions(spark), customers(spark), early, rules)) == []


@pytest.mark.parametrize(
    ("said", "base", "judged", "is_withheld"),
    [
        ("0.200001", "0.200000", 200, True),
        ("0.200000", "0.200000", 200, False),
        ("0.900000", "0.200000", 199, False),
    ],
    ids=["worse", "as good", "too few to judge"],
)
def test_predictions_that_prove_worse_than_the_base_rate_are_withheld(
    spark: SparkSession, said: str, base: str, judged: int, *, is_withheld: bool
) -> None:
    rows: list[Row] = [
        {"model": "purchase_model", "brier": Decimal(said), "customers": judged},
        {"model": "base_rate", "brier": Decimal(base), "customers": judged},
    ]
    frame = frame_of(spark, contract_of("marts", "model_backtest").spark_schema, rows)
    assert [row["is_withheld"] for row in _verdict(frame).collect()] == [is_withheld]


def test_without_a_backtest_predictions_are_shown(spark: SparkSession) -> None:
    frame = frame_of(spark, contract_of("marts", "model_backtest").spark_schema, [])
    assert [row["is_withheld"] for row in _verdict(frame).collect()] == [False]
