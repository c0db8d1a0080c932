"""The backtest: its figures by hand, its window, and the withholding of a model that fails."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from cip_assets.layers.features.churn_model import churn_model
from cip_assets.layers.features.past_predictions import past_predictions
from cip_assets.layers.features.past_purchases import past_purchases
from pyspark.sql import DataFrame, SparkSession

from cip_assets.analytics.forecasting import scores
from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES, contract_of
from cip_assets.layers.marts.model_backtest import model_backtest
from cip_assets.layers.marts.model_calibration import model_calibration
from cip_assets_tests.layers.chain import orders_of
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of
from cip_assets_tests.layers.ten_customers import D

TRAINED = D - timedelta(days=90)

# Probability, number of customers, number of buyers among them.
COUNTS = [(0.2, 4, 1), (0.8, 2, 2)]


def test_brier_log_loss_and_auc_by_hand() -> None:
    # (1 x 0.8^2 + 3 x 0.2^2 + 2 x 0.2^2) / 6 = 0.84 / 6
    assert scores.brier(COUNTS) == pytest.approx(0.14)
    # -(ln 0.2 + 3 ln 0.8 + 2 ln 0.8) / 6
    assert scores._log_loss(COUNTS) == pytest.approx((1.6094379 + 5 * 0.2231436) / 6)
    # 3 buyers x 3 non-buyers = 9 pairs: the two buyers at 0.8 win 6, and the one at 0.2 ties with 3.
    assert scores._auc(COUNTS) == pytest.approx((6 + 1.5) / 9)


def test_auc_needs_buyers_and_non_buyers() -> None:
    assert scores._auc([(0.5, 3, 3)]) is None


def test_deciles_keep_equal_probabilities_together() -> None:
    assert list(scores.deciles([(0.5, 10, 4)])) == [(6, 10, 0.5, 0.4)]
    (first, *_, last) = scores.deciles([(p / 100, 1, p % 2) for p in range(100)])
    assert first == (1, 10, pytest.approx(0.045), 0.5)
    assert last[:2] == (10, 10)


# Purchases of each customer, in days before D. The prediction day is day 90, and the baselines use days 180 to 90.
BOUGHT = {"again": (300, 100, 50), "left": (300, 100), "old": (300,), "new": (30,)}


def transactions(spark: SparkSession):
    rows: list[Row] = []
    for customer, ages in BOUGHT.items():
        for age in ages:
            day = D - timedelta(days=age)
            rows.append(
                {
                    "transaction_id": f"{customer}{age}",
                    "order_id": f"{customer}{age}",
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


def predicted_by(spark: SparkSession, as_of: date, rules: Rules) -> list[Row]:
    """The past predictions of a day, from purchases alone."""
    bought = past_purchases(
        **orders_of(transactions(spark), as_of), customers=customers(spark), as_of=as_of, rules=rules
    )
    nothing = {
        table: frame_of(spark, contract_of(layer, table).spark_schema, [])
        for layer, table in (
            ("cleaned", "returns"),
            ("cleaned", "support_tickets"),
            ("facts", "session_days"),
        )
    }
    return collected(past_predictions(past_purchases=bought, **nothing, as_of=as_of, rules=rules))


def past(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return frame_of(spark, contract_of("features", "past_predictions").spark_schema, rows)


@pytest.mark.engine
def test_predictions_for_buyers_are_compared_with_what_they_did_since(
    spark: SparkSession, rules: Rules
) -> None:
    predictions = past(spark, predicted_by(spark, D, rules))
    found = by_key(collected(model_backtest(past_predictions=predictions, as_of=D)), ["model"])
    # Three customers are too few to train the challenger.
    assert set(found) == {"purchase_model", "recency", "carry_forward", "base_rate"}
    for row in found.values():
        assert (row["predicted_on"], row["window_days"], row["customers"]) == (TRAINED, 90, 3)
        assert row["bought_share"] == Decimal("0.333333")  # only again; new was not a buyer yet
    # Two of the three buyers of day 180 bought again by day 90: (1/3 x (1/3)^2 + 2/3 x (2/3)^2) = 1/3, to four places.
    assert float(found["base_rate"]["brier"]) == pytest.approx(1 / 3, abs=1e-4)
    assert float(found["base_rate"]["calibration_error"]) == pytest.approx(1 / 3, abs=1e-4)
    # again and left bought in the window before, but old did not: 0.999 for two customers, and one of them bought.
    assert float(found["carry_forward"]["brier"]) == pytest.approx(
        (0.001**2 + 0.999**2 + 0.001**2) / 3, abs=1e-6
    )
    assert float(found["carry_forward"]["auc"]) == pytest.approx(0.75)
    # Ranks of the predictions: 2.5, 2.5, 1; of the actual purchase days: 3, 1.5, 1.5. Their correlation is 1/2.
    assert float(found["carry_forward"]["spearman"]) == pytest.approx(0.5)
    # Expected and actual purchase days: again 1 and 1, left 1 and 0, old 0 and 0.
    assert float(found["carry_forward"]["mae_purchases"]) == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.engine
def test_past_purchases_are_counted_in_the_windows_before_and_after_each_earlier_day(
    spark: SparkSession, rules: Rules
) -> None:
    bought = past_purchases(
        **orders_of(transactions(spark), D), customers=customers(spark), as_of=D, rules=rules
    )
    found = {
        (row["customer_id"], (D - row["day"]).days): (
            row["purchase_days"],
            row["past_days"],
            row["came_days"],
        )
        for row in collected(bought)
    }
    assert found == {
        # Day 90: purchases on days 300 and 100, and 50 for one of them. Day 180: day 300 alone.
        ("again", 90): (2, 1, 1),
        ("left", 90): (2, 1, 0),
        ("old", 90): (1, 0, 0),
        ("again", 180): (1, 0, 1),
        ("left", 180): (1, 0, 1),
        ("old", 180): (1, 0, 0),
    }
    for row in collected(bought):
        assert (row["past_spend"], row["came_spend"]) == (10 * row["past_days"], 10 * row["came_days"])


@pytest.mark.engine
def test_before_the_first_purchase_there_is_no_backtest(spark: SparkSession, rules: Rules) -> None:
    early = D - timedelta(days=250)
    nothing = past(spark, predicted_by(spark, early, rules))
    assert nothing.count() == 0
    assert collected(model_backtest(past_predictions=nothing, as_of=early)) == []
    assert collected(model_calibration(past_predictions=nothing, as_of=early)) == []
    (row,) = collected(churn_model(past_predictions=nothing, as_of=early, rules=rules))
    assert (row["churn_model"], row["is_purchase_model_withheld"]) == ("purchase_model", False)
    assert row["notes"] == "the backtest has 0 buyers, but 200 are needed to choose a model"


def predictions(buyers: int, others: int, *, purchase_model: float, challenger: float | None) -> list[Row]:
    """Customers with the same prediction by each model. The base rate is the actual share of buyers."""
    share = buyers / (buyers + others)

    def exact(value: float | None) -> Decimal | None:
        return None if value is None else Decimal(f"{value:.6f}")

    return [
        {
            "customer_id": str(number),
            "p_purchase_model": exact(purchase_model),
            "p_challenger": exact(challenger),
            "p_recency": exact(share),
            "p_carry_forward": exact(share),
            "p_base_rate": exact(share),
            "came_days": int(number < buyers),
        }
        for number in range(buyers + others)
    ]


CHOICES = {
    "the lower Brier score is used": (
        predictions(50, 150, purchase_model=0.40, challenger=0.25),
        "challenger",
        True,
    ),
    "if equal, the first is used": (
        predictions(50, 150, purchase_model=0.25, challenger=0.25),
        "purchase_model",
        False,
    ),
    "a model without predictions is not used": (
        predictions(50, 150, purchase_model=0.25, challenger=None),
        "purchase_model",
        False,
    ),
    "a model that is certainly worse than the base rate is withheld": (
        predictions(50, 150, purchase_model=0.40, challenger=0.45),
        "withheld",
        True,
    ),
    "a model that may only by chance be worse is used": (
        predictions(50, 150, purchase_model=0.28, challenger=0.29),
        "purchase_model",
        False,
    ),
    "with too few buyers, the first is used": (
        predictions(49, 150, purchase_model=0.9, challenger=0.25),
        "purchase_model",
        False,
    ),
}


@pytest.mark.parametrize(("rows", "used", "is_withheld"), CHOICES.values(), ids=CHOICES)
def test_the_backtest_chooses_the_churn_model(
    spark: SparkSession, rules: Rules, rows: list[Row], used: str, *, is_withheld: bool
) -> None:
    (row,) = collected(churn_model(past_predictions=past(spark, rows), as_of=D, rules=rules))
    assert (row["churn_model"], row["is_purchase_model_withheld"]) == (used, is_withheld)


def test_a_model_that_ranks_well_but_is_not_calibrated_is_used_and_says_so(
    spark: SparkSession, rules: Rules
) -> None:
    """Half of the customers buy. The predictions are 0.69 for buyers and 0.13 for the others: gaps of 0.31 and 0.13."""
    rows = predictions(100, 100, purchase_model=0.5, challenger=None)
    for row in rows:
        row["p_purchase_model"] = Decimal("0.69") if row["came_days"] else Decimal("0.13")
    (found,) = collected(churn_model(past_predictions=past(spark, rows), as_of=D, rules=rules))
    assert (found["churn_model"], found["is_off"]) == ("purchase_model", True)
    assert "the probabilities of purchase_model were off by 0.220 on average (limit 0.1)" in found["notes"]
