"""CSV files in ``final``. Each shows columns of one mart."""

from collections.abc import Sequence
from dataclasses import dataclass

from cip_assets.contracts.contract import DeclarationError, TableContract


@dataclass(frozen=True)
class Spread:
    """Turns the values of one column into columns, such as ``month_0`` and ``month_1``: a pivot of the mart."""

    by: str
    value: str
    prefix: str


@dataclass(frozen=True)
class CsvFile:
    """One file.

    ``columns`` are columns of the mart. Those in ``months`` are written as YYYY-MM. ``order_by`` fixes the order of the
    rows.
    """

    name: str
    mart: TableContract
    columns: Sequence[str]
    order_by: Sequence[str]
    description: str
    months: Sequence[str] = ()
    spread: Spread | None = None

    def __post_init__(self) -> None:
        """Check that the mart has every column named.

        Raises:
            DeclarationError: the mart does not have one of them.

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
