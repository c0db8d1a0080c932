"""``@table``: a contract, its inputs and the function that computes it are one table; ``@csv_file`` exports it."""

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
"""What a transform may ask for besides its inputs, by these parameter names: the day, and the business rules."""


@dataclass(frozen=True)
class Table:
    """A table of snapshots. Calling it computes the snapshot of a day.

    ``reads`` are the tables that the transform takes, by its parameters' names.
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
        """The table as of a day: the columns of the contract, in their order, stamped with the day.

        Args:
            as_of: the day D.
            rules: the business rules, if the transform asks for them.
            frames: its inputs by name; they may hold rows that are dated after D.

        """
        wanted = inspect.signature(self.transform).parameters
        handed_in = {name: given for name, given in (("as_of", as_of), ("rules", rules)) if name in wanted}
        computed = self.transform(**frames, **handed_in)
        return computed.withColumn(AS_OF, F.lit(as_of)).select(*self.contract.columns)


def table(model: type[Contract], **reads: type[Contract]) -> Callable[[Transform], Table]:
    """Declare a table: its name is the function's, which is its file's; its layer is the folder.

    Args:
        model: the contract.
        reads: for each parameter of the transform the contract of the table that it takes.

    Raises:
        DeclarationError: when the module is imported, of what is said wrongly; see ``TableContract.of`` too.

    """

    def declare(transform: Transform) -> Table:
        *_, layer, file_name = transform.__module__.split(".")
        name = f"{layer}/{transform.__name__}"
        if file_name != transform.__name__:
            raise DeclarationError(
                f"{name}: the function is {transform.__name__!r} and the file {file_name}.py; "
                "give both the name of the table"
            )
        takes = [p for p in inspect.signature(transform).parameters if p not in HANDED_IN]
        if sorted(takes) != sorted(reads):
            raise DeclarationError(f"{name}: reads {sorted(reads)} but takes {sorted(takes)}")
        undeclared = [read.__name__ for read in reads.values() if read not in CONTRACT_OF]
        if undeclared:
            raise DeclarationError(f"{name}: reads {undeclared[0]}, which is not the contract of a table")
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
    """Give a mart a CSV file of its name, with its description.

    Args:
        order_by: the columns that the rows are sorted by.
        months: columns that are written as YYYY-MM.
        with_day: whether the last column is the day that the snapshot is of; the file leaves it out otherwise.

    Raises:
        DeclarationError: a column is named that the mart does not have.

    """

    def declare(table: Table) -> Table:
        mart = table.contract
        columns = [name for name in mart.columns if name != AS_OF] + ([AS_OF] if with_day else [])
        description = " ".join(mart.description.split("\n\n")[0].split()).removesuffix(".")
        return replace(table, csv=CsvFile(mart.table, mart, columns, order_by, description, months))

    return declare
