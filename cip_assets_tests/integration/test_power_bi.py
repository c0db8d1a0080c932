"""The Power BI project: in step with the contracts, true to the exported files, and its measures those of the marts.

Power BI itself runs on Windows alone. Here the committed files are read back by a parser that did not write them,
the files of a real run are loaded with the model's types, and the measures' DAX is evaluated over what was loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable
from pbix_mcp.dax.engine import evaluate_measures_batch
from pbix_mcp.formats.tmdl_reader import parse_tmdl_folder

from cip_assets.contracts.exports import EXPORTS, RetentionExport
from cip_assets.powerbi import model as written
from cip_assets.powerbi.measures import MEASURES, Measure
from cip_assets.powerbi.project import FOLDER, MODEL, files
from cip_assets.powerbi.report import HEIGHT, PAGES, WIDTH, home_of, placed
from cip_assets_tests.integration.conftest import Sample

Model = Mapping[str, Any]
Tables = Mapping[str, Mapping[str, Any]]

LOADED_AS = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "decimal": "DECIMAL(18, 4)",
    "dateTime": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
"""What the model's types are to DuckDB, which refuses a text that is none of its type as Power Query does."""

MART = {export.name: export.mart for export in EXPORTS}


@pytest.fixture(scope="module")
def model() -> Model:
    """The committed model."""
    found: Model = parse_tmdl_folder(str(FOLDER / MODEL / "definition"))
    return found


@pytest.fixture(scope="module")
def tables(model: Model, sample: Sample) -> Tables:
    """What a refresh would load: the files with the types of the model, and the calendar over their months."""
    loaded = {}
    with duckdb.connect() as connection:
        for export in written.TABLES:
            types = {column["name"]: column["tmdl_data_type"] for column in of(model, export.name)["columns"]}
            path = sample.settings.final / f"{export.name}.csv"
            rows = f"read_csv('{path}', header = true, all_varchar = true)"
            if isinstance(export, RetentionExport):
                rows = (
                    f"(SELECT * REPLACE (replace(month_number, 'month_', '') AS month_number) FROM "
                    f"(UNPIVOT {rows} ON COLUMNS('month_\\d+') INTO NAME month_number VALUE retention_rate))"
                )
            columns = {name: loaded_as(export.name, name, kind) for name, kind in types.items()}
            query = connection.execute(f"SELECT {', '.join(columns.values())} FROM {rows}")
            loaded[export.name] = {"columns": list(columns), "rows": list(map(as_numbers, query.fetchall()))}
    return {**loaded, written.CALENDAR: calendar(values(loaded, "kpi_monthly_revenue", "month"))}


def as_numbers(row: tuple[Any, ...]) -> list[Any]:
    """The evaluator of DAX knows no decimals."""
    return [float(value) if isinstance(value, Decimal) else value for value in row]


def loaded_as(table: str, column: str, kind: str) -> str:
    is_month = any(c.name == column and c.is_month for c in written.columns_of(export_of(table)))
    text = f"\"{column}\" || '-01'" if is_month else f'"{column}"'
    return f'CAST({text} AS {LOADED_AS[kind]}) AS "{column}"'


def calendar(months: list[datetime]) -> Mapping[str, Any]:
    first, last = min(months), max(months) + timedelta(days=32)
    days = [first + timedelta(days=n) for n in range((last.replace(day=1) - first).days)]
    return {"columns": ["Date", "Year", "Month"], "rows": [[d, d.year, d.replace(day=1)] for d in days]}


def of(model: Model, table: str) -> Mapping[str, Any]:
    (found,) = (t for t in model["tables"] if t["name"] == table)
    return found


def export_of(table: str) -> Any:
    (found,) = (export for export in written.TABLES if export.name == table)
    return found


def values(tables: Tables, table: str, column: str) -> list[Any]:
    place = tables[table]["columns"].index(column)
    return [row[place] for row in tables[table]["rows"]]


def fields_of(model: Model) -> set[tuple[str, str]]:
    """Every column and measure, with its table."""
    return {
        (table["name"], field["name"])
        for table in model["tables"]
        for field in table["columns"] + table["measures"]
    }


def by_dax(
    measure: Measure, model: Model, tables: Tables, filters: Mapping[str, list[Any]] | None = None
) -> float | None:
    """The measure as the committed model defines it, over what was loaded."""
    expressions = {m["name"]: m["expression"] for table in model["tables"] for m in table["measures"]}
    relationships = [
        {
            "FromTable": r["from_table"],
            "FromColumn": r["from_column"],
            "ToTable": r["to_table"],
            "ToColumn": r["to_column"],
            "IsActive": r["is_active"],
            "CrossFilteringBehavior": r["cross_filtering_behavior"],
            "FromCardinality": r["from_cardinality"],
            "ToCardinality": r["to_cardinality"],
        }
        for r in model["relationships"]
    ]
    found = evaluate_measures_batch(
        [measure.name], dict(tables), expressions, dict(filters or {}), relationships=relationships
    )[measure.name]
    return None if found is None else float(found)


def by_sql(measure: Measure, sample: Sample, where: str = "true") -> float | None:
    """The measure's SQL over the mart that the file was made from."""
    with duckdb.connect() as connection:
        uri = sample.settings.table_uri("marts", MART[measure.table])
        connection.register("mart", DeltaTable(uri).to_pyarrow_dataset())
        connection.execute(f"CREATE VIEW {measure.table} AS SELECT * FROM mart WHERE {where}")
        (found,) = connection.execute(measure.sql).fetchone() or (None,)
    return None if found is None else float(found)


