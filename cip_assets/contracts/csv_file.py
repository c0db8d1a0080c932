"""A CSV file in ``final``: a projection of one mart, as data and not as a query."""

from collections.abc import Sequence
from dataclasses import dataclass

from cip_assets.contracts.contract import DeclarationError, TableContract


@dataclass(frozen=True)
class Spread:
    """A column for each value of one, such as ``month_0``, ``month_1``: the file is wide where the mart is long."""

    by: str
    value: str
    prefix: str


@dataclass(frozen=True)
class CsvFile:
    """One file.

    ``columns`` are the mart's; those of them in ``months`` are written as YYYY-MM. ``order_by`` makes the order of the
    rows fixed.
    """

    name: str
    mart: TableContract
    columns: Sequence[str]
    order_by: Sequence[str]
    description: str
    months: Sequence[str] = ()
    spread: Spread | None = None

    def __post_init__(self) -> None:
        """Refuse a column that the mart does not have.

        Raises:
            DeclarationError: it has none of that name.

        """
        named = [
            *self.columns,
            *self.order_by,
            *self.months,
            *([self.spread.by, self.spread.value] if self.spread else []),
        ]
        unknown = [name for name in named if name not in self.mart.columns]
        if unknown:
            raise DeclarationError(f"exports/{self.name}: {self.mart.name} has no column {unknown[0]!r}")
