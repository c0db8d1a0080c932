"""The predictions of the purchase model: from its definition for ten customers, and recovered for many."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import isclose

import numpy as np
import pytest
from cip_assets.analytics.forecasting.scoring import predicted
from cip_assets.layers.features.purchase_model import purchase_model
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import contract_of
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of, landed
from cip_assets_tests.layers.ten_customers import TRANSACTIONS, D

Tables = dict[str, list[Row]]


def day_totals() -> dict[str, dict[date, float]]:
    """The spend of each of the ten customers and the orphan on each purchase day by D."""
    totals: dict[str, dict[date, float]] = {}
    for row in landed("transactions", TRANSACTIONS):
        if row["transaction_date"] <= D:
            days = totals.setdefault(row["customer_id"], {})
            day = row["transaction_date"]
            days[day] = days.get(day, 0.0) + float(row["amount"])
    return totals


def histories() -> dict[str, tuple[int, int, list[float]]]:
    """x, T and the daily totals after the first day."""
    return {
        customer: (len(days) - 1, (D - min(days)).days, [days[day] for day in sorted(days)[1:]])
        for customer, days in day_totals().items()
    }


@pytest.mark.engine
def test_with_few_repeat_buyers_a_pooled_rate_is_used_and_the_notes_say_so(tables: Tables) -> None:
    (model,) = tables["features/purchase_model"]
    assert (model["purchase_model"], model["value_model"]) == ("pooled_rate", "pooled_mean")
    assert (model["buyers"], model["repeat_buyers"]) == (7, 5)
    assert "5 customers bought on a second day, but 50 are needed" in model["notes"]
    # m = (sum x + 1/2) / (sum T + 365); r = sum (m T)^2 / sum ((x - m T)^2 - m T); alpha = r / m.
    pairs = [(x, age) for x, age, _ in histories().values()]
    m = (sum(x for x, _ in pairs) + 0.5) / (sum(age for _, age in pairs) + 365)
    r = sum((m * age) ** 2 for _, age in pairs) / sum((x - m * age) ** 2 - m * age for x, age in pairs)
    assert isclose(model["r"], r, rel_tol=1e-12)
    assert isclose(model["alpha"], r / m, rel_tol=1e-12)


@pytest.mark.engine
def test_the_predictions_follow_from_the_rate(tables: Tables) -> None:
    (model,) = tables["features/purchase_model"]
    r, alpha = model["r"], model["alpha"]
    found = by_key(tables["features/clv"], ["customer_id"])
    assert set(found) == {"ann", "bob", "cat", "eve", "fay", "gus"}
    for customer, row in found.items():
        x, age, _ = histories()[customer]
        rate = (r + x) / (alpha + age)
        active = 1 - ((alpha + age) / (alpha + age + 90)) ** (r + x)
        # Month k's purchases are worth 1.1 ** -((k - 1/2) / 12) of today's.
        discounted = sum(rate * 365 / 12 * 1.1 ** -((k + 0.5) / 12) for k in range(12))
        assert row["p_alive"] == 1
        assert float(row["p_active"]) == pytest.approx(active, abs=1e-6)
        for days in (30, 90, 365):
            assert float(row[f"expected_purchases_{days}"]) == pytest.approx(days * rate, abs=1e-6)
        assert float(row["clv_12m"]) == pytest.approx(discounted * float(row["expected_value"]), rel=1e-3)


# Usual gap: ann 132 days / 8 = 16.5, bob 97 / 4 = 24.25, eve 67 / 2 = 33.5, fay 31. Recency: 30, 60, 60, 121.
# Sessions in the last 30 days, and in the 90 days before: ann 2, 2; bob 0, 2; cat 1, 0; eve 1, 0; fay 0, 0; gus 0, 2.
REASONS = {
    "ann": "",
    "bob": "unusually long gap since the last purchase; visits have dropped; open complaint",
    "cat": "bought on one day only",
    "eve": "open complaint",
    "fay": "unusually long gap since the last purchase; returned half of purchases or more",
    "gus": "bought on one day only; visits have dropped",
}


@pytest.mark.engine
def test_churn_probability_is_the_complement_of_p_active_and_has_reasons(tables: Tables) -> None:
    active = by_key(tables["features/clv"], ["customer_id"])
    churn = by_key(tables["features/churn"], ["customer_id"])
    assert {customer: row["churn_reasons"] for customer, row in churn.items()} == REASONS
    for customer, row in churn.items():
        probability = row["churn_probability"]
        assert probability == 1 - active[customer]["p_active"]
        expected = (
            "High" if probability >= Decimal("0.7") else "Medium" if probability >= Decimal("0.4") else "Low"
        )
        assert row["churn_band"] == expected


@pytest.mark.engine
def test_customer_360_has_predictions_only_for_buyers(tables: Tables) -> None:
    clv, churn = (by_key(tables[f"features/{name}"], ["customer_id"]) for name in ("clv", "churn"))
    for row in tables["marts/customer_360"]:
        customer = row["customer_id"]
        for name in ("p_alive", "expected_purchases_90", "clv_12m", "purchase_model"):
            assert row[name] == (clv[customer][name] if customer in clv else None)
        for name in ("churn_probability", "churn_band", "churn_reasons"):
            assert row[name] == (churn[customer][name] if customer in churn else None)


# --- on many customers --------------------------------------------------------------------------------------

R, ALPHA, A, B = 0.6, 60.0, 0.8, 4.0
START = D - timedelta(days=720)


def simulated(customers: int, seed: int = 3) -> list[Row]:
    """Rows of features/purchases for customers who buy according to BG/NBD."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        rate, dropout = random.gamma(R, 1 / ALPHA), random.beta(A, B)
        age = int(random.integers(1, 720))
        days = [0]
        moment = 0.0
        while (
            random.random() > (dropout if len(days) > 1 else 0)
            and (moment := moment + random.exponential(1 / rate)) <= age
        ):
            days.append(max(int(np.ceil(moment)), days[-1] + 1))
        days = [day for day in days if day <= age]
        rows.append(bought(f"{number:06}", age, days, random.gamma(6, 10)))
    return rows


