"""Time and memory of whole runs by engine and size, of one new day, of a file that lands while the page runs, of the
exports of a shop; and beside other engines that compute the same tables.

Each run is a process of its own on fresh data in a scratch folder; the operating system tells its peak
memory, Dagster the seconds of each asset. Nothing is asserted: these are figures to compare, not tests.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import dagster as dg
import typer

from benchmarks import END
from benchmarks.aims import section as section_aims
from benchmarks.backfill import Backfill
from benchmarks.backfill import measured as measured_backfills
from benchmarks.backfill import section as section_backfills
from benchmarks.beside import CHART, TIMES, Beside
from benchmarks.beside import draw as draw_beside
from benchmarks.beside import measured as measured_beside
from benchmarks.beside import section as section_beside
from benchmarks.day import SHOP_WITH_HISTORY, SIZES, YEARS, NewDay
from benchmarks.day import measured as new_day
from benchmarks.day import section as section_days
from benchmarks.dropped import Dropped
from benchmarks.dropped import measured as measured_drops
from benchmarks.dropped import section as section_dropped
from benchmarks.pages import Answered
from benchmarks.pages import measured as measured_pages
from benchmarks.pages import section as section_pages
from benchmarks.shop import MADE_UP, OnExports
from benchmarks.shop import measured as measured_shop
from benchmarks.shop import section as section_shops
from benchmarks.streams import Streamed
from benchmarks.streams import measured as measured_streams
from benchmarks.streams import section as section_streamed
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets_tests.graph import CHECKS

DOCS = Path(__file__).resolve().parent.parent / "docs"
EVERYTHING = "everything again"

CHECK_STEPS = {check.node_def.name for check in CHECKS}

PARTS: Mapping[str, Sequence[str]] = {
    "landing and raw": ("landing", "raw__"),
    "cleaned and quarantine": ("clean_",),
    "facts": ("facts__",),
    "predictions and their backtest": (
        *("features__forecast", "features__clv", "features__churn", "features__shop_margin"),
        *("marts__model_", "marts__reason_effects"),
    ),
    "other features": ("features__",),
    "other marts": ("marts__",),
    "files and dashboard": ("export",),
}
"""The steps of a part of the graph, by how their names begin; the first part that fits."""

RUNS = ("first", "second", EVERYTHING)
CASES: Sequence[tuple[str, int, Sequence[str]]] = (
    ("sail", 10_000, RUNS),
    ("spark", 10_000, RUNS),
    ("sail", 1_000_000, RUNS),
    ("sail", 10_000_000, ("first",)),
    ("spark", 1_000_000, ("first",)),
)
"""Engines, sizes, and the runs that are measured: the last two take too long for more than one."""


@dataclass(frozen=True)
class Measured:
    """One `cip run` on one engine and size."""

    engine: str
    customers: int
    run: str
    seconds: float
    table_seconds: float
    check_seconds: float
    bookkeeping_seconds: float
    peak_memory_gb: float
    landing_mb: float
    lake_mb: float
    rows: Mapping[str, int]
    step_seconds: Mapping[str, float]
    cpu_seconds: float = 0.0
    """0 if it was measured before CPU was counted."""


@dataclass
class Figures:
    """All figures of the page."""

    runs: list[Measured]
    days: list[NewDay]
    dropped: list[Dropped]
    backfills: list[Backfill]
    streamed: list[Streamed]
    beside: list[Beside]
    shops: list[OnExports]
    answered: list[Answered]

    @classmethod
    def load(cls) -> Self:
        path = DOCS / "benchmarks.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls(
            runs=[Measured(**entry) for entry in kept.get("runs", [])],
            days=[NewDay(**entry) for entry in kept.get("days", [])],
            dropped=[Dropped(**entry) for entry in kept.get("dropped", [])],
            backfills=[Backfill(**entry) for entry in kept.get("backfills", [])],
            streamed=[Streamed(**entry) for entry in kept.get("streamed", [])],
            beside=[Beside(**entry) for entry in kept.get("beside", [])],
            shops=[OnExports(**entry) for entry in kept.get("shops", [])],
            answered=[Answered(**entry) for entry in kept.get("answered", [])],
        )

    def put(self, kept: list[Any], entry: object, *key: str) -> None:
        """Put a figure in the place of the one with the same key, or at the end, and write the page."""
        keys = [[getattr(old, name) for name in key] for old in kept]
        own = [getattr(entry, name) for name in key]
        if own in keys:
            kept[keys.index(own)] = entry
        else:
            kept.append(entry)
        machine = _machine()
        content = {"machine": machine, **asdict(self)}
        (DOCS / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (DOCS / "benchmarks.md").write_text(_page(machine, self), encoding="utf-8")
        if self.beside:
            draw_beside(self.beside, DOCS / CHART)


app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def everything(context: typer.Context) -> None:
    """Measure, and write docs/benchmarks.json and docs/benchmarks.md after each figure. All of it, or one part."""
    if context.invoked_subcommand is None:
        for part in (runs, day, history, dropped, backfill, streamed, beside, shop, pages):
            part()


@app.command()
def runs(engine: str | None = None, customers: int | None = None) -> None:
    """A first run, a second one and one of everything, by engine and size."""
    figures = Figures.load()
    for case_engine, size, measured in CASES:
        if engine in (None, case_engine) and customers in (None, size):
            for run in _measure(case_engine, size, measured):
                figures.put(figures.runs, run, "engine", "customers", "run")


@app.command()
def day(customers: int | None = None) -> None:
    """One new day, by the size of the shop."""
    figures = Figures.load()
    for size in (customers,) if customers else SIZES:
        figures.put(figures.days, new_day(size), "customers", "years")


@app.command()
def history() -> None:
    """One new day, by the years of history."""
    figures = Figures.load()
    for years in YEARS:
        figures.put(figures.days, new_day(SHOP_WITH_HISTORY, years), "customers", "years")


@app.command()
def dropped() -> None:
    """Files that land while the page runs."""
    figures = Figures.load()
    figures.put(figures.dropped, measured_drops())


@app.command()
def backfill() -> None:
    """Backfills that are launched from Dagster's page."""
    figures = Figures.load()
    figures.put(figures.backfills, measured_backfills())


