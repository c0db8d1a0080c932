"""What one new day costs: a day's purchases land beside all that landed before, and ``cip run`` computes the new day.

Once by the size of the shop, and once by the length of its history. A longer history is the same year again, so many
years earlier: the same customers bought as much in each of them, and the new day is the same.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb
import yaml
from deltalake import DeltaTable

from benchmarks import END
from benchmarks.beside import took
from benchmarks.rivals import in_sql, landed
from cip_assets.config.rules import DEFAULT_RULES
from cip_assets.layers import SOURCE_TABLES
from cip_assets.synthetic import GeneratorConfig, generate

CUSTOMERS_OF_A_PURCHASE = 143
"""A shop has as many purchases on a day as its customers divided by this: 7,000 of a million."""

SIZES: Sequence[int] = (10_000, 1_000_000)
YEARS: Sequence[int] = (1, 3, 10)
SHOP_WITH_HISTORY = 50_000

MOST_STEPS = 10

WEEKS = timedelta(days=364)
"""The days by which a year is moved: the weekdays stay."""

DATED = {
    "transactions": ("transaction_date",),
    "returns": ("return_date",),
    "support_tickets": ("opened_date", "resolved_date"),
    "web_activity": ("timestamp",),
}
"""The columns of events that begin with a day."""


@dataclass(frozen=True)
class NewDay:
    """What the runs of some new days took: medians."""

    customers: int
    years: float
    transactions: int
    days: int
    seconds: float
    cpu_seconds: float
    peak_memory_gb: float
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    """The seconds of each step on the last of the days."""


def measured(customers: int, years: int | None = None, days: int = 3) -> NewDay:
    """Land some days one after the other, and run after each.

    Args:
        customers: the number of customers to generate.
        years: the years of history; None is the two years of a generated shop.
        days: the number of days to land.

    Raises:
        SystemExit: a run failed.

    """
    with tempfile.TemporaryDirectory(prefix="cip-day-") as scratch:
        data = Path(scratch)
        months = 11 if years else 24
        generate(
            GeneratorConfig(customers=customers, end=END, seed=1, months=months, defects=0.0),
            data / "landing",
        )
        environment = {"CIP_DATA_DIR": scratch}
        if years:
            _repeat(data / "landing", years)
            environment["CIP_RULES"] = str(_rules(data, years))
        report = data / "report.json"
        run = [sys.executable, "-m", "benchmarks.one_run", str(report)]
        took(run, **environment)
        runs = []
        for number in range(days):
            _land(data / "landing", END + timedelta(days=1 + number), customers)
            runs.append(took(run, **environment))
        return NewDay(
            customers=customers,
            years=years or 2,
            transactions=DeltaTable(data / "lake" / "cleaned" / "transactions")
            .to_pyarrow_dataset()
            .count_rows(),
            days=days,
            seconds=round(median(run.seconds for run in runs), 1),
            cpu_seconds=round(median(run.cpu_seconds for run in runs), 1),
            peak_memory_gb=round(median(run.peak_mb for run in runs) / 1024, 2),
            step_seconds=json.loads(report.read_text(encoding="utf-8"))["step_seconds"],
        )


def _land(landing: Path, day: date, customers: int) -> None:
    """A day's purchases, each of another customer."""
    columns = SOURCE_TABLES["transactions"].columns
    lines = (
        f"D{day:%y%m%d}{number:05d},C{1 + number * 97 % customers:07d},P{1 + number % 500:05d},"
        f"1,12.50,12.50,PayPal,{day}"
        for number in range(customers // CUSTOMERS_OF_A_PURCHASE)
    )
    folder = landing / "transactions" / f"dt={day}"
    folder.mkdir()
    (folder / "day.csv").write_text("\n".join([",".join(columns), *lines, ""]), encoding="utf-8")


def _repeat(landing: Path, years: int) -> None:
    """Write all events once more for each earlier year; customers signed up before the first of them."""
    with duckdb.connect() as connection:
        for table, days in DATED.items():
            for file, delivered in landed(landing, table):
                for year in range(1, years):
                    earlier = (delivered or END) - year * WEEKS
                    copy = landing / table / f"dt={earlier}" / f"{file.stem}_{year}.csv"
                    copy.parent.mkdir(exist_ok=True)
                    _copy(
                        connection,
                        file,
                        copy,
                        year,
                        days,
                        (SOURCE_TABLES[table].cleaned.key[0], "transaction_id"),
                    )
        for file, _ in landed(landing, "customers"):
            _copy(connection, file, file, years - 1, ("signup_date",), ())


def _copy(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    copy: Path,
    year: int,
    days: Sequence[str],
    ids: Sequence[str],
) -> None:
    """Write a file with its days so many years earlier, and ids of its own."""
    lines = connection.sql(f"FROM read_csv({in_sql(file)}, all_varchar = true)").to_arrow_table()
    earlier = {
        day: f"coalesce(CAST(try_cast({day}[:10] AS DATE) - {year * WEEKS.days} AS VARCHAR) || {day}[11:], {day})"
        for day in days
    }
    other = {name: f"{name} || '-{year}'" for name in ids if name in lines.column_names}
    replaced = ", ".join(f"{value} AS {name}" for name, value in (earlier | other).items())
    connection.execute(f"COPY (SELECT * REPLACE ({replaced}) FROM lines) TO '{copy}' (HEADER)")


def _rules(data: Path, years: int) -> Path:
    """The rules with a calendar that begins before the first event."""
    rules = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8"))
    first = END - (years + 1) * WEEKS
    rules["calendar"]["first_month"] = f"{first:%Y-%m}"
    path = data / "rules.yaml"
    path.write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
    return path


def section(days: Sequence[NewDay]) -> list[str]:
    """The part of docs/benchmarks.md about new days."""
    if not days:
        return []
    return [
        "",
        "## One new day",
        "",
        "A day's purchases land, one for every 143 customers, and `cip run` computes the new day: its month again, and",
        "the snapshot, for which it carries what it can from the day before. A longer history is the same year again,",
        "so the same customers bought as much in each year. Medians; each run is a process of its own.",
        "",
        "| customers | years of history | transactions | days | seconds | CPU | peak memory |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {entry.customers:,} | {entry.years} | {entry.transactions:,} | {entry.days} | {entry.seconds} "
            f"| {entry.cpu_seconds} | {entry.peak_memory_gb} GB |"
            for entry in days
        ),
        *_longest(days),
    ]


def _longest(days: Sequence[NewDay]) -> Iterator[str]:
    """The steps that take longer with a longer history, if these were measured."""
    by_years = {entry.years: entry.step_seconds for entry in days if entry.customers == SHOP_WITH_HISTORY}
    short, long = (by_years.get(years, {}) for years in (YEARS[0], YEARS[-1]))
    if not (short and long):
        return
    more = {step: long.get(step, 0.0) - short.get(step, 0.0) for step in long}
    yield from (
        "",
        f"These steps take the most seconds more with {YEARS[-1]} years than with {YEARS[0]}:",
        "",
    )
    yield from (f"| step | {YEARS[0]} | {YEARS[-1]} |", "|---|---|---|")
    for step in sorted(more, key=lambda step: -more[step])[:MOST_STEPS]:
        yield f"| {step.replace('__', '/')} | {short.get(step, 0.0):.2f} | {long[step]:.2f} |"
