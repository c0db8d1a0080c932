"""The forecast tables: from its definition for ten customers, and learned from the events of many."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import isclose
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from cip_assets.analytics.apart import apart
from cip_assets.analytics.forecasting.reasons import WORDS
from cip_assets.config.rules import Rules
from cip_assets.layers import contract_of
from cip_assets.layers.features.churn import churn
from cip_assets_tests.layers.chain import snapshot
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of, landed
from cip_assets_tests.layers.ten_customers import TRANSACTIONS, D

Tables = dict[str, list[Row]]

KNOWN = {"ann", "bob", "cat", "eve", "fay", "gus"}


def day_totals() -> dict[str, dict[date, float]]:
    """The spend of each of the known buyers on each purchase day by D."""
    totals: dict[str, dict[date, float]] = {}
    for row in landed("transactions", TRANSACTIONS):
        if row["transaction_date"] <= D and row["customer_id"] in KNOWN:
            days = totals.setdefault(row["customer_id"], {})
            day = row["transaction_date"]
            days[day] = days.get(day, 0.0) + float(row["amount"])
    return totals


def histories() -> dict[str, tuple[int, int]]:
    """x and T."""
    return {customer: (len(days) - 1, (D - min(days)).days) for customer, days in day_totals().items()}


@pytest.mark.engine
def test_with_few_repeat_buyers_a_pooled_rate_is_used_and_the_notes_say_so(tables: Tables) -> None:
    (model,) = tables["features/forecast_model"]
    assert (model["forecast_model"], model["value_model"]) == ("pooled_rate", "pooled_mean")
    assert (model["sampled_buyers"], model["windows"], model["is_withheld"]) == (6, 0, False)
    assert "0 forecasts could be judged, but 200 are needed to choose" in model["notes"]
    assert "4 repeat buyers have a mean value above 0, but 50 are needed" in model["notes"]
    assert model["error_band"].startswith("No window is over")
    # m = (sum x + 1/2) / (sum T + 365); r = sum (m T)^2 / sum ((x - m T)^2 - m T); alpha = r / m.
    pairs = list(histories().values())
    m = (sum(x for x, _ in pairs) + 0.5) / (sum(age for _, age in pairs) + 365)
    r = sum((m * age) ** 2 for _, age in pairs) / sum((x - m * age) ** 2 - m * age for x, age in pairs)
    fitted = json.loads(model["fits"])["pooled_rate"]
    assert isclose(fitted["r"], r, rel_tol=1e-12)
    assert isclose(fitted["alpha"], r / m, rel_tol=1e-12)


@pytest.mark.engine
def test_the_forecasts_follow_from_the_rate(tables: Tables) -> None:
    (model,) = tables["features/forecast_model"]
    fitted = json.loads(model["fits"])["pooled_rate"]
    r, alpha = fitted["r"], fitted["alpha"]
    found = by_key(tables["features/forecast"], ["customer_id"])
    assert set(found) == KNOWN
    for customer, row in found.items():
        x, age = histories()[customer]
        rate = (r + x) / (alpha + age)
        active = 1 - ((alpha + age) / (alpha + age + 90)) ** (r + x)
        # Month k's purchases are worth 1.1 ** -((k - 1/2) / 12) of today's.
        discounted = sum(rate * 365 / 12 * 1.1 ** -((k + 0.5) / 12) for k in range(12))
        later = sum(rate * 365 / 4 * 1.1 ** -((k + 0.5) / 4) for k in range(4, 12))
        assert row["p_alive"] == 1
        assert float(row["churn_probability"]) == pytest.approx(1 - active, abs=1e-6)
        assert float(row["expected_orders"]) == pytest.approx(90 * rate, abs=1e-6)
        for days in (30, 90, 365):
            assert float(row[f"expected_purchases_{days}"]) == pytest.approx(days * rate, abs=1e-6)
        value = float(row["expected_value"])
        assert float(row["expected_spend"]) == pytest.approx(90 * rate * value, rel=1e-3)
        assert float(row["clv_12m"]) == pytest.approx(discounted * value, rel=1e-3)
        assert float(row["clv_horizon"]) == pytest.approx((discounted + later) * value, rel=1e-3)
        assert {row[name] for name in ("orders_low", "churn_probability_high", "clv_12m_low")} == {None}


@pytest.mark.engine
def test_the_value_net_of_returns_and_the_margin_follow_from_the_shop(tables: Tables) -> None:
    found = by_key(tables["features/forecast"], ["customer_id"])
    bought = {row["customer_id"]: row for row in tables["features/purchases"] if not row["is_orphan"]}
    returned = {
        row["customer_id"]: row["returned_amount"]
        for row in tables["features/returns"]
        if row["customer_id"] in bought
    }
    spend = sum(row["monetary_value"] for row in bought.values())
    share, mean = sum(returned.values()) / spend, spend / len(bought)
    (margin,) = tables["features/shop_margin"]
    for customer, row in found.items():
        own = bought[customer]["monetary_value"]
        lost = (returned.get(customer, 0) + share * mean) / (own + mean)
        net = float(row["clv_12m"]) * float(1 - lost)
        assert float(row["clv_12m_net"]) == pytest.approx(net, abs=0.02)
        expected = None if margin["margin_share"] is None else net * float(margin["margin_share"])
        assert (row["clv_12m_margin"] is None) == (expected is None)
        if expected is not None:
            assert float(row["clv_12m_margin"]) == pytest.approx(expected, abs=0.02)


@pytest.mark.engine
def test_churn_is_that_of_the_forecast_and_is_cut_at_the_percentiles(tables: Tables) -> None:
    forecast = by_key(tables["features/forecast"], ["customer_id"])
    found = by_key(tables["features/churn"], ["customer_id"])
    ranked = sorted(row["churn_probability"] for row in forecast.values())
    # Of six, the nearest ranks of 50% and 80% are the third and the fifth.
    medium, high = ranked[2], ranked[4]
    assert {row["churn_band"] for row in found.values()} == {"Low", "Medium", "High"}
    for customer, row in found.items():
        probability = row["churn_probability"]
        assert probability == forecast[customer]["churn_probability"]
        assert row["churn_reasons"] == forecast[customer]["churn_reasons"]
        assert set(filter(None, row["churn_reasons"].split("; "))) <= set(WORDS.values())
        band = "High" if probability > high else "Medium" if probability > medium else "Low"
        assert (row["churn_band"], row["is_churn_risk"]) == (band, band == "High")
        worth = forecast[customer]["clv_12m_margin"]
        worth = forecast[customer]["clv_12m_net"] if worth is None else worth
        assert row["is_worth_contacting"] == (probability * worth * Decimal("0.1") > 5)


@pytest.mark.engine
def test_customer_360_has_forecasts_only_for_buyers(tables: Tables) -> None:
    clv, found = (by_key(tables[f"features/{name}"], ["customer_id"]) for name in ("clv", "churn"))
    of_clv = ("p_alive", "expected_orders", "orders_low", "clv_12m", "clv_12m_net", "clv_horizon")
    of_churn = ("churn_probability", "churn_band", "churn_reasons", "is_worth_contacting", "forecast_model")
    for row in tables["marts/customer_360"]:
        customer = row["customer_id"]
        for names, parts in ((of_clv, clv), (of_churn, found)):
            for name in names:
                assert row[name] == (parts[customer][name] if customer in parts else None)


@pytest.mark.engine
def test_without_a_forecast_nothing_follows_from_it(spark: SparkSession, rules: Rules) -> None:
    def frame(table: str, rows: list[Row]):
        return frame_of(spark, contract_of("features", table).spark_schema, rows)

    buyers: list[Row] = [{"customer_id": "ann", "recency_days": 3, "is_orphan": False}]
    (row,) = collected(
        churn(
            purchases=frame("purchases", buyers),
            forecast=frame("forecast", [{"customer_id": "ann", "forecast_model": "withheld"}]),
            as_of=D,
            rules=rules,
        )
    )
    assert (row["forecast_model"], row["recency_days"]) == ("withheld", 3)
    for name in ("churn_probability", "churn_band", "is_churn_risk", "is_worth_contacting", "churn_reasons"):
        assert row[name] is None


# --- on many customers --------------------------------------------------------------------------------------

R, ALPHA, A, B = 0.6, 60.0, 0.8, 4.0
OLDEST = 720


def lines(customers: int, seed: int = 3) -> list[Row]:
    """Order lines of customers who buy according to BG/NBD."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(customers):
        rate, dropout = random.gamma(R, 1 / ALPHA), random.beta(A, B)
        age, value = int(random.integers(1, OLDEST)), random.gamma(6, 10)
        days, moment = [0], 0.0
        while (moment := moment + random.exponential(1 / rate)) <= age:
            days.append(max(int(np.ceil(moment)), days[-1] + 1))
            if random.random() < dropout:
                break
        rows += bought(f"{number:06}", age, [day for day in days if day <= age], value)
    return rows


