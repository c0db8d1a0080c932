"""The platform beside other engines: the same tables and files from the same landing files, each in its own process.

The platform runs in three processes, by its own selection of assets: what predictions need, the predictions, and what
needs them. Without predictions, only the first and the last are counted, and the rivals read what the second one made.
With them, all three are, and for a rival a process that computes the same predictions from its tables. No time counts
before every table, file and prediction of a rival is the platform's, to the cent.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import vl_convert

from benchmarks import END
from benchmarks.rivals import FEATURES, FILES
from benchmarks.rivals.compare import differences, differences_of_predictions, give_predictions
from cip_assets.synthetic import GeneratorConfig, generate

MEASURE = Path(__file__).with_name("took.py")
TIMES: Mapping[int, int] = {10_000: 3, 1_000_000: 1}
"""How often each size is measured; the medians count."""

PLATFORM = "platform on Sail"
RIVALS = {"DuckDB": "duckdb_pipeline", "Polars": "polars_pipeline"}

BEFORE = [f"features/{name}" for name in FEATURES if name != "segments"]
"""The features that no prediction decides."""

PREDICTIONS = ["features/churn", "features/clv"]
AFTER = [f"exports/{file.name}" for file in FILES]

CHART = "images/beside.svg"


@dataclass(frozen=True)
class Beside:
    """What one engine took for all tables and files at one size: medians.

    If it does not fit in memory, what it had taken when Linux killed it.
    """

    customers: int
    engine: str
    times: int
    seconds: float
    cpu_seconds: float
    peak_memory_gb: float
    seconds_with_predictions: float
    cpu_seconds_with_predictions: float
    fits: bool = True


@dataclass(frozen=True)
class Took:
    """What one command took, if need be until it was killed for its memory."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    is_killed: bool

    def and_then(self, other: "Took") -> "Took":
        return Took(
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_mb, other.peak_mb),
            self.is_killed or other.is_killed,
        )


def measured(customers: int, landing: Path | None = None) -> Iterator[Beside]:
    """Each engine's medians at a size.

    Args:
        customers: the number of customers to generate.
        landing: a folder with landing files of so many customers that were generated before.

    Raises:
        SystemExit: a run failed, or a rival's tables are not the platform's.

    """
    runs_of: dict[str, list[tuple[Took, Took]]] = {engine: [] for engine in (PLATFORM, *RIVALS)}
    times = TIMES.get(customers, 1)
    with tempfile.TemporaryDirectory(prefix="cip-beside-") as scratch:
        if landing is None:
            landing = Path(scratch) / "landing"
            generate(GeneratorConfig(customers=customers, end=END, seed=1), landing)
        for _ in range(times):
            data = Path(scratch) / "platform"
            shutil.copytree(landing, data / "landing", copy_function=os.link)
            runs_of[PLATFORM].append(_platform(data))
            predicted = data / "predicted.parquet"
            give_predictions(data, predicted)
            for rival, module in RIVALS.items():
                out, own = Path(scratch) / module, Path(scratch) / f"{module}.parquet"
                tables = took(_rival(module, data / "landing", predicted, out), may_be_killed=True)
                if tables.is_killed:
                    runs_of[rival].append((tables, tables))
                    shutil.rmtree(out)
                    continue
                if found := list(differences(data, out)):
                    raise SystemExit("\n".join([f"{rival} has other tables than the platform:", *found]))
                runs_of[rival].append((tables, tables.and_then(took(_rival("predictions", out, own)))))
                if different := differences_of_predictions(predicted, own):
                    raise SystemExit(f"{rival} has other predictions than the platform: {different}")
                shutil.rmtree(out)
            shutil.rmtree(data)
    for engine, runs in runs_of.items():
        yield Beside(
            customers=customers,
            engine=engine,
            times=times,
            seconds=round(median(tables.seconds for tables, _ in runs), 1),
            cpu_seconds=round(median(tables.cpu_seconds for tables, _ in runs), 1),
            peak_memory_gb=round(median(tables.peak_mb for tables, _ in runs) / 1024, 2),
            seconds_with_predictions=round(median(everything.seconds for _, everything in runs), 1),
            cpu_seconds_with_predictions=round(median(everything.cpu_seconds for _, everything in runs), 1),
            fits=not any(everything.is_killed for _, everything in runs),
        )


def _rival(module: str, *paths: Path) -> Sequence[str]:
    return [sys.executable, "-m", f"benchmarks.rivals.{module}", *map(str, paths)]


def _platform(data: Path) -> tuple[Took, Took]:
    """The platform without its predictions, and with them."""
    before, predictions, after = (
        took(
            [sys.executable, "-m", "cip_assets", "run", "--select", ",".join(assets)], CIP_DATA_DIR=str(data)
        )
        for assets in (BEFORE, PREDICTIONS, AFTER)
    )
    return before.and_then(after), before.and_then(predictions).and_then(after)


