"""A snapshot uses only what was known on the snapshot day D. Later rows and the order of rows have no effect."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.read import read_landing
from cip_assets.layers import EVENT_TABLES, FACTS_OF, SOURCE_TABLES, TABLES
from cip_assets.layers.cleaned.judge import cleaned_rows, judge
from cip_assets.layers.features.population import population
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets_tests.layers.chain import Sources, large_snapshot, snapshot
from cip_assets_tests.layers.frames import Row, frame_of, month_of
from cip_assets_tests.layers.future import day_of, midnight, with_another_future
from cip_assets_tests.layers.lines import entry_of
from cip_assets_tests.layers.ten_customers import D, ten_customers

Tables = Mapping[str, list[Row]]


def content(tables: Tables) -> dict[str, Counter[tuple[Any, ...]]]:
    """The rows of each table, regardless of order."""
    return {name: Counter(tuple(row.values()) for row in rows) for name, rows in tables.items()}


def known_by(sources: Sources, day: date) -> Sources:
    """The sources without events and ticket resolutions dated after a day."""
    known = dict(sources)
    for table in EVENT_TABLES:
        known[table] = [dict(row) for row in sources[table] if day_of(row, table) <= day]
    for ticket in known["support_tickets"]:
        if ticket["resolved_date"] and ticket["resolved_date"] > day:
            # The ticket was not resolved yet, so its status cannot have been Resolved or Closed.
            ticket |= {"resolved_date": None, "status": "Open"}
    return known


@pytest.mark.parametrize("seed", [None, 2, 3])
def test_later_rows_and_the_order_of_rows_have_no_effect(
    spark: SparkSession, rules: Rules, tables: Tables, seed: int | None
) -> None:
    """The fixture's tables have another future, too, so that every engine's tests of the ten customers are of that."""
    sources = with_another_future(ten_customers(), D, seed) if seed else ten_customers()
    assert content(snapshot(spark, sources, D, rules)) == content(tables)


@pytest.mark.parametrize("day", [date(2024, 1, 10), date(2024, 2, 29), D])
def test_the_snapshot_of_a_past_day_is_as_it_was_then(
    spark: SparkSession, rules: Rules, tables: Tables, day: date
) -> None:
    then = snapshot(spark, known_by(ten_customers(), day), day, rules)
    now = tables if day == D else snapshot(spark, ten_customers(), day, rules)
    assert content(now) == content(then)


SHOP = GeneratorConfig(customers=1_500, seed=11, end=date(2025, 6, 20), months=20, defects=0)
"""Enough customers and months for all models to be fitted and for the four questions to be answered."""

MAY_31 = date(2025, 5, 31)


@pytest.fixture(scope="module")
def shop(spark: SparkSession, rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """The cleaned tables of a generated shop."""
    landing = tmp_path_factory.mktemp("shop")
    generate(SHOP, landing)
    calendar = Calendar(rules.calendar.first_month, date(2025, 6, 1))
    cleaned = {}
    for name, source in SOURCE_TABLES.items():
        paths = [str(path.relative_to(landing)) for path in sorted(landing.rglob(f"{name}.csv"))]
        entries = [entry_of(landing, path, calendar) for path in paths]
        months = sorted({date.fromisoformat(month) for entry in entries for month in entry.month_rows})
        raw = read_landing(spark, landing, source, entries, calendar, months if source.is_event else None)
        cleaned[name] = cleaned_rows(judge(raw, source, rules), source).toArrow()
    return cleaned


def with_a_future(tables: Mapping[str, pa.Table], day: date, seed: int) -> dict[str, pa.Table]:
    """The tables with half of their events after the day, and another end of the tickets that were open on it."""
    chance = random.Random(seed)
    changed = dict(tables)
    for name in EVENT_TABLES:
        dated = tables[name][str(SOURCE_TABLES[name].event_date)].cast(pa.date32())
        is_future = pc.greater(dated, pa.scalar(day)).to_pylist()
        changed[name] = tables[name].filter(pa.array([not f or chance.random() < 0.5 for f in is_future]))
    tickets = changed["support_tickets"].to_pylist()
    is_open = [
        t for t in tickets if t["opened_date"] <= day and not (t["closed_on"] and t["closed_on"] <= day)
    ]
    assert len(is_open) > 20
    for ticket in is_open:
        later = day + timedelta(days=chance.randint(1, 50))
        ticket.update(
            chance.choice(
                [
                    {"status": "Resolved", "resolved_date": later, "closed_on": later},
                    {"status": "Closed", "resolved_date": None, "closed_on": later},
                    {"status": "Pending", "resolved_date": None, "closed_on": None},
                ]
            )
        )
    changed["support_tickets"] = pa.Table.from_pylist(tickets, tables["support_tickets"].schema)
    return changed


def test_the_future_of_a_shop_changes_neither_its_models_nor_its_answers(
    spark: SparkSession, rules: Rules, shop: dict[str, pa.Table]
) -> None:
    found = large_snapshot(spark, shop, MAY_31, rules)
    assert {"bg_nbd", "mbg_nbd", "pareto_nbd", "hurdle"} <= set(
        found["marts/model_backtest"]["model"].to_pylist()
    )
    assert found["features/forecast"]["churn_probability"].null_count == 0
    assert set(found["marts/insights"]["direction"].to_pylist()) - {"cannot tell yet", "no data"}
    other = large_snapshot(spark, with_a_future(shop, MAY_31, 1), MAY_31, rules)
    in_snapshots = [name for name in found if not name.startswith("facts/")]
    assert [name for name in in_snapshots if found[name] != other[name]] == []
    assert len(in_snapshots) == len(TABLES)
    assert found["facts/order_days"] != other["facts/order_days"]


@pytest.mark.parametrize("table", EVENT_TABLES)
def test_events_on_the_snapshot_day_count(
    spark: SparkSession, rules: Rules, tables: Tables, table: str
) -> None:
    """Without this test, the tests above would pass for tables that ignore their inputs."""
    source = SOURCE_TABLES[table]
    sources = dict(ten_customers())
    today = {source.event_date: midnight(D) if table == "web_activity" else D}
    row = {**sources[table][0], source.id_column: "today", "customer_id": "hal", "month": month_of(D)} | today
    sources[table] = [*sources[table], row]
    before, after = content(tables), content(snapshot(spark, sources, D, rules))
    changed = {name for name in before if before[name] != after[name]}
    assert (
        changed
        >= {
            "transactions": {
                "features/purchases",
                "features/preferences",
                "features/rfm",
                "features/rfm_cut_points",
                "features/segments",
                "features/churn",
                "features/clv",
                "marts/customer_360",
                "marts/cohort_retention",
                "marts/kpi_totals",
                "marts/kpi_revenue_segment",
                "marts/kpi_monthly_revenue",
                "marts/kpi_top_customers",
                "marts/kpi_top_products",
                "marts/kpi_trends",
            },
            "returns": {"features/returns", "marts/customer_360", "marts/kpi_totals", "marts/kpi_trends"},
            "support_tickets": {"features/support", "marts/customer_360", "marts/kpi_trends"},
            "web_activity": {
                "features/engagement",
                "marts/customer_360",
                "marts/kpi_activity",
                "marts/kpi_trends",
            },
        }[table]
    )


@pytest.mark.parametrize("table", EVENT_TABLES)
def test_an_event_by_the_snapshot_day_adds_a_customer_who_signed_up_later(
    spark: SparkSession, table: str
) -> None:
    """jon signed up after D, but with any event by D, jon is in the population."""
    sources = dict(ten_customers())
    early = {**sources[table][0], SOURCE_TABLES[table].id_column: "early", "customer_id": "jon"}
    sources[table] = [*sources[table], early]
    frames = {
        name: frame_of(spark, SOURCE_TABLES[name].cleaned.spark_schema, sources[name])
        for name in ("customers", *EVENT_TABLES)
    }
    for source, facts in FACTS_OF.items():
        frames[facts.contract.table] = facts(frames.pop(source))
    known = population(**frames, as_of=D).collect()
    assert "jon" in {row["customer_id"] for row in known}
