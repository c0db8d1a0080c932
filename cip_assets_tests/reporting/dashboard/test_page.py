"""The page: its numbers are those of the tables, every chart has its data, and it loads nothing from anywhere."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import altair as alt
import pytest

from cip_assets.analytics.insights.questions import QUESTIONS
from cip_assets.config.rules import Rules, load_rules
from cip_assets.reporting.dashboard.charts import Chart, charts
from cip_assets.reporting.dashboard.facts import CELLS, FACTS
from cip_assets.reporting.dashboard.figures import FEATURES, MARTS, QUERIES, Figures
from cip_assets.reporting.dashboard.page import page, tables
from cip_assets_tests.integration.helpers import added_up, exported, rows_of
from cip_assets_tests.sample import Sample

Row = dict[str, Any]


def of_page(text: str, name: str) -> Any:
    """The content of a script of the page."""
    match = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert match
    return json.loads(match[1])


def mart(sample: Sample, name: str) -> list[Row]:
    return rows_of(sample.settings, f"marts/{name}")


CHARTS = charts(load_rules())


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_is_valid_vega_lite(chart: Chart) -> None:
    """It is not validated when the page is written, to save time."""
    assert alt.Chart.from_dict(dict(chart.spec), validate=True) is not None


def test_the_page_reads_marts_and_no_events() -> None:
    """Of the cleaned tables it shows only how many lines they have, which their logs say."""
    queries = " ".join([CELLS, *QUERIES.values(), *(fact.query for fact in FACTS.values())])
    made = {*re.findall(r"CREATE TEMP \w+ (\w+) AS", queries), *re.findall(r"WITH (\w+) AS", queries)}
    assert set(re.findall(r"\b(?:FROM|JOIN) (\w+)", queries)) - made == {*MARTS, *FEATURES}


def same(shown: list[Row], promised: list[Row], by: tuple[str, ...], columns: Mapping[str, str]) -> None:
    """Compare rows of the page with those of a mart, column by column, to the six places that the mart keeps."""
    wanted = {tuple(str(row[name]) for name in by): row for row in promised}
    assert {tuple(str(row[name]) for name in by) for row in shown} == set(wanted)
    assert shown
    for row in shown:
        other = wanted[tuple(str(row[name]) for name in by)]
        for here, there in columns.items():
            expected = None if other[there] is None else float(other[there])
            assert row[here] == (expected if expected is None else pytest.approx(expected, abs=1e-6)), (
                here,
                row,
            )


def test_the_run_wrote_the_page_with_these_figures(sample: Sample, found: Figures) -> None:
    text = (sample.settings.final / "dashboard.html").read_text(encoding="utf-8")
    assert of_page(text, "cube") == json.loads(json.dumps(found.cube))
    assert set(of_page(text, "specs")) == {chart.name for chart in CHARTS}
    assert len(text) < 3_000_000


def test_revenue_orders_and_buyers_are_those_of_the_mart(sample: Sample, found: Figures) -> None:
    columns = {"revenue": "monthly_revenue", "orders": "orders", "buyers": "buyers"}
    same(added_up(found, "months"), mart(sample, "kpi_monthly_revenue"), ("month",), columns)
    same(added_up(found, "months"), mart(sample, "kpi_trends"), ("month",), {"tickets": "tickets"})


def test_the_month_of_the_snapshot_day_is_drawn_as_incomplete(sample: Sample, found: Figures) -> None:
    assert sample.report.as_of == date(2025, 6, 20)
    states = {row["month"]: row["state"] for row in added_up(found, "months")}
    assert {month for month, state in states.items() if state == "Incomplete month"} == {"2025-06-01"}
    assert states["2025-05-01"] == "Complete month"


def test_trends_are_those_of_the_mart(sample: Sample, found: Figures) -> None:
    complete = [row for row in mart(sample, "kpi_trends") if row["is_complete"]]
    equal = (
        "second_order_rate",
        "return_ratio",
        "complaints_per_100",
        "returns",
        "tickets",
        "active_customers",
        "order_lines",
    )
    shown = added_up(found, "trends")
    same(shown, complete, ("month",), {name: name for name in equal})
    closed = [row for row in complete if row["new_buyers"] is not None]
    months = {str(row["month"]) for row in closed}
    of_closed = [row for row in shown if row["month"] in months]
    same(of_closed, closed, ("month",), {name: name for name in ("new_buyers", "second_orders")})
    assert all(row["new_buyers"] == 0 for row in shown if row["month"] not in months)


def test_the_chart_of_engagement_compares_both_sides(sample: Sample, found: Figures) -> None:
    """The rates of one month, by hand."""
    rates = {"fewest sessions": 75.0, "most sessions": 37.5}
    months = [
        {
            "question": "engagement",
            "part": part,
            "month": "2025-03-01",
            "unit": "churned buyers, %",
            "rate": rate,
            "expected_rate": None,
        }
        for part, rate in rates.items()
    ]
    assert sample.report.as_of is not None
    other = replace(found, tables={**found.tables, "proofs": months})
    spec = of_page(page(other, sample.report.as_of, load_rules()), "proofs")["engagement"]
    assert {row["what"]: row["rate"] for row in spec["data"]["values"]} == {
        "Fewest sessions": 75.0,
        "Most sessions": 37.5,
    }
    assert spec["encoding"]["color"]["scale"]["domain"] == ["Fewest sessions", "Most sessions"]
    assert "chart-engagement" not in page(found, sample.report.as_of, load_rules())


def test_retention_is_that_of_the_mart(sample: Sample, found: Figures) -> None:
    complete = [
        r for r in mart(sample, "cohort_retention") if r["retention_rate"] is not None and r["month_number"]
    ]
    columns = {name: name for name in ("cohort_size", "active_buyers", "retention_rate")}
    same(added_up(found, "retention"), complete, ("cohort_month", "month_number"), columns)


def test_segments_are_those_of_the_mart(sample: Sample, found: Figures) -> None:
    promised = [r for r in mart(sample, "kpi_revenue_segment") if r["segmentation"] == "rfm_segment"]
    columns = {name: name for name in ("customers", "revenue", "revenue_share")}
    same(added_up(found, "segments"), promised, ("segment",), columns)


def test_the_charts_of_the_forecast_show_the_model_that_is_used(sample: Sample, found: Figures) -> None:
    (model,) = rows_of(sample.settings, "features/forecast_model")
    assert found.tables["forecast"][0]["error_band"] == model["error_band"]
    proofs = of_page((sample.settings.final / "dashboard.html").read_text(encoding="utf-8"), "proofs")
    used = [row for row in mart(sample, "model_calibration") if row["is_used"]]
    assert {row["model"] for row in used} <= {model["forecast_model"]}
    deciles = {row["decile"]: float(row["actual"]) for row in used}
    assert {row["decile"]: row["actual"] for row in proofs["calibration"]["data"]["values"]} == deciles
    came = {
        str(row["predicted_on"]): float(row["came_orders"])
        for row in mart(sample, "model_windows")
        if row["is_used"] and row["segment"] == "all"
    }
    shown = proofs["windows"]["data"]["values"]
    assert {row["window"]: row["orders"] for row in shown if row["what"] == "Came"} == came
    assert len(shown) == 2 * len(came) == 2 * model["windows"]


def test_products_are_those_of_the_mart(sample: Sample, found: Figures) -> None:
    promised = [
        {**row, "product": f"{row['product_name']} ({row['product_id']})"}
        for row in mart(sample, "kpi_top_products")
        if row["rank"] <= 10
    ]
    same(added_up(found, "products"), promised, ("product",), {"revenue": "revenue", "orders": "orders"})


def test_everyone_with_a_prediction_is_in_one_bar(sample: Sample, found: Figures) -> None:
    customers = mart(sample, "customer_360")
    for fact, column in (("churn", "churn_probability"), ("clv", "clv_12m")):
        people = sum(row[column] is not None for row in customers)
        assert sum(row["customers"] for row in added_up(found, fact)) == people > 0
    (totals,) = mart(sample, "kpi_totals")
    assert added_up(found, "customers") == [{"customers": totals["total_customers"]}]


def test_returns_by_category_count_an_order_line_once(sample: Sample, found: Figures) -> None:
    category = {row["product_id"]: row["category"] for row in rows_of(sample.settings, "cleaned/products")}
    returned = {row["transaction_id"] for row in rows_of(sample.settings, "cleaned/returns")}
    sold: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows_of(sample.settings, "cleaned/transactions"):
        counts = sold[category.get(row["product_id"], "Unknown")]
        counts[0] += 1
        counts[1] += row["transaction_id"] in returned
    shown = {
        row["category"]: [row["order_lines"], row["returned_lines"]] for row in added_up(found, "categories")
    }
    assert shown == dict(sold)


def test_the_tables_are_those_of_the_files(sample: Sample, found: Figures) -> None:
    (totals,), (file,) = found.tables["totals"], exported(sample.settings, "kpi_totals")
    assert (totals["currency"], file["currency"]) == (None, "")
    # The figures are those of all tests, so they are left as they are.
    assert {name: value for name, value in totals.items() if name != "currency"} == {
        name: float(file[name]) for name in totals if name != "currency"
    }
    (currency,), (of_file,) = found.tables["currencies"], exported(sample.settings, "kpi_currencies")
    assert {name: "" if value is None else str(value) for name, value in currency.items()} == {
        name: value if name == "currency" or not value else str(float(value)) if "." in value else value
        for name, value in of_file.items()
        if name in currency
    }
    answers = {row["question"]: row["answer"] for row in exported(sample.settings, "insights")}
    assert {row["question"]: row["answer"] for row in found.tables["insights"]} == answers
    ids = [row["customer_id"] for row in exported(sample.settings, "kpi_top_customers")]
    assert [row["customer_id"] for row in found.tables["customers"]] == ids
    quality = {row["table"]: row for row in found.tables["quality"]}
    for table, rows in sample.truth.rows.items():
        counted = quality[table]["cleaned"], quality[table]["quarantined"], quality[table]["superseded"]
        assert counted == (rows.clean, rows.quarantined, rows.superseded)


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


def titles(spec: Any) -> Iterator[str]:
    """The names of the axes, legends and tooltips of a specification."""
    if isinstance(spec, dict):
        if "field" in spec and spec.get("type"):
            yield spec["title"]
        for value in spec.values():
            yield from titles(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from titles(value)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_names_what_it_draws_in_words(chart: Any) -> None:
    named = set(titles({**chart.spec, "layer": chart.spec.get("layer", [])[-1:]}))
    assert named
    assert {name for name in named if name != name[0].upper() + name[1:] or "_" in name} == set()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_a_chart_draws_columns_that_its_fact_has(chart: Any) -> None:
    fact = FACTS[chart.spec["data"]["name"]]
    drawn = set(fields(chart.spec))
    assert drawn
    assert drawn <= {*fact.keys, *fact.sums, *fact.ratios, f"{fact.share}_share"}


def test_it_loads_nothing_and_shows_no_name_or_address(sample: Sample) -> None:
    text = (sample.settings.final / "dashboard.html").read_text(encoding="utf-8")
    own = text.split('<script type="application/json"')[0]
    assert not re.search(r"(src|href|url)\s*[=(]", own)
    for customer in mart(sample, "customer_360"):
        assert not customer["email"] or customer["email"] not in text
    for question in QUESTIONS:
        assert question.asks in text
    for table in tables(load_rules()):
        assert table.heading in text


def test_the_texts_name_the_windows_and_limits_of_the_rules(
    sample: Sample, found: Figures, rules: Rules
) -> None:
    other = rules.model_dump() | {"repeat": {"within_days": 61}, "top_n": 3}
    other["churn"] |= {
        "window_days": 47,
        "bands": {"medium": 31, "high": 83},
    }
    other["clv"] |= {"annual_discount_rate": 0.17}
    assert sample.report.as_of is not None
    text = page(found, sample.report.as_of, Rules.model_validate(other))
    own = text.split('<script type="application/json"')[0]
    for part in (
        "bought again within 61 days",
        "buy nothing in the next 47 days",
        "in the last windows of 47 days",
        "in each segment 47 days ago",
        "High for the 17% with the highest probabilities",
        "discounted at 17% a year",
        "the 3 products",
    ):
        assert part in own
    (forecast,) = found.tables[
        "forecast"
    ]  # the windows that it was judged by are as long as the rules said then
    assert not re.search(r"\b(84|90) days", own.replace(forecast["error_band"], ""))


def test_text_of_the_data_stays_text(sample: Sample, found: Figures) -> None:
    evil = "</script><script>alert(1)</script>"
    activity = {**found.tables["activity"][0], "activity_type": evil}
    cells = [[evil, *found.cube["cells"][0][1:]], *found.cube["cells"][1:]]
    other = replace(
        found, tables={**found.tables, "activity": [activity]}, cube={**found.cube, "cells": cells}
    )
    assert sample.report.as_of is not None
    text = page(other, sample.report.as_of, load_rules())
    assert "<script>alert" not in text
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert of_page(text, "cube")["cells"][0][0] == evil
