"""The columns that a condition may name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cip_assets.contracts.contract import AS_OF, TableContract
from cip_assets.layers import TABLES

CUSTOMERS = "customer_360"

OF_CUSTOMERS: Mapping[str, TableContract] = {
    table.name: table.contract for table in TABLES if table.contract.key == (AS_OF, "customer_id")
}
"""The tables with one row per customer, whose columns a condition may name."""


@dataclass(frozen=True)
class Condition:
    """A condition as DuckDB's SQL, and the columns that it reads, as table and column."""

    sql: str
    columns: Sequence[tuple[str, str]]

    @property
    def tables(self) -> Sequence[str]:
        return sorted({CUSTOMERS, *(table for table, _ in self.columns)})
