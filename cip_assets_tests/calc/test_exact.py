"""Shares and means compared with Python's decimals, rounded half up."""

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pyspark.sql.functions as F
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from cip_assets.calc.exact import cents, mean_money, money_on_first, ratio, total_money
from cip_assets_tests.conftest import ENGINE

# Each example is one query over many numbers. There are several, because the first ones of hypothesis are simple.
FEW = settings(
    max_examples=20 if ENGINE == "sail" else 4,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)

LARGEST = 2**63 - 1
"""The largest bigint. Times a million, it does not fit a bigint."""

CENTS = 999_999_999_999_999_999
"""The largest decimal(18,2), in cents."""

Pair = tuple[int | None, int | None]

RATIOS: Sequence[Pair] = [
    (1, 3),  # 0.333333|33
    (2, 3),  # 0.666666|66 up
    (1, 2_000_000),  # 0.0000005 exactly: half a unit, up
    (-1, 2_000_000),  # away from zero
    (1, 2_000_001),  # just below half a unit
    (-1, 2_000_001),
    (3, 2_000_000),  # 0.0000015, where rounding to even would give 2 as well
    (5, 2_000_000),  # 0.0000025, where rounding to even would give 2
    (-5, 2_000_000),
    (0, 7),
    (7, 7),
    (-7, 7),
    (1, 0),
    (0, 0),
    (-1, 0),
    (1, -2),
    (None, 3),
    (3, None),
    (None, None),
    (LARGEST, LARGEST),
    (-LARGEST, LARGEST),
    (LARGEST, 2**24),
    (1, LARGEST),
    (CENTS - 1, CENTS),
    (CENTS, CENTS - 1),
    (CENTS, 3 * CENTS),
    (999_999_999_999, 1),  # the largest quotients that are supported
    (-999_999_999_999, 1),
]


def half_up(numerator: Decimal | int, denominator: int, places: int) -> Decimal:
    with localcontext(prec=60):
        return (Decimal(numerator) / denominator).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def expected_ratio(pair: Pair) -> Decimal | None:
    numerator, denominator = pair
    if numerator is None or denominator is None or denominator <= 0:
        return None
    return half_up(numerator, denominator, 6)


@pytest.mark.engine
@FEW
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-1000, 1000), st.integers(-LARGEST, LARGEST)),
            st.one_of(st.integers(-3, 1000), st.integers(10**7, LARGEST)),
        ),
        min_size=100,
        max_size=200,
    )
)
def test_ratio_equals_pythons_half_up_quotient(spark: SparkSession, drawn: list[Pair]) -> None:
    pairs = [
        *RATIOS,
        *((n, d) for n, d in drawn if n is not None and d is not None and (d <= 0 or abs(n / d) < 1e11)),
        # Ties: an odd multiple of half a millionth.
        *((2 * n + 1, 2_000_000) for n, _ in drawn if n is not None and abs(n) <= 1000),
    ]
    rows = [(index, n, d) for index, (n, d) in enumerate(pairs)]
    frame = spark.createDataFrame(rows, "id int, n bigint, d bigint")
    computed = frame.select("id", ratio("n", "d").alias("ratio"))
    assert computed.schema["ratio"].dataType.simpleString() == "decimal(18,6)"
    found = {row["id"]: row["ratio"] for row in computed.collect()}
    wrong = [(pair, found[i]) for i, pair in enumerate(pairs) if found[i] != expected_ratio(pair)]
    assert wrong == []


Total = tuple[Decimal | None, int | None]