@app.command()
def streamed() -> None:
    """Records of a topic while the page runs."""
    figures = Figures.load()
    figures.put(figures.streamed, measured_streams())


@app.command()
def beside(
    customers: int | None = None,
    landing: Annotated[
        Path | None, typer.Option(help="landing files of so many customers, generated before")
    ] = None,
) -> None:
    """Other engines that compute the same tables."""
    figures = Figures.load()
    for size in (customers,) if customers else TIMES:
        for engine in measured_beside(size, landing):
            figures.put(figures.beside, engine, "customers", "engine")


@app.command()
def shop(
    exports: Annotated[
        Path | None, typer.Option(help="a folder with exports; default: a made-up shop")
    ] = None,
    name: Annotated[str, typer.Option(help="the name of that shop")] = "Online Retail",
) -> None:
    """From the exports of a shop to the files."""
    figures = Figures.load()
    for command in measured_shop(exports, name if exports else MADE_UP):
        figures.put(figures.shops, command, "shop", "command")


@app.command("app")
def pages(
    customers: int = 1_000_000,
    data: Annotated[
        Path | None, typer.Option(help="a data folder to use, or to make; default: a scratch folder")
    ] = None,
) -> None:
    """A search and a customer's page of `cip app`."""
    figures = Figures.load()
    for answer in measured_pages(customers, data):
        figures.put(figures.answered, answer, "customers", "asked")


def _measure(engine: str, customers: int, measured: Sequence[str]) -> Iterator[Measured]:
    scratch = Path(tempfile.mkdtemp(prefix="cip-bench-"))
    try:
        generate(GeneratorConfig(customers=customers, end=END, seed=1), scratch / "landing")
        for run in measured:
            yield _one_run(engine, customers, run, scratch)
    finally:
        shutil.rmtree(scratch)


def _one_run(engine: str, customers: int, run: str, data: Path) -> Measured:
    report = data / "report.json"
    command = [sys.executable, "-m", "benchmarks.one_run", str(report), *(["--all"] * (run == EVERYTHING))]
    environment = {**os.environ, "CIP_DATA_DIR": str(data), "CIP_ENGINE": engine}
    began = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        raise SystemExit(f"the {run} run of {customers} customers on {engine} failed")
    facts = json.loads(report.read_text(encoding="utf-8"))
    return Measured(
        engine=engine,
        customers=customers,
        run=run,
        seconds=round(seconds, 1),
        table_seconds=round(sum(facts["step_seconds"].values()) - _checks(facts["step_seconds"]), 1),
        check_seconds=round(_checks(facts["step_seconds"]), 1),
        bookkeeping_seconds=round(facts["bookkeeping_seconds"], 1),
        peak_memory_gb=round(max(usage.ru_maxrss / 1024**2, facts["jvm_peak_gb"]), 2),
        landing_mb=round(_size(data / "landing") / 1e6, 1),
        lake_mb=round(_size(data / "lake") / 1e6, 1),
        rows=facts["rows"],
        step_seconds=facts["step_seconds"],
        cpu_seconds=round(usage.ru_utime + usage.ru_stime + facts["jvm_cpu_seconds"], 1),
    )


