"""Plans what has to be ingested so that the tables are up to date with the landing folder and the current code.

The command line and the sensor of the landing folder both use this plan, so they agree.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import deliveries, in_step
from cip_assets.ingest.manifest import ManifestEntry, read_manifest
from cip_assets.layers import FACTS_OF, SOURCE_TABLES
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.run_tags import RANGE_END, RANGE_START
from cip_assets.storage import delta
from cip_assets.storage.written import WHOLE, month_after

STAGES: Sequence[Sequence[str]] = (("raw",), ("cleaned", "quarantine"))
"""Sets of layers that together hold every landed line."""

SUMMED = "facts"
"""The layer that follows from the cleaned tables and is written with them."""

HISTORY = "history"
"""Stands for the histories of the cleaned tables, which are written with them, or alone if they are behind."""

EVERYTHING = "asked for"
"""The reason to compute what is up to date."""

JUDGED = ("cleaned", "quarantine", SUMMED)
"""The layers to write again if the lines are the same but what is said about them is not."""

INGESTED = (*(layer for stage in STAGES for layer in stage), SUMMED)
"""The layers that an ingest writes."""


CODE_TAG = gate.STARTED_BY_US
"""The tag with the graph's code version, which every run has. It changes with the code or the rules of any table."""


@dataclass(frozen=True)
class Block:
    """Source tables to ingest in one run, for consecutive months if they have months. Some layers can be left out."""

    tables: tuple[str, ...]
    first: str = WHOLE
    last: str = WHOLE
    layers: tuple[str, ...] = INGESTED

    @property
    def tags(self) -> dict[str, str]:
        """The tags of a Dagster run that covers the months."""
        return {RANGE_START: self.first, RANGE_END: self.last} if self.first else {}

    @property
    def assets(self) -> list[dg.AssetKey]:
        layers = [layer for layer in self.layers if layer not in {SUMMED, HISTORY}]
        found = [dg.AssetKey([layer, table]) for layer in layers for table in self.tables]
        if SUMMED in self.layers:
            found += [facts_of(table) for table in self.tables if table in FACTS_OF]
        if {"cleaned", HISTORY} & set(self.layers):
            found += [key for table in self.tables if (key := history_of(table))]
        return found


def facts_of(table: str) -> dg.AssetKey:
    """The facts of a source table."""
    contract = FACTS_OF[table].contract
    return dg.AssetKey([contract.layer, contract.table])


def history_of(table: str) -> dg.AssetKey | None:
    """The history of a source table, if it comes as full deliveries."""
    contract = SOURCE_TABLES[table].history
    return dg.AssetKey([contract.layer, contract.table]) if contract else None


def source_of(asset: dg.AssetKey) -> str:
    """The source table of an asset that an ingest writes."""
    found = (
        table
        for table in SOURCE_TABLES
        if asset == history_of(table) or (table in FACTS_OF and asset == facts_of(table))
    )
    return next(found, asset.path[-1])