def bought(customer: str, age: int, days: Sequence[int], value: float) -> list[Row]:
    """Order lines: purchase days are relative to the first, which was `age` days before D."""
    first = D - timedelta(days=age)
    return [
        {
            "transaction_id": f"{customer}-{day}",
            "order_id": f"{customer}-{day}",
            "customer_id": customer,
            "product_id": "p",
            "quantity": 1,
            "amount": Decimal(f"{value:.2f}"),
            "transaction_date": first + timedelta(days=day),
            "month": (first + timedelta(days=day)).replace(day=1),
        }
        for day in days
    ]


FORECASTS = (
    "features/churn",
    "features/clv",
    "marts/model_backtest",
    "marts/model_windows",
    "marts/model_calibration",
    "marts/reason_effects",
)


def forecasts(spark: SparkSession, rules: Rules, rows: list[Row], only: Sequence[str] = FORECASTS) -> Tables:
    """The forecast tables of a day, from purchases alone."""
    customers: list[Row] = [{"customer_id": name} for name in {row["customer_id"] for row in rows}]
    nothing: dict[str, list[Row]] = {
        name: [] for name in ("products", "returns", "support_tickets", "web_activity")
    }
    sources: Mapping[str, list[Row]] = {"customers": customers, "transactions": rows, **nothing}
    return snapshot(spark, sources, D, rules, only)


