"""What the platform aims at, beside what was measured, and what would bring it closer."""

from collections.abc import Iterator
from statistics import median
from typing import Protocol

from benchmarks.backfill import Backfill
from benchmarks.beside import PLATFORM, Beside
from benchmarks.day import SHOP_WITH_HISTORY, YEARS, NewDay
from benchmarks.dropped import Dropped
from benchmarks.pages import Answered
from benchmarks.streams import Streamed

MILLION = 1_000_000


class Run(Protocol):
    """One whole run."""

    engine: str
    customers: int
    run: str
    seconds: float
    peak_memory_gb: float


CLOSER = """
What would bring them closer:

- **A small run, a new day and a dropped file.** Two thirds of a small run are Python: imports, plans of queries, steps
  and their events, none of which stands out: a step that does nothing takes about 10 milliseconds.
  `forecast_model` takes 3.2 seconds of CPU with 10,000 customers, and customer_360 waits for it. It has a process of
  its own, but both cores are busy beside it, so it takes 5 seconds. It could be fitted again only when a month is over.
- **A million customers.** No step stands out, and three steps share two cores, which are busy for most of a run. `raw`
  with one sorted file a month would need no shuffle while it is cleaned, and fewer open writers, which are the peak of
  the memory. `customer_360.csv` takes 5 seconds on one core: DuckDB writes a sorted file in one thread.
- **Ten million customers** need 13 GB for queries (`CIP_SAIL_MEMORY_GB`). With 6 GB, the ids of 50 million lines did
  not fit while repeated ones were looked for. To ingest a few months at a time would bound that.
- **A new day with a million customers.** `forecast_model`, `forecast`, `customer_360` with its file, and `cell_months`
  take 48 of the 111 CPU seconds in its steps. All but the first compute or write something for every customer.
- **1 GB for Sail** (`CIP_SAIL_MEMORY_GB=1`) suffices for each step by itself at a million customers. With three at
  once it may not; then one line names the setting, and the next `cip run` computes what is missing.
- **A record of a topic** waits for what a dropped file waits for, but not until it is quiet. Of the CPU of a line, a
  third is the client's, and most of the rest is the making of lines in numpy.
- **Apache Spark with a million customers** takes 5.6 times the CPU of Sail, with 10 GB for Java, 16 partitions of a
  shuffle and compiled stages (`CIP_SPARK_CONF`). Cleaning is slowest: Java's regular expressions judge each text, and
  each table passes through Python once more where it is read. Small tables cost up to half a minute, because each of
  their shuffles is planned, compiled and scheduled.
- **Beside DuckDB and Polars**, the platform's own cost, 15 seconds of CPU in two or three starts, is most of what
  10,000 customers take, and a tenth of what a million take.
- **A long history** costs most in `forecast_model`, as the table of its steps below says: buyers of ten years have ten
  times the purchases, and so many more histories that differ, which the fits cannot count together. A smaller sample
  of buyers would do for long histories.
"""


def section(
    runs: list[Run],
    days: list[NewDay],
    dropped: list[Dropped],
    backfills: list[Backfill],
    streamed: list[Streamed],
    beside: list[Beside],
    answered: list[Answered],
) -> Iterator[str]:
    """The part of docs/benchmarks.md about what is missed."""
    rows: list[tuple[str, str, str]] = []
    for run in runs:
        if (run.engine, run.customers, run.run) == ("sail", MILLION, "first"):
            rows += [
                ("a first run with 1,000,000 customers", "60 s", f"{run.seconds} s"),
                ("its memory", "3 GB", f"{run.peak_memory_gb} GB"),
            ]
    rows += [
        ("a new day with 1,000,000 customers", "15 s", f"{day.seconds} s")
        for day in days
        if day.customers == MILLION
    ]
    of_years = {day.years: day.cpu_seconds for day in days if day.customers == SHOP_WITH_HISTORY}
    if {*YEARS} <= of_years.keys():
        ratio = of_years[YEARS[-1]] / of_years[YEARS[0]]
        rows.append(
            (f"CPU of a new day, {YEARS[-1]} years of history beside {YEARS[0]}", "1.5", f"{ratio:.2f}")
        )
    rows += [("a dropped file in the exports", "8 s", f"{median(entry.seconds):.1f} s") for entry in dropped]
    rows += [
        ("a backfill of three months, after the daemon's tick", "20 s", f"{median(entry.from_tick):.1f} s")
        for entry in backfills
    ]
    for entry in streamed:
        share = entry.landed_per_second / entry.read_per_second
        rows += [
            ("a record of a topic in customer_360.csv", "15 s", f"{median(entry.seconds):.1f} s"),
            ("the slowest of 20 records", "60 s", f"{max(entry.seconds)} s"),
            ("records that land, beside records that a client only reads", "0.5", f"{share:.2f}"),
        ]
    for asked, aim in (("search", 200), ("page", 300)):
        found = [e.median_ms for e in answered if e.customers == MILLION and e.asked.startswith(asked)]
        if found:
            name = f"the slowest median of a {asked} of `cip app`, 1,000,000 customers"
            rows.append((name, f"{aim} ms", f"{max(found)} ms"))
    duckdb = {
        entry.customers: entry.cpu_seconds for entry in beside if entry.engine == "DuckDB" and entry.fits
    }
    rows += [
        (
            f"CPU beside DuckDB's, {e.customers:,} customers",
            "1.5",
            f"{e.cpu_seconds / duckdb[e.customers]:.1f}",
        )
        for e in beside
        if e.engine == PLATFORM and e.customers in duckdb
    ]
    yield from ("", "## Aims", "", "| what | aim | measured |", "|---|---|---|")
    yield from (f"| {what} | {aim} | {found} |" for what, aim, found in rows)
    yield from CLOSER.rstrip().splitlines()
