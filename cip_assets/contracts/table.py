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

HANDED_IN = ("as_of", "rules")
"""Parameters that a transform may have besides its inputs: the snapshot day, and the business rules."""


@dataclass(frozen=True)
class Table:
    """A table with a snapshot for each day. Calling it computes the snapshot of a day.

    ``reads`` are the inputs, by the parameter names of the transform.
    """

    contract: TableContract
    reads: Mapping[str, TableContract]
    transform: Transform
    csv: CsvFile | None = None

    @property
    def layer(self) -> str:
        return self.contract.layer

    @property
    def name(self) -> str:
        return self.contract.table

    @property
    def module(self) -> ModuleType:
        return sys.modules[self.transform.__module__]

    def __call__(self, *, as_of: date, rules: Any = None, **frames: DataFrame) -> DataFrame:
        """The snapshot of a day: the columns of the contract, in order, with ``as_of_date``.

        Args:
            as_of: the snapshot day, D.
            rules: the business rules, if the transform has this parameter.
            frames: the inputs by name; they may have rows dated after D.

        """
        wanted = inspect.signature(self.transform).parameters
        handed_in = {name: given for name, given in (("as_of", as_of), ("rules", rules)) if name in wanted}
        computed = self.transform(**frames, **handed_in)
        return computed.withColumn(AS_OF, F.lit(as_of)).select(*self.contract.columns)


def table(model: type[Contract], **reads: type[Contract]) -> Callable[[Transform], Table]:
    """Declare a table. Its name is that of the function and of the file, and its layer is the folder.

    Args:
        model: the contract.
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
        undeclared = [read.__name__ for read in reads.values() if read not in CONTRACT_OF]
        if undeclared:
            raise DeclarationError(f"{name}: the input {undeclared[0]} is not the contract of a table")
        inputs = {parameter: CONTRACT_OF[read] for parameter, read in reads.items()}
        contract = TableContract.of(model, layer, transform.__name__, tuple(inputs.values()))
        return Table(contract, inputs, transform)

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
