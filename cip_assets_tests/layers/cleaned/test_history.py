"""The history of a table of full deliveries: on each day it is what the newest delivery of that day was."""

import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned.history import ALWAYS, history
from cip_assets.layers.cleaned.judge import good_rows
from cip_assets_tests.layers.frames import Row, collected, frame_of

CUSTOMERS = SOURCE_TABLES["customers"]

Delivery = Mapping[str, str | None]
"""The region of each customer."""


def lines(day: date | None, regions: Delivery, file: str = "a.csv") -> list[Row]:
    return [
        {"customer_id": customer, "region": region, "delivery_date": day}
        | {"source_file": file, "source_version": "0", "source_line": line}
        for line, (customer, region) in enumerate(regions.items(), 2)
    ]


def history_of(
    spark: SparkSession, rules: Rules, deliveries: Sequence[tuple[date | None, Sequence[Row]]]
) -> list[Row]:
    *older, (_, newest) = deliveries
    raw = [row for _, rows in older for row in rows]
    schema = CUSTOMERS.raw.spark_schema
    cleaned = good_rows(frame_of(spark, schema, newest), CUSTOMERS, rules)
    before = frame_of(spark, schema, raw) if raw else None
    rows = collected(history(cleaned, before, [day for day, _ in deliveries], CUSTOMERS, rules))
    return sorted(rows, key=lambda row: (row["customer_id"], row["valid_from"]))


def periods(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    return [
        tuple(row[name] for name in ("customer_id", "region", "valid_from", "valid_to", "is_current"))
        for row in rows
    ]


MAY, JUNE, JULY = date(2024, 5, 1), date(2024, 6, 1), date(2024, 7, 1)


@pytest.mark.engine
def test_a_change_a_removal_and_a_return_begin_and_end_periods(spark: SparkSession, rules: Rules) -> None:
    found = history_of(
        spark,
        rules,
        [
            (None, lines(None, {"ann": "North", "bob": "North", "cat": None, "dan": "East"})),
            (MAY, lines(MAY, {"ann": "North", "bob": "South", "cat": None, "": "nobody"})),
            (JUNE, lines(JUNE, {"ann": "North", "bob": "North", "cat": "West", "dan": "East"})),
            (JULY, lines(JULY, {"ann": " north ", "bob": "North", "dan": "East", "eve": "West"})),
        ],
    )
    assert periods(found) == [
        ("ann", "North", ALWAYS, None, True),  # another spelling is no change
        ("bob", "North", ALWAYS, MAY, False),
        ("bob", "South", MAY, JUNE, False),
        ("bob", "North", JUNE, None, True),
        ("cat", None, ALWAYS, JUNE, False),
        ("cat", "West", JUNE, JULY, False),
        ("dan", "East", ALWAYS, MAY, False),
        ("dan", "East", JUNE, None, True),
        ("eve", "West", JULY, None, True),
    ]


def test_of_several_lines_of_a_delivery_the_last_one_counts(spark: SparkSession, rules: Rules) -> None:
    several = [*lines(MAY, {"ann": "North"}, "b.csv"), *lines(MAY, {"bob": "x", "ann": "South"})]
    found = history_of(spark, rules, [(MAY, several), (JUNE, lines(JUNE, {"ann": "North"}))])
    assert periods(found) == [("ann", "North", MAY, None, True), ("bob", "x", MAY, JUNE, False)]


@pytest.mark.engine
def test_one_delivery_is_the_state_of_all_its_days(spark: SparkSession, rules: Rules) -> None:
    found = history_of(spark, rules, [(MAY, lines(MAY, {"ann": "North"}))])
    assert periods(found) == [("ann", "North", MAY, None, True)]


def test_the_state_of_each_day_is_the_newest_delivery_of_that_day(spark: SparkSession, rules: Rules) -> None:
    chance = random.Random(5)
    days = [MAY + timedelta(days=n) for n in sorted(chance.sample(range(60), 9))]
    names = [f"c{n}" for n in range(40)]
    states = [
        {name: chance.choice(["North", "South", None]) for name in names if chance.random() < 0.7}
        for _ in days
    ]
    deliveries = [(day, lines(day, state)) for day, state in zip(days, states, strict=True)]
    found = history_of(spark, rules, deliveries)
    for day in (days[0] + timedelta(days=n) for n in range(70)):
        (_, newest) = max((d, n) for n, d in enumerate(days) if d <= day)
        then = [r for r in found if r["valid_from"] <= day and (r["valid_to"] is None or r["valid_to"] > day)]
        assert {row["customer_id"]: row["region"] for row in then} == states[newest], day
        assert len(then) == len(states[newest])
    changed = [a for a, b in pairwise(found) if a["customer_id"] == b["customer_id"]]
    assert all(row["valid_to"] for row in changed)
