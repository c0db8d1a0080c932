"""Percentiles, bins and first rows, compared with their definitions in plain Python."""

from collections.abc import Sequence
from decimal import Decimal
from math import ceil

import pyspark.sql.functions as F
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from cip_assets.calc.ranking import at_or_below, bin_number, first_by, heaviest, nearest_rank, top
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.layers.frames import collected

FEW = settings(
    max_examples=20 if ENGINE == "sail" else 3,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
PERCENTS = (1, 20, 25, 40, 50, 60, 75, 80, 99, 100)

Groups = dict[str, list[Decimal | None]]

# Sizes for which the shares 20%, 25%, 40% etc. fall exactly on a row, and just next to one.
HAND_MADE: Groups = {
    "five": [Decimal(value) for value in (50, 10, 40, 20, 30)],
    "six": [Decimal(value) for value in (60, 10, 40, 20, 30, 50)],
    "four": [Decimal(value) for value in (4, 3, 2, 1)],
    "one": [Decimal("-7.25")],
    "all equal": [Decimal("3.00")] * 7,
    "with nulls": [None, Decimal(1), None, Decimal(2), None],
    "only nulls": [None, None],
}


def group_frame(spark: SparkSession, groups: Groups) -> DataFrame:
    rows = [(name, value) for name, values in groups.items() for value in values]
    return spark.createDataFrame(rows, "name string, value decimal(18,2)")


def nearest_rank_of(values: Sequence[Decimal], percent: int) -> Decimal:
    """The value at position ceil(p/100 * n) of the sorted values: the textbook definition of nearest rank."""
    return sorted(values)[ceil(percent * len(values) / 100) - 1]


# Few distinct values give ties, and sizes from one up give every remainder.
values = st.one_of(st.none(), st.integers(-3, 3).map(Decimal), st.decimals("-10000", "10000", places=2))
many_groups = st.lists(st.lists(values, min_size=1, max_size=23), min_size=5, max_size=20).map(
    lambda lists: HAND_MADE | {f"g{number}": drawn for number, drawn in enumerate(lists)}
)


@pytest.mark.engine
@FEW
@given(many_groups)
def test_nearest_rank_follows_the_textbook_definition(spark: SparkSession, groups: Groups) -> None:
    found = collected(nearest_rank(group_frame(spark, groups), "value", PERCENTS, by=["name"]))
    present = {name: [v for v in drawn if v is not None] for name, drawn in groups.items()}
    expected = {
        name: {f"p{percent}": nearest_rank_of(drawn, percent) for percent in PERCENTS}
        | {"group_size": len(drawn)}
        for name, drawn in present.items()
        if drawn
    }
    assert {row.pop("name"): row for row in found} == expected
    assert len(found) == len(expected)


@pytest.mark.engine
@FEW
@given(many_groups)
def test_at_or_below_counts_rows(spark: SparkSession, groups: Groups) -> None:
    found = collected(at_or_below(group_frame(spark, groups), "value", by=["name"]))
    present = {name: [v for v in drawn if v is not None] for name, drawn in groups.items()}
    expected = {
        (name, value): (sum(other <= value for other in drawn), len(drawn))
        for name, drawn in present.items()
        for value in set(drawn)
    }
    assert {(row["name"], row["value"]): (row["at_or_below"], row["group_size"]) for row in found} == expected
    assert len(found) == len(expected)


@pytest.mark.engine
def test_without_groups_the_whole_frame_is_one_group(spark: SparkSession) -> None:
    five = group_frame(spark, {"five": HAND_MADE["five"]})
    ranked = at_or_below(five, "value").select("value", "at_or_below", "group_size")
    assert sorted(tuple(row.values()) for row in collected(ranked)) == [
        (Decimal(10 * n), n, 5) for n in range(1, 6)
    ]
    # 20% of five rows is exactly one row, and 21% is more than one.
    assert collected(nearest_rank(five, "value", (20, 21))) == [
        {"group_size": 5, "p20": Decimal(10), "p21": Decimal(20)}
    ]


@pytest.mark.engine
def test_bin_number_counts_the_cut_points_exceeded(spark: SparkSession) -> None:
    cuts = [Decimal(10), Decimal(20), Decimal(20), Decimal("30.00")]
    expected = {
        Decimal("9.99"): 1,
        Decimal("10.00"): 1,  # equal to a cut-point is not above it
        Decimal("10.01"): 2,
        Decimal("20.00"): 2,
        Decimal("20.01"): 4,  # two equal cut-points count twice, so bin 3 is empty
        Decimal("30.00"): 4,
        Decimal("30.01"): 5,
        Decimal("-5.00"): 1,
    }
    frame = spark.createDataFrame([(value,) for value in expected], "value decimal(18,2)")
    for name, cut in zip("abcd", cuts, strict=True):
        frame = frame.withColumn(name, F.lit(cut).cast("decimal(18,2)"))
    binned = frame.select("value", bin_number("value", list("abcd")).alias("bin"))
    assert binned.schema["bin"].dataType.simpleString() == "int"
    assert {row["value"]: row["bin"] for row in binned.collect()} == expected


@pytest.mark.engine
def test_an_unknown_value_has_no_bin_and_leaves_no_top(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [("a", 1, 0), ("b", 2, 0), ("c", None, 0), ("d", 3, None)], "id string, value int, cut int"
    )
    binned = frame.select("id", bin_number("value", ["cut"]).alias("bin"))
    assert {row["id"]: row["bin"] for row in binned.collect()} == {"a": 2, "b": 2, "c": None, "d": None}
    known = frame.where("value IS NOT NULL")
    assert [(row["rank"], row["id"]) for row in collected(top(known, "value", "id", 2))] == [
        (1, "d"),
        (2, "b"),
    ]
    assert collected(top(frame, "value", "id", 2)) == []


@pytest.mark.engine
def test_first_by_takes_the_first_row_of_each_group_in_the_given_order(spark: SparkSession) -> None:
    rows = [("a", "cash", 2), ("a", "card", 2), ("a", "zinc", 1), ("b", "zinc", 9), ("b", "cash", 1)]
    frame = spark.createDataFrame(rows, "who string, what string, weight int")
    first = first_by(frame, ["who"], [F.col("weight").desc(), F.col("what").asc()])
    assert first.columns == ["who", "what", "weight"]
    assert sorted(map(tuple, first.collect())) == [("a", "card", 2), ("b", "zinc", 9)]


@pytest.mark.engine
def test_the_heaviest_name_is_the_first_of_those_with_the_highest_weight(spark: SparkSession) -> None:
    """A group whose weight is unknown has none. Names may begin with digits and blanks, or with letters beyond ASCII."""
    weights = (0, 1, 9, 10, 99, 10**18 - 1)
    names = ("", " 9", "10", "9", "Zahn", "zinc", "Ähre", "花")
    rows = [
        (f"{weight} {other}", name, weight if name in {names[at], names[at - 1]} else min(weight, other))
        for weight in weights
        for other in weights
        for at in range(len(names))
        for name in names
    ]
    rows += [("unknown", "card", None), ("unknown", "cash", 10**18 - 1), ("alone", "", None)]
    expected: dict[str, str | None] = {}
    for group in {row[0] for row in rows}:
        found = [(weight, name) for who, name, weight in rows if who == group]
        known = [(weight, name) for weight, name in found if weight is not None]
        heaviest_of = max((weight for weight, _ in known), default=0)
        first = min((name for weight, name in known if weight == heaviest_of), default=None)
        expected[group] = first if len(known) == len(found) else None
    frame = spark.createDataFrame(rows, "who string, what string, weight bigint")
    assert dict(map(tuple, heaviest(frame, "who", "what", "weight").collect())) == expected
