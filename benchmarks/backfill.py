"""How long a backfill of three months takes that is launched from Dagster's page: from the click, and from the tick of
the daemon in which its first run is made.
"""

import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import END
from benchmarks.beside import took
from benchmarks.dropped import CUSTOMERS
from cip_assets.config.settings import Settings
from cip_assets.orchestration.instance import open_instance
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets_tests.integration.dagster_page import dagster_dev

TIMES = 5
ASSETS = ["raw/transactions", "cleaned/transactions", "quarantine/transactions", "facts/order_days"]
MONTHS = [f"{END.year}-{month:02d}-01" for month in range(END.month - 2, END.month + 1)]


@dataclass(frozen=True)
class Backfill:
    """The seconds that each backfill took from the click, and from the tick."""

    from_click: Sequence[float]
    from_tick: Sequence[float]


def measured(times: int = TIMES) -> Backfill:
    """Launch backfills of the same months, one after the other."""
    from_click, from_tick = [], []
    with tempfile.TemporaryDirectory(prefix="cip-backfill-") as scratch:
        settings = Settings(Path(scratch), "sail")
        generate(GeneratorConfig(customers=CUSTOMERS, end=END, seed=1), settings.landing)
        took([sys.executable, "-m", "cip_assets", "run"], CIP_DATA_DIR=scratch, CIP_ENGINE="sail")
        with dagster_dev(settings.data_dir) as page, open_instance(settings.dagster_home) as instance:
            for _ in range(times + 1):
                clicked = time.time()
                runs = page.end_of_backfill(page.start_backfill(ASSETS, MONTHS))
                records = [instance.get_run_record_by_id(run["runId"]) for run in runs]
                ended = max(record.end_time or 0.0 for record in records if record)
                made = min(record.create_timestamp.timestamp() for record in records if record)
                from_click.append(round(ended - clicked, 1))
                from_tick.append(round(ended - made, 1))
    return Backfill(from_click[1:], from_tick[1:])  # the first one also waited for the start of the daemon


def section(backfills: Collection[Backfill]) -> list[str]:
    """The part of docs/benchmarks.md about backfills."""
    lines: list[str] = []
    for entry in backfills:
        lines += [
            "",
            "## A backfill of three months from the page",
            "",
            f"Three months of {', '.join(f'`{asset}`' for asset in ASSETS)}",
            f"are backfilled from Dagster's page, in a shop of {CUSTOMERS:,} customers. They were done",
            f"{median(entry.from_click):.1f} seconds after the click (median of",
            f"{len(entry.from_click)}, {min(entry.from_click)} to {max(entry.from_click)}), and",
            f"{median(entry.from_tick):.1f} seconds after the daemon made their run ({min(entry.from_tick)} to",
            f"{max(entry.from_tick)}).",
        ]
    return lines
