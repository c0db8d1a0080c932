"""``@table`` makes a table of a contract, its inputs and a function; ``@csv_file`` exports it."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import ModuleType
from typing import Any

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import AS_OF, CONTRACT_OF, Contract, DeclarationError, TableContract
from cip_assets.contracts.csv_file import CsvFile

Transform = Callable[..., DataFrame]

BEFORE = "before"
"""The parameter of a carried table's transform: its own rows of an older day (``calc/carried.py``), or None."""

KEPT = "kept"
"""The parameter of a transform that keeps results from one run to the next (``analytics/kept.py``), or None."""

HANDED_IN = ("as_of", "rules", BEFORE, KEPT)
"""Parameters that a transform may have besides its inputs: the snapshot day, the business rules, the older rows, and
the kept results.
"""


@dataclass(frozen=True)
class Table:
    """A table with a snapshot for each day. Calling it computes the snapshot of a day.

    ``reads`` are the inputs, by the parameter names of the transform. ``carried`` are those that must be as they were
    for an older day if the table is carried from that day; none if it never is. What comes from the others is computed
    again for every row.
    """

    contract: TableContract
    reads: Mapping[str, TableContract]
    transform: Transform
    csv: CsvFile | None = None
    carried: tuple[TableContract, ...] = ()

    @property
    def layer(self) -> str:
        return self.contract.layer

    @property
    def name(self) -> str:
        return self.contract.table

    @property
    def keeps(self) -> bool:
        """Whether the transform keeps results from one run to the next."""
        return KEPT in inspect.signature(self.transform).parameters

    @property
    def module(self) -> ModuleType:
        return sys.modules[self.transform.__module__]

    def __call__(
        self, *, as_of: date, rules: Any = None, before: Any = None, kept: Any = None, **frames: DataFrame
    ) -> DataFrame:
        """The snapshot of a day: the columns of the contract, in order, with ``as_of_date``.

        Args:
            as_of: the snapshot day, D.
            rules: the business rules, if the transform has this parameter.
            before: the table's rows of an older day, ``calc.carried.Before``, if it is carried from them.
            kept: the kept results, ``analytics.kept.Kept``, if the transform has this parameter.
            frames: the inputs by name; they may have rows dated after D.

        """
        wanted = inspect.signature(self.transform).parameters
        handed_in = {
            name: given
            for name, given in zip(HANDED_IN, (as_of, rules, before, kept), strict=True)
            if name in wanted
        }
        computed = self.transform(**frames, **handed_in)
        return computed.withColumn(AS_OF, F.lit(as_of)).select(*self.contract.columns)


def table(
    model: type[Contract], *, carried: Sequence[str] = (), **reads: type[Contract]
) -> Callable[[Transform], Table]:
    """Declare a table. Its name is that of the function and of the file, and its layer is the folder.

    Args:
        model: the contract.
        carried: the inputs whose older rows are not read again: the table of D follows from its own rows of an older
            day, which the transform gets as ``before``, as long as these inputs are as they were up to that day.
        reads: for each parameter of the transform, the contract of that input.

    Raises:
        DeclarationError: the declaration is incorrect; raised when the module is imported. See also
            ``TableContract.of``.

    """

    def declare(transform: Transform) -> Table:
        *_, layer, file_name = transform.__module__.split(".")
        name = f"{layer}/{transform.__name__}"
        if file_name != transform.__name__:
            raise DeclarationError(
                f"{name}: the function is {transform.__name__!r}, but the file is {file_name}.py; "
                "give both the name of the table"
            )
        takes = [p for p in inspect.signature(transform).parameters if p not in HANDED_IN]
        if sorted(takes) != sorted(reads):
            raise DeclarationError(
                f"{name}: @table names the inputs {sorted(reads)}, but the function takes {sorted(takes)}"
            )
        if unknown := sorted(set(carried) - set(reads)):
            raise DeclarationError(f"{name}: it is carried with {unknown[0]}, which is not one of its inputs")
        if bool(carried) != (BEFORE in inspect.signature(transform).parameters):
            raise DeclarationError(
                f"{name}: a table is carried if @table says with which inputs and the function takes {BEFORE!r}"
            )
        undeclared = [read.__name__ for read in reads.values() if read not in CONTRACT_OF]
        if undeclared:
            raise DeclarationError(f"{name}: the input {undeclared[0]} is not the contract of a table")
        inputs = {parameter: CONTRACT_OF[read] for parameter, read in reads.items()}
        contract = TableContract.of(model, layer, transform.__name__, tuple(inputs.values()))
        return Table(contract, inputs, transform, carried=tuple(inputs[name] for name in carried))

    return declare


def csv_file(
    *,
    order_by: Sequence[str],
    months: Sequence[str] = (),
    with_day: bool = False,
) -> Callable[[Table], Table]:
    """Export a mart to a CSV file of the same name and description.

    Args:
        order_by: the columns to sort the rows by.
        months: the columns to write as YYYY-MM.
        with_day: whether the file has the snapshot day, as its last column.

    Raises:
        DeclarationError: the mart does not have one of the columns.

    """

    def declare(table: Table) -> Table:
        mart = table.contract
        columns = [name for name in mart.columns if name != AS_OF] + ([AS_OF] if with_day else [])
        description = " ".join(mart.description.split("\n\n")[0].split()).removesuffix(".")
        return replace(table, csv=CsvFile(mart.table, mart, columns, order_by, description, months))

    return declare
