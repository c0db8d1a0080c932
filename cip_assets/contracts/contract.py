"""Contracts: pandera models with a grain, a key and a partition column."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyspark.sql.types as T
from pandera.api.pyspark.components import Column
from pandera.pyspark import DataFrameModel, Field

from cip_assets.contracts.rules_sql import ColumnRule, column_rules

AS_OF = "as_of_date"
"""The column with the snapshot day."""

LAYERS = ("landing", "raw", "quarantine", "cleaned", "facts", "features", "marts")
"""The layers, in the order in which data flows through them."""


class DeclarationError(TypeError):
    """A table is declared incorrectly. The message is one line that names the table and the problem."""


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
        description: the meaning of the value, for an analyst.
        sources: the columns that the value is computed, counted or chosen from, but not columns that rows are only
            joined, filtered or grouped by. The source of a count is the id of what it counts. A plain name is a column
            of the first input that has it; ``table.column`` names the input. Without sources, the column is copied
            from the first input that has a column of this name.
        required: whether a row without a value breaks the contract.
        unit: the unit of the value, unless the type gives it.
        pii: whether the value can identify a person.
        checks: pandera's built-in checks: ``ge``, ``le``, ``isin``, ``str_matches``.

    """
    return Field(
        nullable=not required,
        description=description,
        metadata={"unit": unit, "pii": pii, "sources": sources, "checks": checks},
        **checks,
    )


def same_as(contract: "type[Contract]", name: str, required: bool = False) -> Any:
    """Declare a column that is copied from a column of an input, with its meaning, unit and checks.

    Args:
        contract: the contract of the input.
        name: the column, there and here.
        required: whether a row without a value breaks the contract.

    """
    declared = contract.to_schema().columns[name]
    said = declared.metadata or {}
    return column(
        declared.description or "",
        name,
        required=required,
        unit=said["unit"],
        pii=said["pii"],
        **said["checks"],
    )


PROMISES: dict[type | None, dict[str, Any]] = {}
"""The keywords that each contract was declared with. They are not in the classes, where pandera would read them as
columns.
"""


class Contract(DataFrameModel):
    """The columns of a table.

    Keywords of a subclass, inherited unless given:
        grain: the meaning of a row, in words.
        key: the columns that identify a row; for a snapshot, ``as_of_date`` is added in front.
        domain: the part of the business that the table is about.
        partition_column: ``month`` for events and facts, or ``as_of_date`` for snapshots.
        row_rules: rules over several columns; for each name, SQL that is true for a row that breaks the rule.
        remedies: for the name of a rule, what to do if a row breaks it.
    """

    def __init_subclass__(
        cls,
        *,
        grain: str | None = None,
        key: Sequence[str] | None = None,
        domain: str | None = None,
        partition_column: str | None = None,
        row_rules: Mapping[str, str] | None = None,
        remedies: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """Record the keywords; pandera records the columns."""
        super().__init_subclass__(**options)  # type: ignore[no-untyped-call]  # pandera's
        given = {
            "grain": grain,
            "key": None if key is None else tuple(key),
            "domain": domain,
            "partition_column": partition_column,
            "row_rules": row_rules,
            "remedies": remedies,
        }
        own = {name: value for name, value in given.items() if value is not None}
        PROMISES[cls] = PROMISES.get(cls.__base__, {}) | own

    @classmethod
    def promise(cls) -> Mapping[str, Any]:
        """The keywords that the class was declared with, including inherited ones."""
        return PROMISES[cls]


@dataclass(frozen=True)
class TableContract:
    """The contract of one table.

    ``inputs`` are the tables that it is computed from; the first of them provides its rows.
    """

    layer: str
    table: str
    grain: str
    key: tuple[str, ...]
    model: type[Contract]
    partition_column: str | None
    row_rules: Mapping[str, str]
    remedies: Mapping[str, str]
    domain: str
    inputs: "tuple[TableContract, ...]"

    @classmethod
    def of(
        cls, model: type[Contract], layer: str, table: str, inputs: "Sequence[TableContract]" = ()
    ) -> "TableContract":
        """The contract of a table, from its class.

        Raises:
            DeclarationError: the layer is unknown; grain, key or domain is missing; the key names an unknown column; a
                column names a source that no input has; or the class is the contract of another table.

        """
        name, promise = f"{layer}/{table}", model.promise()
        if layer not in LAYERS:
            raise DeclarationError(f"{name}: unknown layer {layer!r}; choose one of {', '.join(LAYERS)}")
        if model in CONTRACT_OF:
            raise DeclarationError(
                f"{name}: class {model.__name__} is already the contract of {CONTRACT_OF[model].name}"
            )
        missing = [word for word in ("grain", "key", "domain") if word not in promise]
        if missing:
            raise DeclarationError(
                f"{name}: class {model.__name__} has no {missing[0]}; write class {model.__name__}"
                f"(..., {missing[0]}=...)"
            )
        partition = promise.get("partition_column")
        stamp = (AS_OF,) if partition == AS_OF and AS_OF not in promise["key"] else ()
        found = cls(
            layer,
            table,
            promise["grain"],
            (*stamp, *promise["key"]),
            model,
            partition,
            promise.get("row_rules", {}),
            promise.get("remedies", {}),
            promise["domain"],
            tuple(inputs),
        )
        unknown = [key for key in found.key if key not in found.model.to_schema().columns]
        if unknown:
            raise DeclarationError(
                f"{name}: the key names an unknown column {unknown[0]!r}; choose from {', '.join(found.columns)}"
            )
        for column_name in found.columns:
            found.sources(column_name)
        CONTRACT_OF[model] = found
        return found

    @property
    def name(self) -> str:
        return f"{self.layer}/{self.table}"

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.model.__doc__ or "")

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The key columns first, then the model's own columns, then the provenance."""
        declared = self.model.to_schema().columns

        def place(name: str) -> int:
            return 0 if name in self.key else 1 if name in self.model.__annotations__ else 2

        return {name: declared[name] for name in sorted(declared, key=place)}

    @cached_property
    def spark_schema(self) -> T.StructType:
        """The columns in order, with their types. All are nullable, as Delta stores them."""
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
            DeclarationError: the column names a source that no input has.

        """
        if column_name == AS_OF:
            return ()  # set by the run
        named = (self.columns[column_name].metadata or {}).get("sources")
        found: list[str] = []
        for source in named or [column_name]:
            table, _, wanted = source.rpartition(".")
            holders = [i for i in self.inputs if wanted in i.columns and table in {"", i.table}]
            if named and not holders:
                raise DeclarationError(
                    f"{self.name}: {column_name} comes from {source!r}, which none of its inputs has "
                    f"({', '.join(i.name for i in self.inputs) or 'it has no inputs'})"
                )
            found += [f"{holder.name}.{wanted}" for holder in holders[:1]]
        return tuple(found)


CONTRACT_OF: dict[type[Contract], TableContract] = {}
"""The contract of each class, so that tables can name their inputs by class."""