def test_a_model_is_chosen_for_many_customers_and_every_forecast_is_a_number(
    spark: SparkSession, rules: Rules
) -> None:
    tables = forecasts(spark, rules, lines(900))
    (model,) = tables["features/forecast_model"]
    assert (model["windows"], model["is_withheld"], model["value_model"]) == (4, False, "lognormal")
    fitted = json.loads(model["fits"])["bg_nbd"]
    assert fitted["r"] == pytest.approx(R, rel=0.3)
    assert abs(model["orders_bias"]) < Decimal("0.2") < model["allowed_orders_bias"]
    assert Decimal("0.75") < model["orders_coverage"] <= 1
    found = tables["features/forecast"]
    assert len(found) == 900
    # The costs of the goods are unknown.
    assert {name for row in found for name, value in row.items() if value is None} == {"clv_12m_margin"}
    broken = contract_of("features", "forecast").rules
    assert {rule.name for rule in broken} >= {"comes_at_least_once", "value_of_the_purchases"}
    backtest = by_key(tables["marts/model_backtest"], ["model"])
    assert {"bg_nbd", "hurdle", "recency", "carry_forward", "base_rate"} <= set(backtest)
    assert [name for name, row in backtest.items() if row["is_used"]] == [model["forecast_model"]]
    windows = [row for row in tables["marts/model_windows"] if row["is_used"] and row["segment"] == "all"]
    assert [row["predicted_on"] for row in windows] == [D - timedelta(days=90 * k) for k in (1, 2, 3, 4)]
    used = backtest[model["forecast_model"]]
    assert sum(row["came_orders"] for row in windows) == used["came_orders"]
    assert sum(row["customers"] for row in windows) == used["customers"]
    # What came is what was bought in the windows by those who had bought before.
    first = {row["customer_id"]: row["transaction_date"] for row in reversed(lines(900))}
    newest = sum(
        row["transaction_date"] > D - timedelta(days=90)
        and first[row["customer_id"]] <= D - timedelta(days=90)
        for row in lines(900)
    )
    assert windows[0]["came_orders"] == newest
    deciles = [row for row in tables["marts/model_calibration"] if row["is_used"]]
    assert sum(row["customers"] for row in deciles) == used["customers"]
    assert all(row["z_score"] > -3 for row in tables["marts/reason_effects"])