def took(
    command: Sequence[str], *, cwd: Path | None = None, may_be_killed: bool = False, **environment: str
) -> Took:
    """Run a command in a process of its own, on the default engine.

    Raises:
        SystemExit: it failed, or it was killed and may not be.

    """
    child = subprocess.run(
        [sys.executable, str(MEASURE), *command],
        cwd=cwd,
        env={**os.environ, "CIP_ENGINE": "sail", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed: {child.stderr}")
    figures = Took(**json.loads(child.stdout))
    if figures.is_killed and not may_be_killed:
        raise SystemExit(f"{' '.join(command)} was killed: is there enough memory?")
    return figures


def section(beside: Sequence[Beside]) -> list[str]:
    """The part of docs/benchmarks.md about the other engines."""
    if not beside:
        return []
    lines = [
        "",
        "## Beside DuckDB and Polars",
        "",
        f"The same {len(FILES)} CSV files and the tables behind them, from the same landing files: raw, cleaned by the",
        "same rules, features, customer_360 and KPIs. DuckDB and Polars write Delta tables with delta-rs. No time",
        "counts before every table and file is equal, to the cent. Each engine is a process of its own, and the",
        "figures are medians. CPU is the time of all its threads; the seconds also hold the time in which the machine",
        "did other work.",
        "",
        "Only the platform also keeps quarantine with its reasons, checks every table, records lineage, versions and",
        "hashes, and can go on from where it stopped; its seconds hold two starts of the program. Predictions are",
        "first left out on both sides; only the platform's expected retention, one curve for all cohorts, is counted.",
        "Then they are computed on both sides, by the same numpy and scipy code: the platform's in a third process of",
        "its own, the rivals' in a second one, and equal to the last digit.",
        "Ten million customers were computed with `CIP_SAIL_MEMORY_GB=13`. Polars holds its tables in memory.",
        "",
        f"![Seconds of CPU and peak memory of each engine]({CHART})",
        "",
        (
            "| customers | engine | runs | seconds | CPU | times DuckDB's | peak memory "
            "| with predictions: seconds | CPU | times DuckDB's |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    duckdb = {entry.customers: entry for entry in beside if entry.engine == "DuckDB" and entry.fits}
    # The figures come one by one, the platform's first.
    lines += [
        f"| {entry.customers:,} | {entry.engine} | {entry.times} | {entry.seconds} | {entry.cpu_seconds} "
        f"| {entry.cpu_seconds / duckdb[entry.customers].cpu_seconds:.1f} | {entry.peak_memory_gb} GB "
        f"| {entry.seconds_with_predictions} | {entry.cpu_seconds_with_predictions} "
        f"| {entry.cpu_seconds_with_predictions / duckdb[entry.customers].cpu_seconds_with_predictions:.1f} |"
        if entry.fits
        else f"| {entry.customers:,} | {entry.engine} | {entry.times} | does not fit, killed after {entry.seconds} "
        f"| {entry.cpu_seconds} | | {entry.peak_memory_gb} GB | | | |"
        for entry in beside
        if entry.customers in duckdb
    ]
    return lines


def draw(beside: Sequence[Beside], file: Path) -> None:
    """Draw the CPU seconds and the peak memory of each engine at each size."""
    figures = [
        {
            "customers": f"{entry.customers:,} customers",
            "engine": entry.engine,
            "what": what,
            "value": value if entry.fits else 0,
            "label": f"{value:,}" if entry.fits else "does not fit",
        }
        for entry in beside
        for what, value in (("CPU seconds", entry.cpu_seconds), ("peak memory, GB", entry.peak_memory_gb))
    ]
    sizes = [f"{size:,} customers" for size in sorted({entry.customers for entry in beside})]
    bars = {
        "height": 90,
        "width": 260,
        "encoding": {
            "y": {"field": "engine", "type": "nominal", "sort": [PLATFORM, *RIVALS], "title": None},
            "x": {"field": "value", "type": "quantitative", "title": None},
        },
        "layer": [
            {"mark": "bar", "encoding": {"color": {"field": "engine", "type": "nominal", "legend": None}}},
            {
                "mark": {"type": "text", "align": "left", "dx": 3},
                "encoding": {"text": {"field": "label", "type": "nominal"}},
            },
        ],
    }
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "data": {"values": figures},
        "facet": {
            "row": {"field": "customers", "type": "nominal", "title": None, "sort": sizes},
            "column": {"field": "what", "type": "nominal", "title": None, "sort": None},
        },
        "spec": bars,
        "resolve": {"scale": {"x": "independent"}},
    }
    file.write_text(vl_convert.vegalite_to_svg(chart), encoding="utf-8")
