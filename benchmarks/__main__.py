"""Time and memory of whole runs: both engines at 10,000 customers, the default engine at 1,000,000; of the exports of a
shop; and beside other engines that compute the same tables.

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
from typing import Annotated, Any

import dagster as dg
import typer

from benchmarks import END
from benchmarks.beside import CHART, TIMES, Beside
from benchmarks.beside import draw as draw_beside
from benchmarks.beside import measured as measured_beside
from benchmarks.beside import section as section_beside
from benchmarks.dropped import Dropped
from benchmarks.dropped import measured as measured_drops
from benchmarks.dropped import section as section_drops
from benchmarks.shop import MADE_UP, OnExports, measured, section
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

CASES: Sequence[tuple[str, int]] = (("sail", 10_000), ("spark", 10_000), ("sail", 1_000_000))


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


def main(
    engine: Annotated[str | None, typer.Option(help="only this engine")] = None,
    customers: Annotated[int | None, typer.Option(help="only this size")] = None,
    shop: Annotated[bool, typer.Option(help="only the exports of the made-up shop")] = False,
    exports: Annotated[Path | None, typer.Option(help="only the exports of a shop in this folder")] = None,
    name: Annotated[str, typer.Option(help="the name of that shop")] = "Online Retail",
    beside: Annotated[
        int | None, typer.Option(help="only the other engines, with this number of customers")
    ] = None,
    drop: Annotated[bool, typer.Option(help="only files that land while the page runs")] = False,
    landing: Annotated[
        Path | None, typer.Option(help="landing files of so many customers, generated before")
    ] = None,
) -> None:
    """Measure the cases and the exports of a shop, and write docs/benchmarks.json and docs/benchmarks.md."""
    before = _load()
    kept = [Measured(**entry) for entry in before.get("runs", [])]
    shops = [OnExports(**entry) for entry in before.get("shops", [])]
    others = [Beside(**entry) for entry in before.get("beside", [])]
    drops = [Dropped(**entry) for entry in before.get("dropped", [])]
    everything = not (engine or customers or shop or exports or beside or drop)
    if drop or everything:
        drops = [measured_drops()]
        _write(kept, shops, others, drops)
    if beside or everything:
        for size in (beside,) if beside else TIMES:
            others = [entry for entry in others if entry.customers != size]
            others = sorted([*others, *measured_beside(size, landing)], key=lambda entry: entry.customers)
            _write(kept, shops, others, drops)
    if beside or drop:
        return
    if exports or not (engine or customers):
        own = name if exports else MADE_UP
        shops = sorted(
            [*(took for took in shops if took.shop != own), *measured(exports, own)],
            key=lambda took: took.shop != MADE_UP,
        )
        _write(kept, shops, others, drops)
    if shop or exports:
        return
    for case_engine, case_customers in CASES:
        if engine not in (None, case_engine) or customers not in (None, case_customers):
            continue
        again = list(_measure(case_engine, case_customers))
        kept = [m for m in kept if (m.engine, m.customers) != (case_engine, case_customers)] + again
        kept.sort(key=lambda m: CASES.index((m.engine, m.customers)))
        _write(kept, shops, others, drops)


def _write(
    runs: Sequence[Measured], shops: Sequence[OnExports], beside: Sequence[Beside], drops: Sequence[Dropped]
) -> None:
    machine = _machine()
    content = {
        "machine": machine,
        "shops": [asdict(entry) for entry in shops],
        "beside": [asdict(entry) for entry in beside],
        "dropped": [asdict(entry) for entry in drops],
        "runs": [asdict(entry) for entry in runs],
    }
    (DOCS / "benchmarks.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (DOCS / "benchmarks.md").write_text(_page(machine, runs, shops, beside, drops), encoding="utf-8")
    if beside:
        draw_beside(beside, DOCS / CHART)


def _measure(engine: str, customers: int) -> Iterator[Measured]:
    scratch = Path(tempfile.mkdtemp(prefix="cip-bench-"))
    try:
        generate(GeneratorConfig(customers=customers, end=END, seed=1), scratch / "landing")
        for run in ("first", "second", EVERYTHING):
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


def _load() -> dict[str, list[dict[str, Any]]]:
    path = DOCS / "benchmarks.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _page(
    machine: Mapping[str, object],
    runs: Sequence[Measured],
    shops: Sequence[OnExports],
    beside: Sequence[Beside],
    drops: Sequence[Dropped],
) -> str:
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
        "Dagster's own storage of events and versions took what the next column says. The start of the process and",
        "of runs is in none of them.",
        "The lists below are the profile: where the seconds of a first run go, by part and by step. Predictions are",
        "fitted for three days: the day itself, and two earlier ones by which they are judged.",
        "",
        (
            "| engine | customers | transactions | run | seconds | tables | checks | Dagster's storage | peak memory "
            "| landing | lake |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in runs:
        transactions = entry.rows.get("cleaned/transactions", 0)
        lines.append(
            f"| {entry.engine} | {entry.customers:,} | {f'{transactions:,}' if transactions else ''} | {entry.run} "
            f"| {entry.seconds} | {entry.table_seconds} | {entry.check_seconds} | {entry.bookkeeping_seconds} "
            f"| {entry.peak_memory_gb} GB | {entry.landing_mb} MB | {entry.lake_mb} MB |"
        )
    lines += section_beside(beside)
    lines += section_drops(drops)
    lines += section(shops)
    for entry in runs:
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
    typer.run(main)
