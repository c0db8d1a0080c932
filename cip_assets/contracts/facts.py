"""Facts: the events of a source table, added up by month. How they add up is declared once: the table and the check
that nothing was lost both follow from it.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from pyspark.sql import Column, DataFrame

from cip_assets.contracts.contract import Contract, DeclarationError, TableContract
from cip_assets.contracts.source import SourceTable

Expressions = Mapping[str, Callable[[], Column]]
"""Columns by name. They are functions, because not every engine can build an expression before its session exists."""


@dataclass(frozen=True)
class FactsTable:
    """A table of sums of the events of one source table. Calling it computes the facts of some events.

    Grain: one row per key and month. ``day`` is the key column that dates the facts: a snapshot of D reads those dated
    on or before D. ``sums`` are aggregates of events that add up: the sum of their sums is the sum of all. ``keys`` are
    the key columns that the events lack.
    """

    contract: TableContract
    source: SourceTable
    day: str
    sums: Expressions
    keys: Expressions

    @property
    def module(self) -> ModuleType:
        """The module that declares the table."""
        return sys.modules[self.contract.model.__module__]

    def __call__(self, events: DataFrame) -> DataFrame:
        """The facts of some events, in the columns of the contract. All events of a month must be given at once."""
        return self.added_up(events, *self.contract.key).select(*self.contract.columns)

    def added_up(self, events: DataFrame, *by: str) -> DataFrame:
        """The sums of the events by month and some of the key columns."""
        keyed = events.withColumns({name: expression() for name, expression in self.keys.items()})
        sums = [expression().alias(name) for name, expression in self.sums.items()]
        return keyed.groupBy("month", *by).agg(*sums)


def facts(
    model: type[Contract],
    source: SourceTable,
    *,
    day: str,
    sums: Expressions,
    keys: Expressions | None = None,
) -> FactsTable:
    """Declare a table of facts. Its name is that of the file with its class, and its layer is the folder.

    Args:
        model: the contract. Its columns are the month, the key and the sums.
        source: the source table whose events are added up.
        day: the key column that dates the facts.
        sums: the aggregates of the events, by name.
        keys: the key columns that the events lack, by name.

    Raises:
        DeclarationError: the source has no events; or a column of the contract is neither in its key nor a sum, or a
            named column is not in the contract.

    """
    *_, layer, name = model.__module__.split(".")
    made = keys or {}
    if not source.is_event:
        raise DeclarationError(f"{layer}/{name}: {source.name} has no events")
    contract = TableContract.of(model, layer, name, [source.cleaned])
    declared, key = {"month", *contract.key, *sums}, set(contract.key)
    if unknown := sorted((declared ^ set(contract.columns)) | ({day, *made} - key)):
        raise DeclarationError(
            f"{layer}/{name}: {unknown[0]!r} is not in the key or among the sums of {model.__name__}"
        )
    return FactsTable(contract, source, day, sums, made)
