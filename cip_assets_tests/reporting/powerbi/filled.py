"""The Power BI model of the project, filled with the exported files, as it would be after a refresh."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pbix_mcp.dax.calc_tables import evaluate_calc_table_expression, evaluate_row_context_column
from pbix_mcp.dax.engine import evaluate_measure, mark_currency_columns
from pbix_mcp.formats.tmdl_reader import parse_tmdl_folder

READ_AS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "type text": ("string", str),
    "Int64.Type": ("int64", int),
    "type number": ("double", float),
    "Currency.Type": ("decimal", float),
    "type logical": ("boolean", lambda text: {"true": True, "false": False}[text]),
    "type date": ("dateTime", datetime.fromisoformat),
}
"""For each type of Power Query: the type in the model, and the function that reads a text or raises an error."""


@dataclass(frozen=True)
class Query:
    """The steps of a table's Power Query, of the few kinds that these queries use."""

    file: str
    types: Mapping[str, str]
    months: Sequence[str]
    kept: Sequence[str]

    @classmethod
    def of(cls, text: str) -> "Query":
        steps = dict(re.findall(r"^\s*(\w+) = (.*?),?$", text, re.MULTILINE))
        pairs = r'\{"(\w+)", ([\w. ]+)\}'
        return cls(
            re.search(r'Folder & "\\(.+?)"', steps["Source"])[1],
            dict(re.findall(pairs, steps["Typed"])),
            re.findall(r'\{"(\w+)", each', steps.get("Dated", "")),
            re.findall(r'"(\w+)"', steps["Long"].partition("}")[0]) if "Long" in steps else [],
        )

    def rows(self, folder: Path) -> list[dict[str, str]]:
        """The file as text, unpivoted where the query says so, months as first days."""
        with (folder / self.file).open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        if self.kept:
            rows = [
                {
                    **{kept: row[kept] for kept in self.kept},
                    "month_number": name.partition("_")[2],
                    "retention_rate": value,
                }
                for row in rows
                for name, value in row.items()
                if name not in self.kept and value
            ]
        for row in rows:
            row.update({name: f"{row[name]}-01" for name in self.months if row[name]})
        return rows


@dataclass(frozen=True)
class Model:
    """The parsed tables of the model, and their rows."""

    tables: Mapping[str, Mapping[str, Any]]
    relationships: Sequence[Mapping[str, Any]]
    rows: dict[str, dict[str, Any]]

    @property
    def measures(self) -> dict[str, str]:
        return {m["name"]: m["expression"] for table in self.tables.values() for m in table["measures"]}

    def column(self, table: str, name: str) -> list[Any]:
        content = self.rows[table]
        place = content["columns"].index(name)
        return [row[place] for row in content["rows"]]

    def with_first(self, table: str, column: str, value: Any) -> "Model":
        """The same model with another value in the first row of a table."""
        content = self.rows[table]
        first, *others = content["rows"]
        changed = [
            value if name == column else own for name, own in zip(content["columns"], first, strict=True)
        ]
        return replace(self, rows={**self.rows, table: {**content, "rows": [changed, *others]}})

    def value(self, measure: str, where: Mapping[str, Any]) -> Any:
        """The value of a measure's DAX, filtered by ``table.column`` = value."""
        return evaluate_measure(
            measure,
            self.rows,
            self.measures,
            {name: [value] for name, value in where.items()},
            date_table="Calendar",
            date_column="Date",
            relationships=_for_the_engine(self.relationships),
        )


def parsed(folder: Path) -> Mapping[str, Any]:
    return parse_tmdl_folder(str(folder / "CustomerIntelligence.SemanticModel" / "definition"))


def filled(model: Mapping[str, Any], final: Path) -> Model:
    """The model with the rows of the exported files.

    Raises:
        KeyError: a file lacks a column.
        ValueError: a value does not have its type.

    """
    tables = {table["name"]: table for table in model["tables"]}
    rows: dict[str, dict[str, Any]] = {}
    money: dict[str, list[str]] = {}
    for name, table in tables.items():
        (partition,) = table["partitions"]
        if partition["kind"] == "m":
            query = Query.of(partition["source"])
            readers = {column: READ_AS[kind][1] for column, kind in query.types.items()}
            rows[name] = {
                "columns": list(readers),
                "rows": [
                    [reader(row[column]) if row[column] else None for column, reader in readers.items()]
                    for row in query.rows(final)
                ],
            }
            money[name] = [column for column, kind in query.types.items() if kind == "Currency.Type"]
    mark_currency_columns(rows, money)
    for name, table in tables.items():
        (partition,) = table["partitions"]
        if partition["kind"] == "calculated":
            content, problem = evaluate_calc_table_expression(partition["source"], rows)
            assert problem is None
            days = [[READ_AS["type date"][1](day)] for (day,) in content["rows"]]  # the engine returns text
            rows[name] = {**content, "rows": days}
    for name, table in tables.items():
        for column in table["columns"]:
            if column["expression"]:
                _add_column(name, column, rows)
    return Model(tables, model["relationships"], rows)


def _add_column(table: str, column: Mapping[str, Any], rows: dict[str, dict[str, Any]]) -> None:
    content = rows[table]
    values, problem = evaluate_row_context_column(
        content["columns"], content["rows"], column["expression"], table, rows
    )
    assert problem is None
    content["columns"].append(column["name"])
    for row, value in zip(content["rows"], values, strict=True):
        row.append(value)


def _for_the_engine(relationships: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "FromTable": found["from_table"],
            "FromColumn": found["from_column"],
            "ToTable": found["to_table"],
            "ToColumn": found["to_column"],
            "IsActive": found["is_active"],
        }
        for found in relationships
    ]
