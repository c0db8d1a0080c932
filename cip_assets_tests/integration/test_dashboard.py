"""The page: its numbers are those of the tables, every chart has its data, and it loads nothing from anywhere."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cip_assets.dashboard.charts import charts
from cip_assets.dashboard.figures import QUERIES, Rows, figures
from cip_assets.dashboard.page import QUESTIONS, TABLES, page
from cip_assets.settings import Settings
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import exported, rows_of

DAY = date(2024, 2, 12)


@pytest.fixture
def settings(healthy: Path) -> Settings:
    return Settings(healthy, ENGINE)


@pytest.fixture
def found(settings: Settings) -> Mapping[str, Rows]:
    return figures(settings, DAY)


def of_page(text: str, name: str) -> Any:
    """What a script of the page holds."""
    match = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_run_wrote_the_page_with_the_figures_of_the_tables(
    settings: Settings, found: Mapping[str, Rows]
) -> None:
    text = (settings.final / "dashboard.html").read_text(encoding="utf-8")
    assert of_page(text, "figures") == found
    assert set(of_page(text, "specs")) == {chart.name for chart in charts()}
    assert len(text) < 3_000_000


def test_its_numbers_are_those_of_the_files(settings: Settings, found: Mapping[str, Rows]) -> None:
    months = [(row["month"][:7], row["monthly_revenue"], row["orders"]) for row in found["months"]]
    assert months == [
        (row["month"], float(row["monthly_revenue"]), int(row["orders"]))
        for row in exported(settings, "kpi_monthly_revenue")
    ]
    (totals,) = found["totals"]
    (file,) = exported(settings, "kpi_totals")
    assert totals == {name: float(file[name]) for name in totals}
    answers = {row["question"]: row["answer"] for row in exported(settings, "insights")}
    assert {row["question"]: row["answer"] for row in found["insights"]} == answers
    said = [row for row in exported(settings, "customer_360") if row["churn_probability"]]
    assert sum(row["customers"] for row in found["churn"]) == len(said) > 0
    (transactions,) = [row for row in found["quality"] if row["table"] == "transactions"]
    assert transactions["cleaned"] == len(rows_of(settings, "cleaned/transactions"))
    assert transactions["newest"] == str(DAY)


def test_returns_by_category_count_a_transaction_once(found: Mapping[str, Rows]) -> None:
    # T3 came back, but after the day.
    assert found["categories"] == [{"category": "Home", "sold": 3, "returned": 0, "share": 0.0}]


def fields(spec: Any) -> Iterator[str]:
    """The names of the columns that a specification draws."""
    if isinstance(spec, dict):
        if isinstance(spec.get("field"), str):
            yield spec["field"]
        for value in spec.values():
            yield from fields(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from fields(value)


@pytest.mark.parametrize("chart", charts(), ids=lambda chart: chart.name)
def test_a_chart_draws_columns_that_its_figure_has(chart: Any) -> None:
    query = QUERIES[chart.spec["data"]["name"]]
    drawn = set(fields(chart.spec))
    assert drawn
    assert {name for name in drawn if not re.search(rf"\b{name}\b", query)} == set()


def test_it_loads_nothing_and_shows_no_name_or_address(settings: Settings) -> None:
    text = (settings.final / "dashboard.html").read_text(encoding="utf-8")
    own = text.split('<script type="application/json"')[0]
    assert not re.search(r"(src|href|url)\s*[=(]", own)
    assert not re.search(r"Lovelace|Turing|@example", text)
    for question in QUESTIONS.values():
        assert question in text
    for table in TABLES:
        assert table.heading in text


def test_text_of_the_data_stays_text(found: Mapping[str, Rows]) -> None:
    product = {**found["products"][0], "product_name": "</script><script>alert(1)</script>"}
    text = page({**found, "products": [product]}, DAY)
    assert "<script>alert" not in text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert of_page(text, "figures")["products"][0]["product_name"] == product["product_name"]