def bought(customer: str, age: int, days: Sequence[int], value: float) -> Row:
    """A row of features/purchases: purchase days are relative to the first, which was `age` days before D."""
    first = D - timedelta(days=age)
    return {
        "as_of_date": D,
        "customer_id": customer,
        "is_orphan": False,
        "first_purchase_date": first,
        "last_purchase_date": first + timedelta(days=days[-1]),
        "purchase_days": len(days),
        "paid_days": len(days) if value else 0,
        "paid_repeat_days": len(days) - 1 if value else 0,
        "monetary_value": Decimal(f"{value * len(days):.2f}"),
        "mean_repeat_value": Decimal(f"{value:.6f}") if len(days) > 1 and value else None,
    }


def purchases(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return frame_of(spark, contract_of("features", "purchases").spark_schema, rows)


@pytest.mark.engine
def test_a_model_is_fitted_on_many_customers_and_every_prediction_is_a_number(
    spark: SparkSession, rules: Rules
) -> None:
    frame = purchases(spark, simulated(2000))
    model = purchase_model(purchases=frame, as_of=D, rules=rules)
    (row,) = collected(model)
    assert (row["purchase_model"], row["value_model"]) == ("bg_nbd", "gamma_gamma")
    assert row["r"] == pytest.approx(R, rel=0.3)
    assert row["alpha"] == pytest.approx(ALPHA, rel=0.3)
    found = collected(predicted(frame, model, D))
    assert len(found) == 2000
    assert all(value is not None for row in found for value in row.values())
    assert all(0 <= row["p_active"] <= row["p_alive"] <= 1 for row in found)


UNUSUAL = {
    "a single customer": [bought("1", 10, [0], 5.0)],
    "one-time buyers only": [bought(str(n), n, [0], 5.0) for n in range(1, 80)],
    "all the same": [bought(str(n), 100, [0, 50], 5.0) for n in range(80)],
    "nothing was paid": [bought(str(n), 100 + n, [0, 50], 0.0) for n in range(80)],
    "huge amounts": [bought(str(n), 100 + n, [0, 50, 60 + n % 9], 10.0**11 + n) for n in range(80)],
    "everybody today": [bought(str(n), 0, [0], 5.0) for n in range(80)],
}


@pytest.mark.engine
@pytest.mark.parametrize("rows", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_histories_get_predictions_and_notes(
    spark: SparkSession, rules: Rules, rows: list[Row]
) -> None:
    frame = purchases(spark, rows)
    model = purchase_model(purchases=frame, as_of=D, rules=rules)
    (row,) = collected(model)
    assert row["notes"]
    found = collected(predicted(frame, model, D))
    assert len(found) == len(rows)
    assert all(value is not None for row in found for value in row.values())


@pytest.mark.engine
def test_buyers_who_never_paid_are_worth_nothing_and_do_not_affect_others(
    spark: SparkSession, rules: Rules
) -> None:
    payers = [bought(f"p{n}", 100 + n, [0, 50, 60 + n % 9], 20.0 + n) for n in range(60)]
    guests = [bought(f"g{n}", 100 + n, [0, 50, 60 + n % 9], 0.0) for n in range(60)]

    def values(*rows: Row) -> dict[str, Decimal]:
        frame = purchases(spark, list(rows))
        model = purchase_model(purchases=frame, as_of=D, rules=rules)
        return {row["customer_id"]: row["expected_value"] for row in collected(predicted(frame, model, D))}

    alone, together = values(*payers), values(*payers, *guests)
    assert {together[row["customer_id"]] for row in guests} == {Decimal("0.00")}
    assert {name: value for name, value in together.items() if name in alone} == alone


@pytest.mark.engine
def test_without_a_buyer_there_is_a_model_but_no_prediction(spark: SparkSession, rules: Rules) -> None:
    frame = purchases(spark, [])
    model = purchase_model(purchases=frame, as_of=D, rules=rules)
    assert [row["purchase_model"] for row in collected(model)] == ["pooled_rate"]
    assert collected(predicted(frame, model, D)) == []