def _checks(step_seconds: Mapping[str, float]) -> float:
    return sum(seconds for step, seconds in step_seconds.items() if step in CHECK_STEPS)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _machine() -> dict[str, object]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "dagster": dg.__version__,
    }


def _page(machine: Mapping[str, object], figures: Figures) -> str:
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` wrote this page. Machine: {machine['cores']} cores, {machine['memory_gb']} GB memory,",
        f"{machine['system']}, Python {machine['python']}. The machine is shared, so compare the rows with",
        "each other rather than with another day.",
        "",
        "A first run ingests 25 months and computes a snapshot; a second one finds all of it up to date; the third",
        "(`--all`) does all of it again.",
        "Tables and checks are the seconds inside their Dagster steps, three of which run at a time; within those,",
        "Dagster's own storage of events and versions took what the next column says. The contracts of features and",
        "marts are checked in the steps of their tables, the other checks in steps of their own. The start of the",
        "process and of runs is in none of them. CPU is the time of all threads and processes. Peak memory is of the",
        "largest process; beside it, the fits of the forecasts take up to 0.2 GB in one of their own.",
        "The lists below are the profile: where the seconds of a first run go, by part and by step. Predictions are",
        "fitted for three days: the day itself, and two earlier ones by which they are judged.",
        "",
        (
            "| engine | customers | transactions | run | seconds | CPU | tables | checks | Dagster's storage "
            "| peak memory | landing | lake |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in figures.runs:
        transactions = entry.rows.get("cleaned/transactions", 0)
        lines.append(
            f"| {entry.engine} | {entry.customers:,} | {f'{transactions:,}' if transactions else ''} | {entry.run} "
            f"| {entry.seconds} | {entry.cpu_seconds or ''} | {entry.table_seconds} "
            f"| {entry.check_seconds} | {entry.bookkeeping_seconds} "
            f"| {entry.peak_memory_gb} GB | {entry.landing_mb} MB | {entry.lake_mb} MB |"
        )
    lines += section_aims(
        figures.runs,
        figures.days,
        figures.dropped,
        figures.backfills,
        figures.streamed,
        figures.beside,
        figures.answered,
    )
    lines += section_days(figures.days)
    lines += section_dropped(figures.dropped)
    lines += section_backfills(figures.backfills)
    lines += section_streamed(figures.streamed)
    lines += section_beside(figures.beside)
    lines += section_shops(figures.shops)
    lines += section_pages(figures.answered)
    for entry in figures.runs:
        if entry.run == "first":
            whole = sum(entry.step_seconds.values())
            lines += ["", f"## Where the seconds go: {entry.engine}, {entry.customers:,} customers", ""]
            lines += _shares("part", _by_part(entry.step_seconds), whole)
            steps = {step.replace("__", "/"): seconds for step, seconds in entry.step_seconds.items()}
            longest = sorted(steps.items(), key=lambda pair: -pair[1])[:12]
            lines += ["", *_shares("step", dict(longest), whole)]
    return "\n".join(lines) + "\n"


def _by_part(step_seconds: Mapping[str, float]) -> Mapping[str, float]:
    found = dict.fromkeys([*PARTS, "checks"], 0.0)
    for step, seconds in step_seconds.items():
        part = (
            "checks"
            if step in CHECK_STEPS
            else next((p for p, begins in PARTS.items() if step.startswith(begins)), "checks")
        )
        found[part] += seconds
    return found


def _shares(of: str, seconds: Mapping[str, float], whole: float) -> Sequence[str]:
    rows = [f"| {name} | {spent:.2f} | {spent / whole:.0%} |" for name, spent in seconds.items()]
    return [f"| {of} | seconds | share |", "|---|---|---|", *rows]


if __name__ == "__main__":
    app()
