"""The same tables as the platform's, computed by other engines from the same landing files.

Each rival is one plain script, as somebody would write it who needs these tables once: no checks, no quarantine, no
history, nothing incremental. It judges lines by the platform's contracts and rules, so that the content can be compared
to the cent. The columns in ``PREDICTED`` are given to the rivals; ``predictions`` computes them from a rival's tables.
"""

import glob
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from cip_assets.config.rules import Rules
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.contracts.source import SourceTable
from cip_assets.layers import CSV_FILES, SOURCE_TABLES
from cip_assets.layers.marts.customer_360 import customer_360

CUSTOMER_360 = customer_360.contract

PREDICTED = tuple(
    name
    for name in CUSTOMER_360.columns
    if {source.rpartition(".")[0] for source in CUSTOMER_360.sources(name)}
    in ({"features/churn"}, {"features/clv"})
)
"""The columns of ``marts/customer_360`` that the forecast makes. ``value_segment`` is computed, from one of them."""

FEATURES = ("purchases", "preferences", "returns", "support", "engagement", "rfm", "segments")

MARTS = (
    "customer_360",
    "cohort_retention",
    "kpi_totals",
    "kpi_currencies",
    "kpi_activity",
    "kpi_revenue_segment",
    "kpi_monthly_revenue",
    "kpi_top_customers",
    "kpi_top_products",
    "kpi_trends",
)

TABLES: Sequence[str] = (
    *(f"cleaned/{name}" for name in SOURCE_TABLES),
    *(f"features/{name}" for name in FEATURES),
    *(f"marts/{name}" for name in MARTS),
)
"""The tables that are compared. The rivals also write ``raw``."""

FILES: Sequence[CsvFile] = [file for file in CSV_FILES if file.mart.name in TABLES]
"""The CSV files that are compared."""

NOT_COMPARED = ("source_version", "as_of_date", "expected_rate", "expected_rate_a_year_later")
"""Columns that the rivals do without: the hash of a file, a day that is the same on all rows, and the retention that is
predicted.
"""

DEFAULTS: Mapping[str, str] = {"transactions.order_id": "transaction_id"}
"""The column that an optional one is copied from; other optional columns are false or empty."""


def columns_of(source: SourceTable) -> Sequence[str]:
    """The columns of a cleaned table that the rivals write, without those that older lines of an id decide, too."""
    return [name for name in source.cleaned.columns if name not in {*NOT_COMPARED, *source.over_lines}]


def landed(landing: Path, table: str) -> Sequence[tuple[Path, date | None]]:
    """The files of a table with their delivery dates, oldest first; those without a date are one delivery."""
    found = sorted([*landing.glob(f"{table}.csv"), *landing.glob(f"{table}/dt=*/*.csv")])
    return [(path, _delivered(path)) for path in found]


def _delivered(path: Path) -> date | None:
    folder = path.parent.name
    return date.fromisoformat(folder.removeprefix("dt=")) if folder.startswith("dt=") else None


def in_sql(path: Path) -> str:
    """A file's path in DuckDB's SQL, where it is a pattern."""
    return "'" + glob.escape(str(path)).replace("'", "''") + "'"


def calendar(rules: Rules) -> tuple[date, date]:
    """The first and the last day that events may be dated."""
    today = date.today()  # noqa: DTZ011 -- a calendar day, as the platform's partitions have it
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return rules.calendar.first_month, next_month - timedelta(days=1)
