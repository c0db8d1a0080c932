"""What a contract is: a pandera model with a grain, a key and a partition column."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Annotated, Any

import pyspark.sql.types as T
from pandera.api.pyspark.components import Column
from pandera.pyspark import DataFrameModel, Field

Money = Annotated[T.DecimalType, 18, 2]
"""An amount in the retailer's currency. Exact, so that sums do not depend on their order."""

Ratio = Annotated[T.DecimalType, 18, 6]
"""A share, rate or score, rounded half up to six places from an exact fraction."""

AS_OF = "as_of_date"
"""The column of the day that a snapshot is of."""


def column(
    description: str,
    *sources: str,
    required: bool = False,
    unit: str | None = None,
    pii: bool = False,
    **checks: Any,
) -> Any:
    """Declare a column of a contract.

    Args:
        description: what the value means, in the words of an analyst.
        sources: the columns it is computed from: what it is made of, counted by or chosen by, and not what rows
            are only joined, filtered or grouped by. A count comes from the id of what it counts. Each is a column
            of the first of the contract's inputs that has it, or else ``table.column``. Without any, the column
            is taken over from the first input that has one of its name.
        required: whether a row without a value breaks the contract.
        unit: the unit of the value, where the type does not say it.
        pii: whether the value can identify a person.
        checks: pandera's built-in checks: ``ge``, ``le``, ``isin``, ``str_matches``.

    """
    return Field(
        nullable=not required,
        description=description,
        metadata={"unit": unit, "pii": pii, "sources": sources},
        **checks,
    )


@dataclass(frozen=True)
class ColumnRule:
    """One rule of a contract as an SQL expression that is true for a row that breaks it."""

    name: str
    broken_when: str


@dataclass(frozen=True)
class TableContract:
    """A table as everybody else may rely on it.

    ``rules`` are the model's checks in SQL: one query can then count all that is broken, on any engine.
    ``domain`` is the part of the business it is about. ``inputs`` are the tables it is computed from: the one
    that gives its rows first.
    """

    layer: str
    table: str
    grain: str
    key: tuple[str, ...]
    model: type[DataFrameModel]
    partition_column: str | None = None
    row_rules: Mapping[str, str] = field(default_factory=dict)
    domain: str = "platform"
    inputs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.layer}/{self.table}"

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.model.__doc__ or "")

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The key columns first, then the model's own, then the ones that tell where a row came from."""
        declared = self.model.to_schema().columns

        def place(name: str) -> int:
            return 0 if name in self.key else 1 if name in self.model.__annotations__ else 2

        return {name: declared[name] for name in sorted(declared, key=place)}

    @cached_property
    def spark_schema(self) -> T.StructType:
        """The columns in their order and with their types; every one nullable, as Delta stores them."""
        return T.StructType([T.StructField(name, c.dtype.type, True) for name, c in self.columns.items()])

    @cached_property
    def rules(self) -> Sequence[ColumnRule]:
        rules = [rule for name, c in self.columns.items() for rule in column_rules(name, c)]
        rules += [ColumnRule(name, broken_when) for name, broken_when in self.row_rules.items()]
        return tuple(rules)

    def unit(self, column_name: str) -> str | None:
        return (self.columns[column_name].metadata or {}).get("unit")

    def is_pii(self, column_name: str) -> bool:
        return bool((self.columns[column_name].metadata or {}).get("pii"))

    def sources(self, column_name: str) -> tuple[str, ...]:
        """The columns of other tables that a column comes from, as ``layer/table.column``.

        Raises:
            KeyError: it names a source that no input has.

        """
        if column_name == AS_OF:
            return ()  # stamped by the run
        named = (self.columns[column_name].metadata or {}).get("sources")
        found: list[str] = []
        for source in named or [column_name]:
            table, _, wanted = source.rpartition(".")
            inputs = [CONTRACTS[name] for name in self.inputs]
            holders = [i for i in inputs if wanted in i.columns and table in {"", i.table}]
            if named and not holders:
                raise KeyError(f"{self.name}.{column_name}: no input has its source {source}")
            found += [f"{holder.name}.{wanted}" for holder in holders[:1]]
        return tuple(found)


def _literal(value: object) -> str:
    """A value in SQL. Backslashes, since Sail reads a doubled quote as the end of one text and another."""
    if isinstance(value, date):
        return f"DATE '{value}'"
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SQL_OF_CHECK: Mapping[str, tuple[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "greater_than_or_equal_to": ("below_minimum", lambda c, s: f"{c} < {_literal(s['min_value'])}"),
    "less_than_or_equal_to": ("above_maximum", lambda c, s: f"{c} > {_literal(s['max_value'])}"),
    "isin": (
        "not_allowed",
        lambda c, s: f"{c} NOT IN ({', '.join(_literal(v) for v in s['allowed_values'])})",
    ),
    # As pandera reads it: from the start of the text.
    "str_matches": (
        "wrong_format",
        lambda c, s: f"NOT {c} RLIKE {_literal('^' + s['pattern'].removeprefix('^'))}",
    ),
}


def column_rules(name: str, declared: Column) -> list[ColumnRule]:
    """The checks of one pandera column as SQL, named ``column:what is wrong``.

    Raises:
        KeyError: for a pandera check that has no SQL form here; add it to the table above.

    """
    rules = [] if declared.nullable else [ColumnRule(f"{name}:missing", f"{name} IS NULL")]
    for check in declared.checks:
        problem, to_sql = _SQL_OF_CHECK[check.name]
        rules.append(ColumnRule(f"{name}:{problem}", to_sql(name, check.statistics)))
    return rules


Declare = Callable[[type[DataFrameModel]], type[DataFrameModel]]

LAYERS = ("landing", "raw", "quarantine", "cleaned", "features", "marts")
"""The layers in the order in which data flows through them."""

CONTRACTS: dict[str, TableContract] = {}
"""Every contract by its name, ``layer/table``."""


def contract(
    name: str,
    *,
    grain: str,
    key: Sequence[str],
    domain: str,
    partition_column: str | None = None,
    row_rules: Mapping[str, str] | None = None,
    inputs: Sequence[str] = (),
) -> Declare:
    """Register a pandera model as the contract of ``layer/table``."""

    def register(model: type[DataFrameModel]) -> type[DataFrameModel]:
        layer, table = name.split("/")
        CONTRACTS[name] = TableContract(
            layer, table, grain, tuple(key), model, partition_column, row_rules or {}, domain, tuple(inputs)
        )
        return model

    return register


def contracts_in(*layers: str) -> list[TableContract]:
    """The contracts of some layers, or of all, in the order of the data flow."""
    wanted = layers or LAYERS
    return sorted((c for c in CONTRACTS.values() if c.layer in wanted), key=lambda c: LAYERS.index(c.layer))


def contract_of(layer: str, table: str) -> TableContract:
    return CONTRACTS[f"{layer}/{table}"]
