"""What a contract is: a pandera model with a grain, a key and a partition column."""

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
"""The column of the day that a snapshot is of."""

LAYERS = ("landing", "raw", "quarantine", "cleaned", "features", "marts")
"""The layers in the order in which data flows through them."""


class DeclarationError(TypeError):
    """A table is declared wrongly; the message is one line that names the table and what to write instead."""


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
            of the first of the table's inputs that has it, or else ``table.column``. Without any, the column
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


PROMISES: dict[type | None, dict[str, Any]] = {}
"""What contracts were declared with. Not in the classes: pandera takes what stands there for columns."""


class Contract(DataFrameModel):
    """The columns of a table; subclasses are declared with what a row is.

    Keywords of a subclass, inherited unless given:
        grain: what a row is, in words.
        key: the columns that identify it; the partition column of a snapshot is put before them.
        domain: the part of the business it is about.
        partition_column: ``month`` of an event or ``as_of_date`` of a snapshot.
        row_rules: rules over several columns: for each name, SQL that is true for a row that breaks it.
    """

    def __init_subclass__(
        cls,
        *,
        grain: str | None = None,
        key: Sequence[str] | None = None,
        domain: str | None = None,
        partition_column: str | None = None,
        row_rules: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """Keep what is said of the table; pandera keeps the columns."""
        super().__init_subclass__(**options)  # type: ignore[no-untyped-call]  # pandera's
        given = {
            "grain": grain,
            "key": None if key is None else tuple(key),
            "domain": domain,
            "partition_column": partition_column,
            "row_rules": row_rules,
        }
        said = {name: value for name, value in given.items() if value is not None}
        PROMISES[cls] = PROMISES.get(cls.__base__, {}) | said

    @classmethod
    def promise(cls) -> Mapping[str, Any]:
        """What the class was declared with, by the keywords above."""
        return PROMISES[cls]


@dataclass(frozen=True)
class TableContract:
    """A table as everybody else may rely on it.

    ``inputs`` are the tables it is computed from: the one that gives its rows first.
    """

    layer: str
    table: str
    grain: str
    key: tuple[str, ...]
    model: type[Contract]
    partition_column: str | None
    row_rules: Mapping[str, str]
    domain: str
    inputs: "tuple[TableContract, ...]"

    @classmethod
    def of(
        cls, model: type[Contract], layer: str, table: str, inputs: "Sequence[TableContract]" = ()
    ) -> "TableContract":
        """The contract of a table, from its class.

        Raises:
            DeclarationError: the layer is unknown, or grain, key or domain is missing, or the key names no column, or
                a column names a source that no input has, or the class is another table's.

        """
        name, said = f"{layer}/{table}", model.promise()
        if layer not in LAYERS:
            raise DeclarationError(f"{name}: {layer!r} is not a layer; choose one of {', '.join(LAYERS)}")
        if model in CONTRACT_OF:
            raise DeclarationError(
                f"{name}: class {model.__name__} is already the contract of {CONTRACT_OF[model].name}"
            )
        missing = [word for word in ("grain", "key", "domain") if word not in said]
        if missing:
            raise DeclarationError(
                f"{name}: class {model.__name__} has no {missing[0]}; write class {model.__name__}"
                f"(..., {missing[0]}=...)"
            )
        partition = said.get("partition_column")
        stamp = (AS_OF,) if partition == AS_OF and AS_OF not in said["key"] else ()
        found = cls(
            layer,
            table,
            said["grain"],
            (*stamp, *said["key"]),
            model,
            partition,
            said.get("row_rules", {}),
            said["domain"],
            tuple(inputs),
        )
        unknown = [key for key in found.key if key not in found.model.to_schema().columns]
        if unknown:
            raise DeclarationError(f"{name}: the key names {unknown[0]!r}, which is not a column")
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
            DeclarationError: it names a source that no input has.

        """
        if column_name == AS_OF:
            return ()  # stamped by the run
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
"""The contract of each class that is one: so that a table names its inputs by their classes."""
