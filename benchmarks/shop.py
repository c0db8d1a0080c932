"""From the exports of a shop to Customer 360: how long `cip adopt` and `cip run` take, and their memory.

The shop is made up, with the columns and the counts of seven months of Online Retail: a gift shop whose 245,903 records
the UCI Machine Learning Repository has (Chen 2015, CC BY 4.0). The real files can be measured beside it.
"""

import gzip
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.beside import took
from cip_assets.sources.config import load_sources
from cip_assets.sources.convert import look_at

MADE_UP = "made up"

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
FIRST_DAY, DAYS = datetime(2010, 12, 1), 212  # noqa: DTZ001 -- as a shop writes it, without a zone
PRODUCTS, BUYERS = 3_600, 2_960
"""Different products and buyers, about as many as in the real shop."""


@dataclass(frozen=True)
class Part:
    """Invoices of one kind: how many, and their lines in all."""

    invoices: int
    lines: int
    prefix: str = ""
    has_buyer: bool = True
    sign: int = 1
    is_priced: bool = True


PARTS = (
    Part(8_802, 172_635),
    Part(1_902, 4_241, prefix="C", sign=-1),
    Part(857, 67_296, has_buyer=False),
    Part(1_731, 1_731, has_buyer=False, sign=-1, is_priced=False),
)
"""Purchases, credits, orders of guests, and corrections of the stock, as many as in the real shop."""


@dataclass(frozen=True)
class OnExports:
    """One command on the exports of a shop, in a process of its own."""

    shop: str
    records: int
    orders: int
    command: str
    seconds: float
    cpu_seconds: float
    peak_memory_gb: float


def make_up(folder: Path) -> None:
    """Write the exports of a shop, one gzipped CSV file for each month; the same ones each time."""
    random = np.random.default_rng(1)
    months: dict[str, list[str]] = {}
    number = 536_365
    for part in PARTS:
        more = random.multinomial(part.lines - part.invoices, np.full(part.invoices, 1 / part.invoices))
        for lines in more + 1:
            number += 1
            day = FIRST_DAY + timedelta(minutes=int(random.integers(DAYS * 24 * 60)))
            buyer = f"{12_346 + random.integers(BUYERS)}.0" if part.has_buyer else ""
            for product, units in zip(
                random.integers(PRODUCTS, size=lines), random.integers(1, 25, size=lines), strict=True
            ):
                price = f"{0.39 + product % 50 / 4:.2f}" if part.is_priced else "0.0"
                months.setdefault(f"{day:%Y-%m}", []).append(
                    f"{part.prefix}{number},{20_000 + product},GIFT NO {product},{part.sign * units},{day},{price},"
                    f"{buyer},United Kingdom"
                )
    folder.mkdir(parents=True)
    for month, records in months.items():
        with gzip.open(folder / f"sales-{month}.csv.gz", "wt", encoding="utf-8") as stream:
            stream.write("\n".join([HEADER, *records, ""]))


def measured(exports: Path | None = None, name: str = MADE_UP) -> Iterator[OnExports]:
    """What each command takes: on the exports in a folder, or on those of a made-up shop.

    Raises:
        SystemExit: a command failed.

    """
    scratch = Path(tempfile.mkdtemp(prefix="cip-bench-"))
    try:
        if exports is None:
            make_up(exports := scratch / "exports")
        data = scratch / "data"
        found = [
            (command, _took(data, *arguments))
            for command, arguments in (
                ("`cip adopt`", ("adopt", "--yes", "--currency", "GBP", str(exports))),
                ("`cip run`", ("run",)),
                ("`cip run`, nothing new", ("run",)),
            )
        ]
        sources = load_sources(data)
        if sources is None:
            raise SystemExit("cip adopt wrote no sources.yaml")
        summary = look_at(sources, data)
        for command, figures in found:
            yield OnExports(name, summary.records, summary.orders or 0, command, *figures)
    finally:
        shutil.rmtree(scratch)


def _took(data: Path, *arguments: str) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and GB of memory."""
    data.mkdir(exist_ok=True)
    found = took([sys.executable, "-m", "cip_assets", *arguments], CIP_DATA_DIR=str(data))
    return round(found.seconds, 1), round(found.cpu_seconds, 1), round(found.peak_mb / 1024, 2)


def section(found: Sequence[OnExports]) -> Iterator[str]:
    """The part of the page about exports."""
    yield ""
    yield "## From the exports of a shop"
    yield ""
    yield "Seven gzipped CSV files of a gift shop, one a month, on the default engine: a made-up one with as many"
    yield "invoices and lines of each kind as Online Retail (UCI Machine Learning Repository), and that shop itself."
    yield "`cip adopt` looks at the files and computes their figures; `cip run` makes landing files of them and"
    yield "computes everything. Each command is a process of its own. CPU is the time of all its threads and children."
    yield "The seconds also hold the time in which the machine did other work; CPU does not."
    yield ""
    yield "| shop | records | orders | command | seconds | CPU | peak memory |"
    yield "|---|---|---|---|---|---|---|"
    for each in found:
        yield (
            f"| {each.shop} | {each.records:,} | {each.orders:,} | {each.command} | {each.seconds} "
            f"| {each.cpu_seconds} | {each.peak_memory_gb} GB |"
        )