UNUSUAL = {
    "a single customer": bought("1", 10, [0], 5.0),
    "one-time buyers only": [row for n in range(1, 80) for row in bought(str(n), n, [0], 5.0)],
    "all the same": [row for n in range(80) for row in bought(str(n), 100, [0, 50], 5.0)],
    "nothing was paid": [row for n in range(80) for row in bought(str(n), 100 + n, [0, 50], 0.0)],
    "huge amounts": [
        row for n in range(80) for row in bought(str(n), 100 + n, [0, 50, 60 + n % 9], 10.0**9 - n - 1)
    ],
    "everybody today": [row for n in range(80) for row in bought(str(n), 0, [0], 5.0)],
}


def test_many_buyers_are_learned_from_in_a_process_of_its_own_and_nothing_differs(
    spark: SparkSession, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, found = sys.modules["cip_assets.layers.features.forecast_model"], []
    for many, processes in ((201, 0), (200, 1)):
        started: list[str] = []

        def counted(function: Callable[..., Any], *arguments: Any, to: list[str] = started) -> Any:
            to.append(function.__name__)
            return apart(function, *arguments)

        monkeypatch.setattr(module, "MANY_BUYERS", many)
        monkeypatch.setattr(module, "apart", counted)
        found.append(forecasts(spark, rules, lines(200), ["features/forecast_model"]))
        assert started == ["learned"] * processes
    assert found[0] == found[1]


@pytest.mark.parametrize("rows", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_histories_get_forecasts_and_notes(
    spark: SparkSession, rules: Rules, rows: list[Row]
) -> None:
    tables = forecasts(spark, rules, rows)
    (model,) = tables["features/forecast_model"]
    assert model["notes"]
    found = tables["features/forecast"]
    assert len(found) == len({row["customer_id"] for row in rows})
    for row in found:
        for name in ("churn_probability", "expected_orders", "expected_value", "clv_12m", "churn_reasons"):
            assert row[name] is not None


def test_buyers_who_never_paid_are_worth_nothing_and_do_not_affect_others(
    spark: SparkSession, rules: Rules
) -> None:
    payers = [row for n in range(60) for row in bought(f"p{n}", 100 + n, [0, 50, 60 + n % 9], 20.0 + n)]
    guests = [row for n in range(60) for row in bought(f"g{n}", 100 + n, [0, 50, 60 + n % 9], 0.0)]

    def values(rows: list[Row]) -> dict[str, Decimal]:
        found = forecasts(spark, rules, rows, ["features/forecast"])["features/forecast"]
        return {row["customer_id"]: row["expected_value"] for row in found}

    alone, together = values(payers), values([*payers, *guests])
    assert {together[row["customer_id"]] for row in guests} == {Decimal("0.00")}
    for name, value in alone.items():
        # What a day is worth is carried from the last window, in which all buyers count.
        assert float(together[name]) == pytest.approx(float(value), rel=0.1)


@pytest.mark.engine
def test_without_a_buyer_there_is_no_forecast(spark: SparkSession, rules: Rules) -> None:
    tables = forecasts(spark, rules, [])
    (model,) = tables["features/forecast_model"]
    assert (model["forecast_model"], model["model"], model["windows"]) == ("none", None, 0)
    for name in ("features/forecast", "features/churn", "marts/model_backtest", "marts/reason_effects"):
        assert tables[name] == []