@dataclass(frozen=True)
class Work:
    """The tables and months to ingest, and the tables that cannot be read until a file is corrected."""

    blocks: Sequence[Block]
    unreadable: Mapping[str, str]
    reasons: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Why each table and month is to be ingested."""


def due(
    graph: Graph,
    settings: Settings,
    instance: dg.DagsterInstance,
    first: date | None = None,
    last: date | None = None,
    *,
    everything: bool = False,
    manifest: Mapping[str, Sequence[ManifestEntry]] | None = None,
) -> Work:
    """The tables and months to ingest, according to the manifest, the tables and the blocking checks.

    Args:
        graph: the assets and their code versions.
        settings: the data folder.
        instance: the instance with the history of the checks. A month that failed one is due until it passes.
        first: skip months before this day's month.
        last: skip months after this day's month.
        everything: include what is up to date.
        manifest: by default that of the last scan.

    """
    if manifest is None:
        manifest = read_manifest(settings.table_uri("landing", "manifest"))
    start = str(first.replace(day=1)) if first else str(graph.partitions.first_month)
    end = str(last.replace(day=1)) if last else "9999"
    unreadable = unreadable_tables(settings, manifest)
    reasons: dict[tuple[str, str], str] = {}
    by_month: dict[str, set[str]] = {}
    without_facts: dict[str, set[str]] = {}
    first_ever: set[str] = set()
    without_history: set[str] = set()
    for table in SOURCE_TABLES.keys() - unreadable.keys():
        source, entries = SOURCE_TABLES[table], manifest.get(table, [])
        failed = {
            month for *_, those in gate.failed_checks(settings, instance, source, entries) for month in those
        }
        why = {
            **dict.fromkeys(failed, "a check did not pass"),
            **dict.fromkeys(in_step.moved(settings, source), "lines moved between months"),
            **_months_due(graph, settings, table, entries, everything=everything),
        }
        months = set(why)
        behind = _months_without_facts(graph, settings, source)
        if failed:
            months |= behind  # what did not pass is checked again before it is added up
        for month in behind - months:
            if start <= month <= end:
                without_facts.setdefault(month, set()).add(table)
                why[month] = "facts are out of date"
        reasons |= {(table, month): reason for month, reason in why.items()}
        for month in months:
            if month == WHOLE or start <= month <= end:
                by_month.setdefault(month, set()).add(table)
        if not months and not delta.exists(settings.table_uri("cleaned", table)):
            first_ever.add(table)
        elif not months and _is_history_behind(graph, settings, source, entries):
            without_history.add(table)
            reasons[table, WHOLE] = "its history is out of date"
    blocks = blocks_of(_with_first_ever(by_month, first_ever, graph))
    behind_only = [*blocks_of(without_facts, (SUMMED,)), *blocks_of({WHOLE: without_history}, (HISTORY,))]
    return Work([*blocks, *behind_only], unreadable, reasons)


def _is_history_behind(
    graph: Graph, settings: Settings, source: SourceTable, entries: Sequence[ManifestEntry]
) -> bool:
    """Whether the history of a table does not show its deliveries, or was computed by other code."""
    key = history_of(source.name)
    return key is not None and not in_step.shows_deliveries(
        settings, source, deliveries.digest_of(entries), graph.code_versions[key]
    )


def _months_without_facts(graph: Graph, settings: Settings, source: SourceTable) -> set[str]:
    if source.name not in FACTS_OF:
        return set()
    return in_step.without_facts(settings, source, graph.code_versions[facts_of(source.name)])


def _with_first_ever(
    by_month: dict[str, set[str]], tables: Collection[str], graph: Graph
) -> dict[str, set[str]]:
    """Add tables that were never written and have no rows. Any month creates them; a month that is due costs least."""
    month = min(by_month.keys() - {WHOLE}, default=str(graph.partitions.first_month))
    for table in tables:
        by_month.setdefault(month if SOURCE_TABLES[table].is_event else WHOLE, set()).add(table)
    return by_month


def unreadable_tables(settings: Settings, manifest: Mapping[str, Sequence[ManifestEntry]]) -> dict[str, str]:
    """The tables that cannot be read until a file is corrected, with the reasons."""
    found: dict[str, str] = {}
    for table, source in SOURCE_TABLES.items():
        try:
            in_step.require_files(settings, source, manifest.get(table, []))
        except PlatformError as error:
            found[table] = str(error)
    return found


def _months_due(
    graph: Graph, settings: Settings, table: str, entries: Sequence[ManifestEntry], *, everything: bool
) -> dict[str, str]:
    source = SOURCE_TABLES[table]
    if everything:
        return dict.fromkeys(in_step.held_by_landing(source, entries), EVERYTHING)
    stages = [
        {
            settings.table_uri(layer, table): graph.code_versions[dg.AssetKey([layer, table])]
            for layer in layers
        }
        for layers in STAGES
    ]
    return in_step.out_of_step(source, entries, stages)


def moved(settings: Settings) -> list[Block]:
    """The months to clean again because lines moved between months."""
    by_month: dict[str, set[str]] = {}
    for table, source in SOURCE_TABLES.items():
        for month in in_step.moved(settings, source):
            by_month.setdefault(month, set()).add(table)
    return blocks_of(by_month, JUDGED)


def without_months(graph: Graph, table: str) -> Block:
    """The run of a table whose months are unknown because one of its files cannot be read."""
    month = str(graph.partitions.first_month) if SOURCE_TABLES[table].is_event else WHOLE
    return Block((table,), month, month)


def blocks_of(by_month: Mapping[str, Collection[str]], layers: tuple[str, ...] = INGESTED) -> list[Block]:
    """Join consecutive months, and join tables without months to the first block.

    Starting a run takes longer than ingesting one more month or table.
    """
    blocks: list[Block] = []
    for month in sorted(by_month.keys() - {WHOLE}):
        tables = set(by_month[month])
        if blocks and month == _month_after(blocks[-1]):
            tables |= set(blocks[-1].tables)
            blocks[-1] = Block(tuple(sorted(tables)), blocks[-1].first, month, layers)
        else:
            blocks.append(Block(tuple(sorted(tables)), month, month, layers))
    if whole := by_month.get(WHOLE):
        first, *others = blocks or [Block(())]
        blocks = [Block(tuple(sorted({*first.tables, *whole})), first.first, first.last, layers), *others]
    return blocks


def _month_after(block: Block) -> str:
    return str(month_after(date.fromisoformat(block.last)))
