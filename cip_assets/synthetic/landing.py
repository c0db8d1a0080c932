"""The complete generation: chunk by chunk, so that memory use does not grow with the number of customers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from cip_assets.synthetic import events
from cip_assets.synthetic.catalog import Catalog, make_catalog
from cip_assets.synthetic.config import GeneratorConfig
from cip_assets.synthetic.planting import ORPHAN_SHARE, Planter
from cip_assets.synthetic.population import customer_columns, make_population
from cip_assets.synthetic.truth import TRUTH_JSON, Truth
from cip_assets.synthetic.writer import existing_files

CHUNK: Final = 50_000
"""The number of customers per chunk. A different number would give different data for the same seed."""
STAGING: Final = "_generating"
"""A folder below the landing folder, which holds the files until all of them are complete."""


def generate(config: GeneratorConfig, out: Path, progress: Callable[[int, int], None] | None = None) -> Truth:
    """Write synthetic landing files and their ground truth into the folder `out`.

    The same config gives the same bytes. The files appear in `out` only when all of them are written, so an interrupted
    generation leaves nothing that looks like data. `progress` is called with the number of finished customers and the
    number of all customers. Raises ValueError if `out` already contains files of the tables.
    """
    present = existing_files(out)
    if present:
        raise ValueError(
            f"{out} already holds landing files ({len(present)}, the first is {present[0]}); "
            "remove them or choose another folder, because existing data is never overwritten"
        )
    staging = out / STAGING
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    truth = _write(config, staging, progress or _silent)
    (staging / TRUTH_JSON).write_text(truth.as_json(), encoding="utf-8", newline="\n")
    for path in sorted(path for path in staging.rglob("*") if path.is_file()):
        target = out / path.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(staging)
    return truth


def _silent(_done: int, _total: int) -> None:
    """Report no progress."""


def _write(config: GeneratorConfig, folder: Path, progress: Callable[[int, int], None]) -> Truth:
    """Write all tables below `folder`."""
    truth = Truth(config)
    orphans = int(np.ceil(config.customers * config.defects * ORPHAN_SHARE))
    free = {
        "customers": config.customers + orphans + 1,
        "products": config.products + 1,
        "transactions": 1,
        "returns": 1,
        "support_tickets": 1,
        "web_activity": 1,
    }
    planter = Planter(config, folder, truth, free)
    catalog_seed, orphan_seed, *chunk_seeds = np.random.SeedSequence(config.seed).spawn(
        2 + -(-config.customers // CHUNK)
    )
    rng = np.random.Generator(np.random.PCG64(catalog_seed))
    catalog = make_catalog(config.products, rng)
    planter.write_snapshot("products", catalog.columns, rng)

    progress(0, config.customers)
    for chunk, seed in enumerate(chunk_seeds):
        begin = chunk * CHUNK
        size = min(CHUNK, config.customers - begin)
        _write_chunk(config, catalog, planter, size, 1 + begin, seed, known=True)
        progress(begin + size, config.customers)
    if orphans:
        _write_chunk(config, catalog, planter, orphans, 1 + config.customers, orphan_seed, known=False)
    return truth


def _write_chunk(
    config: GeneratorConfig,
    catalog: Catalog,
    planter: Planter,
    size: int,
    first_number: int,
    seed: np.random.SeedSequence,
    *,
    known: bool,
) -> None:
    """Draw and write `size` customers and their events; customers who are not `known` are not in customers.csv."""
    people_rng, spend_rng, return_rng, ticket_rng, web_rng, defect_rng = (
        np.random.Generator(np.random.PCG64(child)) for child in seed.spawn(6)
    )
    people = make_population(config, size, first_number, people_rng)
    if known:
        planter.write_snapshot("customers", customer_columns(config, people, people_rng), defect_rng)

    def write(table: str, rows: events.Rows) -> None:
        planter.first_free[table] += len(rows.day)
        if known:
            planter.write_events(table, rows.columns, rows.day, rows.cents, defect_rng)
        else:
            planter.write_orphans(table, rows.columns, rows.day, rows.cents)

    free = planter.first_free
    lines = events.make_transactions(config, people, catalog, free["transactions"], spend_rng)
    returns = events.make_returns(config, catalog, lines, return_rng)
    write("transactions", events.transaction_rows(config, people, catalog, lines))
    write("returns", events.return_rows(config, people, catalog, lines, returns, free["returns"], return_rng))
    write(
        "support_tickets",
        events.ticket_rows(config, people, lines, returns, free["support_tickets"], ticket_rng),
    )
    write("web_activity", events.session_rows(config, people, catalog, free["web_activity"], web_rng))
