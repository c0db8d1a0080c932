"""A table that is carried from an older day is what computing it again would give."""

import random
from datetime import date, timedelta
from itertools import pairwise
from types import MappingProxyType

import pytest
from pyspark.sql import DataFrame, SparkSession

from cip_assets.calc.carried import Before
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import DeclarationError
from cip_assets.contracts.table import table
from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES, TABLES
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.features.split_orders import SplitOrders
from cip_assets_tests.layers.chain import Sources, snapshot
from cip_assets_tests.layers.frames import month_of
from cip_assets_tests.layers.future import midnight
from cip_assets_tests.layers.ten_customers import D, ten_customers
from cip_assets_tests.layers.test_as_of import Tables, content

CARRIED = tuple(table.contract.name for table in TABLES if table.carried)
START = date(2023, 4, 1)

FIGURES = [
    ("features/purchases", "frequency"),
    ("features/preferences", "top_brand"),
    ("features/split_orders", "parts"),
    ("marts/kpi_monthly_revenue", "orders"),
    ("marts/kpi_trends", "order_lines"),
    ("marts/insight_counts", "events"),
]
"""A figure of each carried table, on which the same figure of no other one depends."""


def random_sources(seed: int) -> Sources:
    """Events of eight customers and a guest in 14 months: orders with lines on several days and of several customers,
    unknown amounts, and tables that begin late or have no row."""
    chance = random.Random(seed)
    few = ["ann", "bob", "cat", "dan", "eve", "stray", "other"]
    found = {name: list(rows) for name, rows in ten_customers().items()}
    for name in EVENT_TABLES:
        source, begins = SOURCE_TABLES[name], chance.choice([0, 0, 0, 0, 60, 300, 600])
        found[name] = []
        for number in range(chance.randint(60, 120)):
            day = START + timedelta(days=begins + int(chance.random() * 440))
            if day > D:
                continue
            guest = name == "transactions" and chance.random() < 0.1
            changed = {
                source.id_column: f"{name}{number}",
                "customer_id": None if guest else chance.choice(few),
                source.event_date: midnight(day) if name == "web_activity" else day,
                "month": month_of(day),
            }
            if name == "transactions":
                changed |= {"order_id": f"o{chance.randint(0, 40)}", "is_guest": guest}
                changed |= {"amount": None} if chance.random() < 0.05 else {}
            if name == "support_tickets":
                changed |= {"resolved_date": None}
            found[name].append(chance.choice(ten_customers()[name]) | changed)
    return MappingProxyType(found)


@pytest.mark.parametrize(("seed", "days"), [pytest.param(1, 2, marks=pytest.mark.engine), (2, 3), (3, 3)])
def test_a_carried_table_is_what_computing_it_again_gives(
    spark: SparkSession, rules: Rules, seed: int, days: int
) -> None:
    """From day to day, so that an error would be carried on."""
    sources, chance = random_sources(seed), random.Random(seed)
    chosen = sorted(chance.sample([START + timedelta(days=n) for n in range(10, 447)], days))
    carried: Tables = snapshot(spark, sources, chosen[0], rules, CARRIED)
    for older, day in pairwise(chosen):
        carried = snapshot(spark, sources, day, rules, CARRIED, carried_from=(older, carried))
        again = snapshot(spark, sources, day, rules, CARRIED)
        assert content(carried) == content(again), (older, day)


@pytest.fixture(scope="module")
def older(spark: SparkSession, rules: Rules) -> Tables:
    """The carried tables of an older day, with one figure of each wrong."""
    tables = snapshot(spark, random_sources(1), D - timedelta(days=3), rules, CARRIED)
    for name, figure in FIGURES:
        for row in tables[name]:
            row[figure] = wrong(figure)
    return tables


@pytest.fixture(scope="module")
def newer(spark: SparkSession, rules: Rules, older: Tables) -> Tables:
    """The tables carried from them."""
    return snapshot(spark, random_sources(1), D, rules, CARRIED, carried_from=(D - timedelta(days=3), older))


def wrong(figure: str) -> object:
    return "wrong" if figure == "top_brand" else 999


@pytest.mark.parametrize(("name", "figure"), FIGURES)
def test_what_is_over_is_not_computed_again(older: Tables, newer: Tables, name: str, figure: str) -> None:
    """Rows of the older day that nothing can have changed since are taken as they are, right or wrong."""
    assert 0 < sum(row[figure] == wrong(figure) for row in newer[name]) <= len(older[name])


def test_every_carried_table_is_among_them() -> None:
    assert {name for name, _ in FIGURES} == set(CARRIED)


def test_a_table_says_with_which_inputs_it_is_carried() -> None:
    def split_orders(order_days: DataFrame, as_of: date) -> DataFrame:
        return order_days.where(str(as_of))

    def kept(order_days: DataFrame, before: Before | None) -> DataFrame:
        return before.rows if before else order_days

    for function in (split_orders, kept):
        function.__module__ = f"cip_assets.layers.features.{function.__name__}"
    with pytest.raises(DeclarationError, match="carried with orders, which is not one of its inputs"):
        table(SplitOrders, carried=("orders",), order_days=OrderDays)(split_orders)
    with pytest.raises(DeclarationError, match="the function takes 'before'"):
        table(SplitOrders, carried=("order_days",), order_days=OrderDays)(split_orders)
    with pytest.raises(DeclarationError, match="the function takes 'before'"):
        table(SplitOrders, order_days=OrderDays)(kept)