def test_the_committed_project_is_what_the_contracts_and_rules_give() -> None:
    committed = {
        path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    assert committed == files(), "write it again: python -m cip_assets.powerbi"


def test_a_column_that_is_renamed_in_a_mart_is_seen_before_a_refresh(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = [
        replace(e, columns=["amount_spent" if c == "monetary_value" else c for c in e.columns])
        for e in EXPORTS
    ]
    monkeypatch.setattr(written, "TABLES", [e for e in renamed if e.name == "kpi_totals"])
    assert files()[f"{MODEL}/definition/tables/kpi_totals.tmdl"]  # has no such column, so is as it was
    monkeypatch.setattr(written, "TABLES", [e for e in renamed if e.name == "customer_360"])
    with pytest.raises(KeyError, match="amount_spent"):
        files()


def test_every_file_of_settings_is_json() -> None:
    settings = {path: text for path, text in files().items() if not path.endswith(".tmdl")}
    assert {json.loads(text)["$schema"].rsplit("/", 3)[1] for text in settings.values()} >= {
        "visualContainer",
        "page",
        "report",
    }


def test_the_model_has_every_table_column_and_measure(model: Model) -> None:
    columns = {(export.name, c.name) for export in written.TABLES for c in written.columns_of(export)}
    days = {(written.CALENDAR, c.name) for c in written.CALENDAR_COLUMNS}
    assert fields_of(model) == columns | days | {(m.table, m.name) for m in MEASURES}
    assert {m.name: m.dax for m in MEASURES} == {
        m["name"]: m["expression"] for table in model["tables"] for m in table["measures"]
    }


def test_no_measure_has_the_name_of_a_column(model: Model) -> None:
    """Analysis Services, which knows no upper and lower case, would not load the model."""
    for table in model["tables"]:
        names = [field["name"].lower() for field in table["columns"] + table["measures"]]
        assert len(names) == len(set(names)), table["name"]


def test_every_file_loads_with_the_columns_and_types_of_the_model(tables: Tables, sample: Sample) -> None:
    for export in written.TABLES:
        header = (
            (sample.settings.final / f"{export.name}.csv").read_text("utf-8").split("\n", 1)[0].split(",")
        )
        named = [name for name in header if not name.startswith("month_")]
        pivoted = ["month_number", "retention_rate"] if isinstance(export, RetentionExport) else []
        assert tables[export.name]["columns"] == named + pivoted
        assert tables[export.name]["rows"], export.name


def test_relationships_join_every_row_to_exactly_one(model: Model, tables: Tables) -> None:
    assert model["relationships"]
    for found in model["relationships"]:
        many = values(tables, found["from_table"], found["from_column"])
        one = values(tables, found["to_table"], found["to_column"])
        assert len(one) == len(set(one)), found["name"]
        assert set(many) <= set(one), found["name"]


def test_a_filter_reaches_a_table_by_one_path_alone(model: Model) -> None:
    pairs = [(r["from_table"], r["to_table"]) for r in model["relationships"]]
    assert len(pairs) == len(set(pairs))
    assert {one for _, one in pairs}.isdisjoint(many for many, _ in pairs)


def test_visuals_show_what_the_model_has_inside_their_page(model: Model) -> None:
    known = fields_of(model)
    for page in PAGES:
        for visual, place in placed(page):
            assert {home_of(field) for field in visual.fields} <= known, visual.title
            assert 0 <= place["x"] <= place["x"] + place["width"] <= WIDTH
            assert 0 <= place["y"] <= place["y"] + place["height"] <= HEIGHT


def test_every_measure_is_on_a_page() -> None:
    shown = {field for page in PAGES for visual, _ in placed(page) for field in visual.fields}
    assert {f"[{measure.name}]" for measure in MEASURES} <= shown


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_a_measure_in_dax_over_the_files_is_its_sql_over_the_mart(
    measure: Measure, model: Model, tables: Tables, sample: Sample
) -> None:
    found = by_sql(measure, sample)
    assert found is not None
    assert by_dax(measure, model, tables) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(
    "measure", [m for m in MEASURES if m.table == "customer_360"], ids=lambda measure: measure.name
)
def test_a_measure_of_customers_holds_for_each_segment(
    measure: Measure, model: Model, tables: Tables, sample: Sample
) -> None:
    segments = sorted(set(values(tables, "customer_360", "rfm_segment")))
    assert len(segments) > 3
    for segment in segments:
        quoted = segment.replace("'", "''")
        found = by_sql(measure, sample, f"rfm_segment = '{quoted}'")
        shown = by_dax(measure, model, tables, {"customer_360.rfm_segment": [segment]})
        assert shown == pytest.approx(found, rel=1e-9) if found else not shown, segment


@pytest.mark.parametrize(
    "measure",
    [m for m in MEASURES if m.table in {"kpi_monthly_revenue", "kpi_trends"}],
    ids=lambda measure: measure.name,
)
def test_a_measure_of_months_is_filtered_through_the_calendar(
    measure: Measure, model: Model, tables: Tables, sample: Sample
) -> None:
    months: list[datetime] = sorted(set(values(tables, "kpi_trends", "month")))
    assert len(months) > 3
    for month in months:
        found = by_sql(measure, sample, f"month = DATE '{date(month.year, month.month, 1)}'")
        shown = by_dax(measure, model, tables, {f"{written.CALENDAR}.Month": [month]})
        assert shown == pytest.approx(found, rel=1e-9) if found else not shown, month
