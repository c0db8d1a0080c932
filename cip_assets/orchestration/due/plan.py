"""What has to run so that the lake is what the landing folder and the present code would make it.

The command line and the sensor of the landing folder both ask here, so they agree on what is due.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts import SOURCE_TABLES
from cip_assets.ingest import in_step
from cip_assets.ingest.in_step import WHOLE
from cip_assets.ingest.landing import ManifestEntry, files_to_read
from cip_assets.orchestration.assets import ASSETS
from cip_assets.orchestration.due import gate
from cip_assets.orchestration.partitions import DAYS, FIRST_MONTH, MONTHS
from cip_assets.orchestration.run_tags import RANGE_END, RANGE_START
from cip_assets.storage import delta

STAGES: Sequence[Sequence[str]] = (("raw",), ("cleaned", "quarantine"))
"""Layers that together hold every landed line."""


PLAIN_NAME = re.compile(r'(?<![\w:"*/])\w+/\w+(?![\w"*/])')
"""``layer/table`` in a selection, where it is not marked as a key."""


def digest(*parts: object) -> str:
    """A short text that is the same for the same parts: for tags and run keys."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:24]


CODE_VERSIONS = {spec.key: spec.code_version for asset in ASSETS for spec in asset.specs}

CODE_TAG = gate.STARTED_BY_US
CODE = digest(sorted((key.to_user_string(), version) for key, version in CODE_VERSIONS.items()))
"""Changes with the code or the rules of any table; every run carries it in its tag."""

COVERS_TAG = "cip/covers"
"""The tag of a snapshot's run that leaves out what is up to date: the digest of all that it was to see to."""


@dataclass(frozen=True)
class Block:
    """Tables to ingest in one run, for consecutive months where they have any."""

    tables: tuple[str, ...]
    first: str = WHOLE
    last: str = WHOLE

    @property
    def tags(self) -> dict[str, str]:
        """What makes a Dagster run cover the months."""
        return {RANGE_START: self.first, RANGE_END: self.last} if self.first else {}

    @property
    def assets(self) -> list[dg.AssetKey]:
        layers = [layer for stage in STAGES for layer in stage]
        return [dg.AssetKey([layer, table]) for layer in layers for table in self.tables]


@dataclass(frozen=True)
class Work:
    """What is to be ingested: what can be, and the tables that cannot be read until a file is mended."""

    blocks: Sequence[Block]
    unreadable: Mapping[str, str]


def due(
    settings: Settings,
    instance: dg.DagsterInstance,
    first: date | None = None,
    last: date | None = None,
    *,
    everything: bool = False,
) -> Work:
    """The tables and months to ingest, as the manifest, the tables and the blocking checks stand.

    Args:
        settings: where the data lies.
        instance: the history of the checks: what failed one is due until it passes.
        first: leave out months before this day's.
        last: leave out months after this day's.
        everything: also what is in step.

    """
    manifest = in_step.read_manifest(settings.table_uri("landing", "manifest"))
    start = str(first.replace(day=1)) if first else str(FIRST_MONTH)
    end = str(last.replace(day=1)) if last else "9999"
    unreadable = unreadable_tables(settings)
    by_month: dict[str, set[str]] = {}
    for table in SOURCE_TABLES.keys() - unreadable.keys():
        source, entries = SOURCE_TABLES[table], manifest.get(table, [])
        months = {
            *_months_due(settings, table, entries, everything=everything),
            *in_step.moved(settings, source),
            *(
                month
                for *_, failed in gate.failed_checks(settings, instance, source, entries)
                for month in failed
            ),
        }
        for month in months:
            if month == WHOLE or start <= month <= end:
                by_month.setdefault(month, set()).add(table)
    return Work(blocks_of(by_month), unreadable)


def unreadable_tables(settings: Settings) -> dict[str, str]:
    """The tables that cannot be read until a file is mended, and why."""
    manifest = in_step.read_manifest(settings.table_uri("landing", "manifest"))
    found: dict[str, str] = {}
    for table, source in SOURCE_TABLES.items():
        try:
            files_to_read(source, manifest.get(table, []), None)
        except PlatformError as error:
            found[table] = str(error)
    return found


def _months_due(
    settings: Settings, table: str, entries: Sequence[ManifestEntry], *, everything: bool
) -> Collection[str]:
    source = SOURCE_TABLES[table]
    never_written = not delta.exists(settings.table_uri("cleaned", table))
    if everything:
        months = set(in_step.held_by_landing(source, entries))
    else:
        stages = [
            {
                settings.table_uri(layer, table): str(CODE_VERSIONS[dg.AssetKey([layer, table])])
                for layer in layers
            }
            for layers in STAGES
        ]
        months = in_step.out_of_step(source, entries, stages)
    if never_written and not months:
        # Without rows there is no month to run: the first one makes the table.
        return {str(FIRST_MONTH) if source.is_event else WHOLE}
    return months