MEANS: Sequence[Total] = [
    (Decimal("0.01"), 2),  # 0.005: up
    (Decimal("-0.01"), 2),  # away from zero
    (Decimal("0.03"), 2),  # 0.015, where rounding to even would give 0.02 as well
    (Decimal("0.05"), 2),  # 0.025, where rounding to even would give 0.02
    (Decimal("-0.05"), 2),
    (Decimal("300.02"), 4),  # 75.005
    (Decimal("0.01"), 3),
    (Decimal("0.02"), 3),
    (Decimal("10.00"), 3),
    (Decimal("0.00"), 5),
    (Decimal("19.99"), 1),
    (Decimal("5.00"), 0),
    (Decimal("5.00"), -1),
    (None, 1),
    (Decimal("5.00"), None),
    (Decimal("9999999999999999.99"), 1),  # the largest decimal(18,2)
    (Decimal("-9999999999999999.99"), 1),
    (Decimal("9999999999999999.99"), 2),
    (Decimal("9999999999999999.99"), 7),
    (Decimal("9999999999999999.99"), 2_000_000_000),
]


def expected_mean(pair: Total) -> Decimal | None:
    total, count = pair
    return None if total is None or count is None or count <= 0 else half_up(total, count, 2)


@pytest.mark.engine
@FEW
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.decimals("-100", "100", places=2),
                st.decimals("-9999999999999999.99", "9999999999999999.99", places=2),
            ),
            st.one_of(st.integers(-2, 12), st.integers(1, 10**9)),
        ),
        min_size=100,
        max_size=200,
    )
)
def test_mean_money_equals_pythons_half_up_mean(spark: SparkSession, drawn: list[Total]) -> None:
    pairs = [*MEANS, *drawn]
    rows = [(index, total, count) for index, (total, count) in enumerate(pairs)]
    frame = spark.createDataFrame(rows, "id int, total decimal(18,2), n bigint")
    computed = frame.select(
        "id", mean_money("total", "n").alias("mean"), F.expr(cents("total")).alias("cents")
    )
    assert computed.schema["mean"].dataType.simpleString() == "decimal(18,2)"
    found = {row["id"]: row for row in computed.collect()}
    wrong = [
        (pair, found[i]["mean"]) for i, pair in enumerate(pairs) if found[i]["mean"] != expected_mean(pair)
    ]
    assert wrong == []
    in_cents = [None if total is None else int(total * 100) for total, _ in pairs]
    assert [found[i]["cents"] for i in range(len(pairs))] == in_cents


@pytest.mark.engine
def test_total_money_is_exact_zero_for_no_rows_and_null_if_an_amount_is(spark: SparkSession) -> None:
    # In floats, a hundred times 0.10 is not 10.
    rows = [("a", Decimal("0.10"))] * 100 + [("a", Decimal("9999999999999.99"))]
    rows += [("b", None), ("d", None), ("d", Decimal("1.00"))]
    frame = spark.createDataFrame(rows, "name string, amount decimal(18,2)")
    totals = frame.groupBy("name").agg(total_money("amount").alias("total"))
    nothing = frame.where("name = 'c'").agg(F.lit("c").alias("name"), total_money("amount").alias("total"))
    both = totals.union(nothing)
    assert both.schema["total"].dataType.simpleString() == "decimal(18,2)"
    assert {row["name"]: row["total"] for row in both.collect()} == {
        "a": Decimal("10000000000009.99"),
        "b": None,
        "c": Decimal("0.00"),
        "d": None,
    }


DAYS = st.dictionaries(
    st.dates(date(1890, 1, 1), date(2099, 12, 31)),
    st.none() | st.integers(0, CENTS) | st.sampled_from([0, 1, CENTS]),
    min_size=1,
    max_size=6,
)


@pytest.mark.engine
@FEW
@given(st.lists(DAYS, min_size=1, max_size=20))
def test_the_money_on_the_first_day_that_has_any(
    spark: SparkSession, groups: list[dict[date, int | None]]
) -> None:
    rows = [
        (n, day, None if money is None else Decimal(money).scaleb(-2))
        for n, days in enumerate(groups)
        for day, money in days.items()
    ]
    frame = spark.createDataFrame(rows, "n int, day date, money decimal(18,2)")
    found = {
        row["n"]: row["first"]
        for row in frame.groupBy("n").agg(money_on_first("money", "day").alias("first")).collect()
    }
    known = [{day: money for day, money in days.items() if money is not None} for days in groups]
    assert found == {n: Decimal(days[min(days)]).scaleb(-2) if days else None for n, days in enumerate(known)}
