"""The four questions: changes and intervals by hand, answers with and without a trend, and unusual months."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from cip_assets.analytics.insights import (
    FALLING,
    FLAT,
    NO_DATA,
    QUESTIONS,
    RISING,
    UNKNOWN,
    answer_to,
    change_of,
    direction_of,
)
from cip_assets.layers import contract_of
from cip_assets.layers.marts.insights import insights
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of
from cip_assets_tests.layers.ten_customers import D


def months(*values: float, first: date = date(2022, 1, 1)) -> dict[date, float]:
    start = first.year * 12 + first.month - 1
    return {date((start + n) // 12, (start + n) % 12 + 1, 1): value for n, value in enumerate(values)}


def test_a_change_and_its_interval_by_hand() -> None:
    # January to March compared with one year earlier: +1, +2, +3. The mean is 2, its standard error is
    # 1 / sqrt(3), and Student's t with two degrees of freedom at 99% is 9.925: 2 +- 5.730.
    found = change_of(months(5, 5, 5, *[9] * 9, 6, 7, 8))
    assert found is not None
    assert (found.before, found.now, found.change, found.pairs) == (5, 7, 2, 3)
    assert found.low == pytest.approx(2 - 5.730, abs=1e-3)
    assert found.high == pytest.approx(2 + 5.730, abs=1e-3)
    assert direction_of(found) == FLAT


def test_a_season_is_not_a_trend() -> None:
    year = [10, 12, 30, 11, 9, 10, 13, 12, 10, 9, 40, 60]
    found = change_of(months(*year, *year))
    assert found is not None
    assert (found.change, direction_of(found)) == (0, FLAT)


def test_only_the_latest_half_year_is_compared() -> None:
    found = change_of(months(*[10] * 12, *[30] * 6, *[10.0, 10.1, 9.9, 10.0, 10.1, 9.9]))
    assert found is not None
    assert (found.pairs, direction_of(found)) == (6, FLAT)


def test_with_little_history_halves_are_compared_and_the_basis_says_so() -> None:
    found = change_of(months(10, 11, 10, 20, 21, 20))
    assert found is not None
    assert (found.before, found.now, direction_of(found)) == (
        pytest.approx(31 / 3),
        pytest.approx(61 / 3),
        RISING,
    )
    assert "the season is not removed" in found.basis


def test_five_months_are_too_few() -> None:
    assert change_of(months(1, 2, 3, 4, 5)) is None
    assert direction_of(None) == UNKNOWN
    assert answer_to(QUESTIONS[0], None) == "Too early to say: too few months to compare"


def test_an_answer_has_the_change_and_its_interval() -> None:
    found = change_of(months(*[0.5] * 12, *[0.40, 0.41, 0.40, 0.39, 0.40, 0.40]))
    (repeat, *_) = QUESTIONS
    assert answer_to(repeat, found) == (
        "Repeat purchases are declining: -10.0 percentage points (99% interval: -11.0 to -9.0)"
    )


@given(st.lists(st.floats(0, 100), min_size=24, max_size=24))
def test_reversing_time_changes_only_the_sign(values: list[float]) -> None:
    """If the two years are swapped, a rise becomes a decline of the same size."""
    forth = change_of(months(*values[:12], *values[12:]))
    swapped = change_of(months(*values[12:], *values[:12]))
    assert forth is not None
    assert swapped is not None
    assert swapped.change == pytest.approx(-forth.change)
    assert swapped.low == pytest.approx(-forth.high)
    assert forth.low <= forth.change <= forth.high


def trends(**measures: list[float]) -> list[Row]:
    rows: list[Row] = []
    for number, month in enumerate(months(*[0] * 18)):
        row: Row = {"month": month, "is_complete": True}
        for name, values in measures.items():
            row[name] = Decimal(f"{values[number]:.6f}")
        rows.append(row)
    return rows


@pytest.mark.engine
def test_each_question_is_answered_by_its_measure(spark: SparkSession) -> None:
    wobble = [0.01 * (n % 3) for n in range(18)]
    rows = trends(
        second_order_rate=[0.6] * 12 + [0.4] * 6,
        return_ratio=wobble,
        complaints_per_100=[10 + w for w in wobble[:12]] + [20 + w for w in wobble[12:]],
        churn_rate_q1=[0.5 + w for w in wobble],
        churn_rate_q4=[0.1] * 18,
    )
    counts = ("buyers", "order_lines", "active_customers", "returns", "tickets", "sessions")
    rows = [{**row, **dict.fromkeys(counts, 9)} for row in rows]
    # An incomplete month is ignored.
    rows.append({**rows[-1], "month": date(2023, 7, 1), "is_complete": False, "return_ratio": Decimal(9)})
    frame = frame_of(spark, contract_of("marts", "kpi_trends").spark_schema, rows)
    found = by_key(collected(insights(kpi_trends=frame, as_of=D)), ["question"])
    assert {name: row["direction"] for name, row in found.items()} == {
        "repeat_purchases": FALLING,
        "returns": FLAT,
        "complaints": RISING,
        "engagement": RISING,
    }
    assert found["repeat_purchases"]["change"] == Decimal("-0.200000")
    assert found["engagement"]["answer"].startswith("Low engagement predicts churn: +41.0 percentage points")
    assert "per 100 active customers (99% interval" in found["complaints"]["answer"]
    assert found["engagement"]["compared"] == 12


@pytest.mark.engine
def test_without_months_there_is_no_data_for_any_answer(spark: SparkSession) -> None:
    frame = frame_of(spark, contract_of("marts", "kpi_trends").spark_schema, [])
    found = collected(insights(kpi_trends=frame, as_of=D))
    assert {row["direction"] for row in found} == {NO_DATA}
    assert len(found) == len(QUESTIONS)


@pytest.mark.engine
def test_an_answer_names_what_was_not_delivered_even_if_no_month_is_complete(spark: SparkSession) -> None:
    row: Row = {"month": D.replace(day=1), "is_complete": False, "tickets": 3, "sessions": 2}
    schema = contract_of("marts", "kpi_trends").spark_schema
    found = by_key(collected(insights(kpi_trends=frame_of(spark, schema, [row]), as_of=D)), ["question"])
    assert {name: row["answer"] for name, row in found.items()} == {
        "repeat_purchases": "No data: no purchases of known customers were delivered",
        "returns": "No data: no returns were delivered",
        "complaints": "No data: no purchases or web sessions of known customers were delivered",
        "engagement": "No data: no purchases of known customers were delivered",
    }
