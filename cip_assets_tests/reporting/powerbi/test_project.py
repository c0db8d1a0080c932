"""The Power BI project, as far as it can be tested without Power BI."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cip_assets.config.rules import Rules, load_rules
from cip_assets.layers import contracts_in
from cip_assets.reporting.dashboard.figures import Figures
from cip_assets.reporting.powerbi.project import FOLDER, files
from cip_assets.storage import delta
from cip_assets_tests.integration.helpers import added_up
from cip_assets_tests.reporting.powerbi.filled import READ_AS, Model, Query, filled, parsed
from cip_assets_tests.sample import Sample

REPORT = FOLDER / "CustomerIntelligence.Report" / "definition"
MODEL = parsed(FOLDER)
TABLES: Mapping[str, Mapping[str, Any]] = {table["name"]: table for table in MODEL["tables"]}

MONTH, COHORT, SINCE = "Calendar.Month", "kpi_retention.cohort_month", "kpi_retention.month_number"
SEGMENT, REGION = "customer_360.rfm_segment", "customer_360.region"
DECILE = ["model_calibration.model", "model_calibration.decile"]
FROM_TO = ["segment_migration.from_segment", "segment_migration.to_segment"]

BY_SEGMENT = "SELECT segment, {} FROM kpi_revenue_segment WHERE segmentation = '{}' AND segment <> 'Unknown'"
BY_MONTH = "SELECT month, {} FROM kpi_trends"
OF_CUSTOMERS = "SELECT rfm_segment, {} FROM customer_360 GROUP BY rfm_segment"

SAME: Sequence[tuple[str, Sequence[str], str]] = (
    ("Snapshot day", [], "SELECT max(as_of_date) FROM kpi_totals"),
    ("Customers", [], "SELECT total_customers FROM kpi_totals"),
    ("Customers", [SEGMENT], BY_SEGMENT.format("customers", "rfm_segment")),
    ("Customers", [REGION], BY_SEGMENT.format("customers", "region")),
    (
        "Customers",
        ["customer_360.churn_from", "customer_360.churn_band"],
        (
            "SELECT 5 * least(floor(churn_probability * 20), 19)::INT, churn_band, count(churn_probability) "
            "FROM customer_360 WHERE churn_band IS NOT NULL GROUP BY ALL"
        ),
    ),
    (
        "Customers",
        ["customer_360.clv_from"],
        "SELECT 50 * least(floor(clv_12m / 50), 20)::INT, count(*) FROM customer_360 WHERE clv_12m IS NOT NULL GROUP BY ALL",
    ),
    ("Known buyers", [SEGMENT], BY_SEGMENT.format("nullif(buyers, 0)", "rfm_segment")),
    ("Spend", [], "SELECT total_revenue - orphan_revenue - guest_revenue FROM kpi_totals"),
    ("Spend", [SEGMENT], BY_SEGMENT.format("revenue", "rfm_segment")),
    ("Spend", ["customer_360.value_segment"], BY_SEGMENT.format("revenue", "value_segment")),
    ("Net spend", [REGION], BY_SEGMENT.format("net_revenue", "region")),
    ("Share of spend", [SEGMENT], BY_SEGMENT.format("revenue_share", "rfm_segment")),
    ("Spend per order", [], "SELECT sum(monetary_value) / sum(frequency) FROM customer_360"),
    (
        "Spend per order",
        [SEGMENT],
        OF_CUSTOMERS.format("sum(monetary_value) / nullif(sum(frequency), 0)"),
    ),
    ("Customers at churn risk", [SEGMENT], OF_CUSTOMERS.format("nullif(count(*) FILTER (is_churn_risk), 0)")),
    ("Mean churn probability", [SEGMENT], OF_CUSTOMERS.format("avg(churn_probability)")),
    ("12-month CLV", [SEGMENT], OF_CUSTOMERS.format("sum(clv_12m)")),
    ("Open tickets", [SEGMENT], OF_CUSTOMERS.format("sum(open_tickets)")),
    (
        "Invalid email addresses",
        [],
        "SELECT nullif(count(*) FILTER (NOT is_email_plausible), 0) FROM customer_360",
    ),
    ("Revenue", [], "SELECT total_revenue FROM kpi_totals"),
    ("Revenue", [MONTH], "SELECT month, monthly_revenue FROM kpi_monthly_revenue"),
    ("Order count", [MONTH], "SELECT month, orders FROM kpi_monthly_revenue"),
    *(
        (f"{name}, {which}", [MONTH], f"SELECT month, {column} FROM kpi_monthly_revenue WHERE {condition}")
        for name, column, which, condition in (
            ("Revenue", "monthly_revenue", "complete months", "is_complete"),
            ("Revenue", "monthly_revenue", "incomplete month", "NOT is_complete"),
            ("Order count", "orders", "complete months", "is_complete"),
        )
    ),
    ("Average order value", [MONTH], "SELECT month, monthly_revenue / orders FROM kpi_monthly_revenue"),
    ("Net revenue", [], "SELECT net_revenue FROM kpi_totals"),
    ("Orphan revenue", [], "SELECT orphan_revenue FROM kpi_totals"),
    ("Guest orders", [], "SELECT guest_orders FROM kpi_totals"),
    ("Second-order rate", [MONTH], BY_MONTH.format("second_order_rate")),
    ("Return ratio", [MONTH], BY_MONTH.format("return_ratio")),
    ("Tickets opened", [MONTH], BY_MONTH.format("tickets")),
    ("Tickets per 100 active customers", [MONTH], BY_MONTH.format("complaints_per_100")),
    (
        "Retention rate",
        [COHORT, SINCE],
        "SELECT cohort_month, month_number, retention_rate FROM cohort_retention WHERE retention_rate IS NOT NULL",
    ),
    (
        "Retention rate",
        [SINCE],
        (
            "SELECT month_number, sum(active_buyers) / sum(cohort_size) FROM cohort_retention "
            "WHERE active_buyers IS NOT NULL GROUP BY ALL"
        ),
    ),
    ("Predicted purchase rate", DECILE, "SELECT model, decile, predicted FROM model_calibration"),
    ("Actual purchase rate", DECILE, "SELECT model, decile, actual FROM model_calibration"),
    ("Share of earlier segment", FROM_TO, "SELECT from_segment, to_segment, share FROM segment_migration"),
    ("Web sessions", ["kpi_activity.activity_type"], "SELECT activity_type, sessions FROM kpi_activity"),
)
"""A measure, the columns that it is grouped by, and a query of the marts for those columns and the value."""

MEANS_OF_MONEY = {"Spend per order", "Average order value"}

ROLES: Mapping[str, tuple[set[str], set[str]]] = {
    "clusteredBarChart": ({"Category", "Y"}, set()),
    "columnChart": ({"Category", "Y"}, {"Series"}),
    "lineChart": ({"Category", "Y"}, set()),
    "lineStackedColumnComboChart": ({"Category", "Y", "Y2"}, set()),
    "multiRowCard": ({"Values"}, set()),
    "pivotTable": ({"Rows", "Columns", "Values"}, set()),
    "scatterChart": ({"Category", "X", "Y"}, {"Series"}),
    "slicer": ({"Values"}, set()),
    "tableEx": ({"Values"}, set()),
    "textbox": (set(), set()),
}
"""The roles of each kind of visual: the required ones, and the optional ones."""


@pytest.fixture(scope="module")
def model(sample: Sample) -> Model:
    return filled(MODEL, sample.settings.final)


@pytest.fixture(scope="module")
def marts(sample: Sample) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for contract in contracts_in("marts"):
            opened = delta.open_table(sample.settings.table_uri("marts", contract.table))
            connection.register(contract.table, opened.to_pyarrow_dataset())
        yield connection


def visuals() -> list[Mapping[str, Any]]:
    return [
        json.loads(path.read_text("utf-8")) for path in sorted(REPORT.glob("pages/*/visuals/*/visual.json"))
    ]


VISUALS = visuals()


def named(visual: Mapping[str, Any]) -> str:
    return str(visual["name"])


def fields_of(value: Any, aliases: Mapping[str, str] | None = None) -> Iterator[tuple[str, str, str]]:
    """Every column and measure that a visual names anywhere: kind, table and name."""
    if isinstance(value, list):
        for item in value:
            yield from fields_of(item, aliases)
    elif isinstance(value, dict):
        if "From" in value:
            aliases = {source["Name"]: source["Entity"] for source in value["From"]}
        for kind in {"Column", "Measure"} & set(value):
            source = value[kind]["Expression"]["SourceRef"]
            table = source["Entity"] if "Entity" in source else (aliases or {})[source["Source"]]
            yield kind, table, value[kind]["Property"]
        for item in value.values():
            yield from fields_of(item, aliases)


def expressions() -> Iterator[tuple[str, str]]:
    """All DAX of the model, with the name of its measure, column or partition."""
    for table in TABLES.values():
        yield from ((measure["name"], measure["expression"]) for measure in table["measures"])
        yield from ((c["name"], c["expression"]) for c in table["columns"] if c["expression"])
        yield from ((p["name"], p["source"]) for p in table["partitions"] if p["kind"] == "calculated")


def filtered_by(table: str) -> Iterator[str]:
    """The tables that a filter on a table reaches, once per path."""
    for found in MODEL["relationships"]:
        if found["to_table"] == table:
            yield found["from_table"]
            yield from filtered_by(found["from_table"])


def columns_of(table: str) -> set[str]:
    return {column["name"] for column in TABLES[table]["columns"]}


def in_the_model(value: Any) -> Any:
    if isinstance(value, date):
        return datetime.combine(value, time())
    return value if value is None or isinstance(value, str) else float(value)


def test_the_project_is_up_to_date() -> None:
    there = {
        str(path.relative_to(FOLDER)): path.read_text("utf-8")
        for path in FOLDER.rglob("*")
        if path.is_file() and ".pbi" not in path.parts
    }
    assert there == files(load_rules()), (
        "powerbi/ is out of date: run .venv/bin/python -m cip_assets.reporting.powerbi"
    )


def test_a_renamed_column_of_a_contract_makes_another_project(tmp_path: Path) -> None:
    package = Path(shutil.copytree(FOLDER.parent / "cip_assets", tmp_path / "cip_assets"))
    contract = package / "layers" / "marts" / "kpi_monthly_revenue.py"
    text = contract.read_text("utf-8")
    contract.write_text(text.replace("monthly_revenue: Money", "money_of_month: Money"), "utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import json; from cip_assets.config.rules import load_rules; "
                "from cip_assets.reporting.powerbi.project import files; print(json.dumps(files(load_rules())))"
            ),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    now = files(load_rules())
    changed = {name for name, text in json.loads(done.stdout).items() if now[name] != text}
    assert changed == {"CustomerIntelligence.SemanticModel/definition/tables/kpi_monthly_revenue.tmdl"}


def test_texts_name_the_windows_of_the_rules(rules: Rules) -> None:
    other = rules.model_dump() | {"repeat": {"within_days": 61}}
    other["churn"] |= {"window_days": 47}
    other["clv"] |= {"annual_discount_rate": 0.17}
    text = "".join(files(Rules.model_validate(other)).values())
    for part in ("within 61 days", "windows of 47 days", "next 47 days", "17% a year"):
        assert part in text
    assert not re.search(r"\{rules|\b84 days|\b90 days ago|\b120 days", text)


@pytest.mark.parametrize("table", TABLES)
def test_a_query_reads_each_column_of_its_table_as_its_type(table: str) -> None:
    (partition,) = TABLES[table]["partitions"]
    if partition["kind"] == "m":
        stated = {c["name"]: c["tmdl_data_type"] for c in TABLES[table]["columns"] if not c["expression"]}
        assert {
            name: READ_AS[kind][0] for name, kind in Query.of(partition["source"]).types.items()
        } == stated
        assert all(c["source_column"] == c["name"] for c in TABLES[table]["columns"] if not c["expression"])


TOO_EARLY = {"insight_contributions", "list_returned_orders"}
"""The sample is too short to tell a change, and too small for a certain rise."""


def test_the_files_have_these_columns_with_values_of_these_types(model: Model) -> None:
    assert {name for name, table in model.rows.items() if not table["rows"]} == TOO_EARLY
    assert {name: set(table["columns"]) for name, table in model.rows.items()} == {
        name: columns_of(name) for name in TABLES
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("monthly_revenue", "money_of_month"), KeyError),
        (lambda text: text.replace("\n", "\n2025-13,much,1,1\n", 1), ValueError),
    ],
    ids=["a renamed column", "a text where a number should be"],
)
def test_another_file_cannot_be_read(
    sample: Sample, tmp_path: Path, change: Any, problem: type[Exception]
) -> None:
    final = Path(shutil.copytree(sample.settings.final, tmp_path / "final"))
    file = final / "kpi_monthly_revenue.csv"
    file.write_text(change(file.read_text("utf-8")), "utf-8")
    with pytest.raises(problem):
        filled(MODEL, final)


@pytest.mark.parametrize("relationship", MODEL["relationships"], ids=lambda found: found["name"])
def test_one_side_of_a_relationship_is_unique_and_has_all_values_of_the_other(
    model: Model, relationship: Mapping[str, Any]
) -> None:
    many = model.column(relationship["from_table"], relationship["from_column"])
    one = model.column(relationship["to_table"], relationship["to_column"])
    assert None not in one
    assert len(set(one)) == len(one)
    assert set(many) <= set(one)
    assert many or relationship["from_table"] in TOO_EARLY


def test_the_ends_of_a_relationship_have_one_type() -> None:
    types = {(t["name"], c["name"]): c["tmdl_data_type"] for t in TABLES.values() for c in t["columns"]}
    for found in MODEL["relationships"]:
        assert (
            types[found["from_table"], found["from_column"]] == types[found["to_table"], found["to_column"]]
        )


def test_a_filter_reaches_a_table_on_one_path_only() -> None:
    for table in TABLES:
        reached = list(filtered_by(table))
        assert len(reached) == len(set(reached))
    assert all(found["cross_filtering_behavior"] == 1 for found in MODEL["relationships"])


def test_the_calendar_has_every_day_and_is_the_date_table(model: Model) -> None:
    days = model.column("Calendar", "Date")
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))
    assert {day.replace(day=1) for day in days} == set(model.column("Calendar", "Month"))
    text = (FOLDER / "CustomerIntelligence.SemanticModel/definition/tables/Calendar.tmdl").read_text("utf-8")
    assert "\tdataCategory: Time\n" in text
    assert [column["name"] for column in TABLES["Calendar"]["columns"] if column["is_key"]] == ["Date"]


@pytest.mark.parametrize(("of", "dax"), list(expressions()), ids=[of for of, _ in expressions()])
def test_dax_names_only_existing_columns_and_measures(of: str, dax: str) -> None:
    for table, column in re.findall(r"'?(\w+)'?\[(.+?)\]", dax):
        assert column in columns_of(table)
    measures = {measure["name"] for table in TABLES.values() for measure in table["measures"]}
    assert {name for name in re.findall(r"(?<![\w'])\[(.+?)\]", dax) if name != "Value"} <= measures
    assert dax


@pytest.mark.parametrize(
    ("measure", "by", "query"),
    SAME,
    ids=[f"{measure} by {', '.join(by) or 'nothing'}" for measure, by, _ in SAME],
)
def test_a_measure_has_the_value_of_the_marts(
    model: Model, marts: duckdb.DuckDBPyConnection, measure: str, by: Sequence[str], query: str
) -> None:
    promised = marts.execute(query).fetchall()
    assert promised
    for *keys, value in promised:
        where = {column: in_the_model(key) for column, key in zip(by, keys, strict=True)}
        expected = in_the_model(value)
        if isinstance(expected, float):
            # A quotient of money has four decimal places in Power BI; rates have six in the marts.
            expected = pytest.approx(expected, abs=5e-5 if measure in MEANS_OF_MONEY else 1e-6)
        assert model.value(measure, where) == expected, where


CHURNED: Mapping[str, Sequence[float]] = {
    "Churned buyers, fewest sessions": (60.0, 90.0),
    "Churned buyers, most sessions": (30.0, 50.0),
}
"""The rates of two months, in percent."""


@pytest.mark.parametrize("measure", CHURNED)
def test_a_churn_rate_by_engagement_is_weighted_over_months(model: Model, measure: str) -> None:
    months, weights = model.column("Calendar", "Month")[::31][:2], (10.0, 30.0)
    assert len(set(months)) == 2
    columns = model.rows["insight_months"]["columns"]
    rows = [
        {"part": name.partition(", ")[2], "month": month, "rate": rate, "weight": weight}
        for name, rates in CHURNED.items()
        for month, rate, weight in zip(months, rates, weights, strict=True)
    ]
    content = {"columns": columns, "rows": [[row.get(column) for column in columns] for row in rows]}
    other = replace(model, rows={**model.rows, "insight_months": content})
    first, second = CHURNED[measure]
    assert other.value(measure, {MONTH: months[0]}) == pytest.approx(first / 100)
    assert other.value(measure, {MONTH: months[1]}) == pytest.approx(second / 100)
    assert other.value(measure, {}) == pytest.approx((10 * first + 30 * second) / 40 / 100)


@pytest.mark.parametrize(("fact", "column"), [("churn", "churn_from"), ("clv", "clv_from")])
def test_the_classes_are_those_of_the_page(model: Model, found: Figures, fact: str, column: str) -> None:
    of_page: Counter[float] = Counter()
    for row in added_up(found, fact):
        of_page[row[column]] += row["customers"]
    assert Counter(value for value in model.column("customer_360", column) if value is not None) == of_page


def test_a_missing_email_address_is_not_an_invalid_one(model: Model) -> None:
    """In DAX, BLANK = FALSE is true and BLANK == FALSE is not."""
    before = model.value("Invalid email addresses", {})
    assert before == model.column("customer_360", "is_email_plausible").count(False)
    assert model.column("customer_360", "is_email_plausible")[0] is True
    assert (
        model.with_first("customer_360", "is_email_plausible", None).value("Invalid email addresses", {})
        == before
    )


def test_every_measure_is_compared_with_the_marts_and_shown() -> None:
    measures = {measure["name"] for table in TABLES.values() for measure in table["measures"]}
    assert {measure for measure, _, _ in SAME} | set(CHURNED) == measures
    assert {
        name for visual in VISUALS for kind, _, name in fields_of(visual) if kind == "Measure"
    } == measures


@pytest.mark.parametrize("visual", VISUALS, ids=named)
def test_a_visual_names_only_existing_columns_and_measures(visual: Mapping[str, Any]) -> None:
    for kind, table, name in fields_of(visual):
        if kind == "Column":
            assert name in columns_of(table)
        else:
            assert name in {measure["name"] for measure in TABLES[table]["measures"]}
    for role in visual["visual"].get("query", {}).get("queryState", {}).values():
        for projection in role["projections"]:
            ((_, table, name),) = fields_of(projection["field"])
            assert projection["queryRef"] == f"{table}.{name}"


@pytest.mark.parametrize("visual", VISUALS, ids=named)
def test_the_groups_and_filters_of_a_visual_reach_its_measures(visual: Mapping[str, Any]) -> None:
    measured = {table for kind, table, _ in fields_of(visual) if kind == "Measure"}
    for column_of in {table for kind, table, _ in fields_of(visual) if kind == "Column"}:
        assert measured <= {column_of, *filtered_by(column_of)}


@pytest.mark.parametrize("visual", VISUALS, ids=named)
def test_a_visual_is_sorted_by_a_field_that_it_shows(visual: Mapping[str, Any]) -> None:
    query = visual["visual"].get("query", {})
    shown = set(fields_of(query.get("queryState")))
    assert set(fields_of(query.get("sortDefinition"))) <= shown


@pytest.mark.parametrize("visual", VISUALS, ids=named)
def test_a_visual_has_the_roles_of_its_kind_and_alternative_text(
    visual: Mapping[str, Any],
) -> None:
    needed, possible = ROLES[visual["visual"]["visualType"]]
    roles = visual["visual"].get("query", {}).get("queryState", {})
    assert needed <= set(roles) <= needed | possible
    (general,) = visual["visual"]["visualContainerObjects"]["general"]
    assert len(general["properties"]["altText"]["expr"]["Literal"]["Value"]) > len("''")


def test_pages_and_visuals_are_in_their_folders_and_do_not_overlap() -> None:
    order = json.loads((REPORT / "pages" / "pages.json").read_text("utf-8"))
    pages = {
        path.parent.name: json.loads(path.read_text("utf-8")) for path in REPORT.glob("pages/*/page.json")
    }
    assert set(order["pageOrder"]) == set(pages)
    assert order["activePageName"] in pages
    assert len({visual["name"] for visual in VISUALS}) == len(VISUALS)
    filters = [f["name"] for visual in VISUALS for f in visual.get("filterConfig", {}).get("filters", [])]
    assert len(set(filters)) == len(filters)
    for name, page in pages.items():
        assert page["name"] == name
        found = [
            (path.parent.name, json.loads(path.read_text("utf-8")))
            for path in sorted(REPORT.glob(f"pages/{name}/visuals/*/visual.json"))
        ]
        assert all(folder == visual["name"] and len(folder) <= 50 for folder, visual in found)
        places = [visual["position"] for _, visual in found]
        assert sorted(place["tabOrder"] for place in places) == list(range(len(found)))
        for place in places:
            assert place["x"] + place["width"] <= page["width"]
            assert place["y"] + place["height"] <= page["height"]
        for one, other in combinations(places, 2):
            assert (
                one["x"] + one["width"] <= other["x"]
                or other["x"] + other["width"] <= one["x"]
                or one["y"] + one["height"] <= other["y"]
                or other["y"] + other["height"] <= one["y"]
            )


def test_referenced_files_exist() -> None:
    report = json.loads((REPORT / "report.json").read_text("utf-8"))
    (package,) = report["resourcePackages"]
    assert {item["name"] for item in package["items"]} == {report["themeCollection"]["baseTheme"]["name"]}
    for item in package["items"]:
        assert (REPORT.parent / "StaticResources" / package["name"] / item["path"]).is_file()
    reference = json.loads((REPORT.parent / "definition.pbir").read_text("utf-8"))["datasetReference"][
        "byPath"
    ]["path"]
    assert (REPORT.parent / reference / "definition.pbism").is_file()
    (artifact,) = json.loads((FOLDER / "CustomerIntelligence.pbip").read_text("utf-8"))["artifacts"]
    assert FOLDER / artifact["report"]["path"] == REPORT.parent


def test_the_project_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pbix_mcp.server import pbix_close, pbix_open_pbip, pbix_save

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # it leaves a file
    opened = json.loads(pbix_open_pbip(str(FOLDER / "CustomerIntelligence.pbip"), "project"))
    assert opened["success"], opened
    assert f"{len(TABLES)} tables" in opened["message"]
    assert opened["warnings"] == []
    saved = json.loads(pbix_save("project", str(tmp_path / "project.pbix")))
    assert saved["success"], saved
    pbix_close("project", force=True)