def moved(settings: Settings) -> list[Block]:
    """What must be cleaned again since lines moved between months."""
    by_month: dict[str, set[str]] = {}
    for table, source in SOURCE_TABLES.items():
        for month in in_step.moved(settings, source):
            by_month.setdefault(month, set()).add(table)
    return blocks_of(by_month)


def without_months(table: str) -> Block:
    """The run of a table whose months are unknown, since a file of it cannot be read."""
    month = str(FIRST_MONTH) if SOURCE_TABLES[table].is_event else WHOLE
    return Block((table,), month, month)


def blocks_of(by_month: Mapping[str, Collection[str]]) -> list[Block]:
    """Join consecutive months: a run has more to do with starting than with a month more."""
    blocks: list[Block] = []
    calendar = MONTHS.get_partition_keys()
    for month in sorted(by_month):
        tables = set(by_month[month])
        if month != WHOLE and blocks and calendar.index(month) == _place_after(blocks[-1], calendar):
            tables |= set(blocks[-1].tables)
            blocks[-1] = Block(tuple(sorted(tables)), blocks[-1].first, month)
        else:
            blocks.append(Block(tuple(sorted(tables)), month, month))
    return blocks


def _place_after(block: Block, calendar: Sequence[str]) -> int | None:
    return calendar.index(block.last) + 1 if block.last else None


def covering(assets: Collection[dg.AssetKey]) -> str:
    """The value of ``COVERS_TAG`` for these assets."""
    return digest(sorted(key.to_user_string() for key in assets))


def without_downstream(assets: Collection[dg.AssetKey], blocked: Collection[dg.AssetKey]) -> set[dg.AssetKey]:
    """The assets that can be computed although some others cannot be relied on."""
    if not blocked:
        return set(assets)
    return set(assets) - dg.AssetSelection.assets(*blocked).downstream().resolve(ASSETS)


def selected(assets: Collection[dg.AssetKey], selections: Sequence[str]) -> set[dg.AssetKey]:
    """Those of the assets that are selected, and those that they are computed from; all where nothing is.

    Args:
        assets: of a snapshot.
        selections: names, or Dagster's syntax for more than one: ``+marts/customer_360``, ``group:marts``,
            ``key:"marts/kpi_*"``, ``tag:domain=sales``, ``kind:csv``, and several separated by commas.

    Raises:
        PlatformError: a selection cannot be read, or selects none of them.

    """
    if not selections:
        return set(assets)
    found: set[dg.AssetKey] = set()
    for text in (part for selection in selections for part in selection.split(",")):
        try:
            # A plain name has to be marked as a key, or Dagster goes but one step up or down from it.
            wanted = dg.AssetSelection.from_string(PLAIN_NAME.sub(r'key:"\g<0>"', text.strip()))
            mine = set(assets) & wanted.resolve(ASSETS)
            found |= set(assets) & wanted.upstream().resolve(ASSETS) if mine else set()
        except Exception:  # noqa: BLE001 -- of several kinds, for what Dagster cannot read or does not support here
            mine = set()
        if not mine:
            raise PlatformError(
                f"{text!r} selects no asset of a snapshot; take one of "
                f"{', '.join(sorted(key.to_user_string() for key in assets))}, or several by Dagster's syntax, such as "
                "+marts/customer_360, group:marts or kind:csv"
            )
    return found


def with_what_checks_read(
    chosen: Collection[dg.AssetKey], assets: Collection[dg.AssetKey], definitions: dg.Definitions
) -> set[dg.AssetKey]:
    """The chosen, and those of the assets that their checks hold them against, with what those are computed from."""
    graph = definitions.resolve_asset_graph()
    found = set(chosen)
    while True:
        checks = [check for key in found for check in graph.get(key).check_keys]
        read = {key for check in checks for key in graph.get(check).parent_entity_keys}
        wanted = {key for key in read if isinstance(key, dg.AssetKey) and key in assets} - found
        if not wanted:
            return found
        found |= set(assets) & dg.AssetSelection.assets(*wanted).upstream().resolve(ASSETS)


def last_transaction_day(settings: Settings) -> date | None:
    """The day of the last cleaned transaction, today at the latest; None where there is none.

    A transaction may be dated later in the running month. It counts from its day on.
    """
    day = delta.last_day(settings.table_uri("cleaned", "transactions"), "transaction_date")
    today = DAYS.get_last_partition_key()
    return min(day, date.fromisoformat(today)) if day and today else day
