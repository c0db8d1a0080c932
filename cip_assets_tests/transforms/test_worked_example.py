"""The worked example of docs/metrics.md: its rows, through the real transforms, give its figures."""

import re
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cip_assets.contracts import contract_of
from cip_assets.rules import Rules
from cip_assets_tests.transforms.chain import snapshot
from cip_assets_tests.transforms.frames import Row, landed, parse

METRICS = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
D = date(2024, 6, 20)
SOURCES = {
    name: landed(name, text)
    for name, text in re.findall(r"^```text (\w+)\n(.*?)^```$", METRICS, re.DOTALL | re.MULTILINE)
}
FIGURES = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in METRICS.split("| table | of | column |")[1].splitlines()[2:]
    if line.startswith("|")
]
LAYER = {"engagement": "features"}


@pytest.fixture(scope="module")
def tables(spark: SparkSession, rules: Rules) -> dict[str, list[Row]]:
    return snapshot(spark, SOURCES, D, rules)


@pytest.mark.parametrize(("table", "of", "column", "_arithmetic", "value"), FIGURES)
def test_a_figure_of_the_worked_example(
    tables: dict[str, list[Row]], table: str, of: str, column: str, _arithmetic: str, value: str
) -> None:
    layer = LAYER.get(table, "marts")
    contract = contract_of(layer, table)
    keys = [name for name in contract.key if name != "as_of_date"]
    wanted = [] if of == "all" else of.split(", ")
    assert len(wanted) == len(keys)
    (row,) = (row for row in tables[f"{layer}/{table}"] if [str(row[key]) for key in keys] == wanted)
    assert row[column] == parse(value, contract.spark_schema[column].dataType)
