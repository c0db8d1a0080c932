"""Limits for full deliveries, because the newest one replaces the whole table.

A failed export may give an empty or incomplete file, and a file in the wrong folder has too many rows. Neither may
replace a table without a person's consent. An accepted delivery is in the table and is not refused again.
"""

import hashlib
from collections.abc import Sequence

from pyspark.sql import DataFrame

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import QualityRules
from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.ingest.manifest import ManifestEntry, newest_delivery
from cip_assets.storage import delta
from cip_assets.storage.written import WHOLE


def refuse_unlikely(
    settings: Settings, source: SourceTable, entries: Sequence[ManifestEntry], limits: QualityRules
) -> None:
    """Compare the number of rows of the newest delivery with that of raw, or with the delivery before it.

    Args:
        settings: the data folder.
        source: a table of full deliveries.
        entries: the table's part of the manifest.
        limits: the limits of the rules.

    Raises:
        PlatformError: the delivery has too few or too many rows; nothing was written.

    """
    uri = settings.table_uri("raw", source.name)
    landed = in_step.held_by_landing(source, entries).get(WHOLE, {})
    held = in_step.held_by_tables([uri], by_month=False).get(WHOLE, {})
    if delta.exists(uri) and held == landed:
        return
    newest = newest_delivery(entries)
    rows, before = sum(landed.values()), sum(held.values())
    compared = f"raw/{source.name} has {before}"
    if not delta.exists(uri):
        older = _last_with_rows([entry for entry in entries if entry not in newest])
        before = sum(entry.row_count for entry in older)
        compared = f"the one {_of_day(older)} had {before}"
    if exceeded := _exceeded(rows, before, limits):
        raise PlatformError(
            f"{source.name}: the delivery {_of_day(newest)} has {rows} rows, but {compared} ({exceeded}); "
            f"deliver it again, or accept it: {_how_to_accept(source, 'raw')}"
        )


def refuse_losses(
    settings: Settings, source: SourceTable, raw: DataFrame, judged: DataFrame, limits: QualityRules
) -> None:
    """Compare the number of rows that would be cleaned with that of cleaned.

    Raises:
        PlatformError: too many of the delivery's lines would be quarantined; nothing was written.

    """
    uri = settings.table_uri("cleaned", source.name)
    held = delta.row_count(delta.open_table(uri)) if delta.exists(uri) else 0
    # A delivery with few rows was already accepted when it was read.
    before = min(held, raw.count()) if held else 0
    rows = judged.where("outcome = 'cleaned'").count() if before else 0
    if rows < (1 - limits.max_delivery_drop) * before:
        raise PlatformError(
            f"{source.name}: {rows} rows of the newest delivery can be cleaned, but cleaned/{source.name} has {held} "
            f"(quality.max_delivery_drop is {limits.max_delivery_drop:.0%}); correct the delivery or the rules, or "
            f"accept it: {_how_to_accept(source, 'cleaned')}"
        )


def counted(entries: Sequence[ManifestEntry], limits: QualityRules) -> list[list[ManifestEntry]]:
    """The full deliveries that a table was made from, the oldest first.

    A failed export is not one: an older delivery that has far fewer or far more rows than the one before, if the next
    one is as large again. What a person accepted is not remembered, but it does not need to be: if the table really
    shrank, the next delivery is as small.

    Args:
        entries: the table's part of the manifest.
        limits: the limits of the rules.

    """
    found: list[list[ManifestEntry]] = []
    left = list(entries)
    while left:
        found.insert(0, newest_delivery(left))
        left = [entry for entry in left if entry not in found[0]]
    kept: list[list[ManifestEntry]] = []
    for place, delivery in enumerate(found):
        if kept and delivery is not found[-1]:
            before, rows, after = map(_rows_of, (kept[-1], delivery, found[place + 1]))
            if _exceeded(rows, before, limits) and not _exceeded(after, before, limits):
                continue
        kept.append(delivery)
    return kept


def digest_of(entries: Sequence[ManifestEntry]) -> str:
    """Changes with the deliveries of a table, their dates and their contents."""
    content = sorted(f"{entry.delivery_date} {entry.path} {entry.version}" for entry in entries)
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]


def _rows_of(delivery: Sequence[ManifestEntry]) -> int:
    return sum(entry.row_count for entry in delivery)


def _exceeded(rows: int, before: int, limits: QualityRules) -> str | None:
    """The limit that a change of the number of rows exceeds; None if it exceeds none."""
    if rows < (1 - limits.max_delivery_drop) * before:
        return f"quality.max_delivery_drop is {limits.max_delivery_drop:.0%}"
    if before and rows > limits.max_delivery_growth * before:
        return f"quality.max_delivery_growth is {limits.max_delivery_growth:g} times"
    return None


def _last_with_rows(entries: Sequence[ManifestEntry]) -> Sequence[ManifestEntry]:
    """The newest delivery that has rows, because an empty one does not show how many rows to expect."""
    while entries:
        newest = newest_delivery(entries)
        if any(entry.row_count for entry in newest):
            return newest
        entries = [entry for entry in entries if entry not in newest]
    return []


def _of_day(delivery: Sequence[ManifestEntry]) -> str:
    day = delivery[0].delivery_date if delivery else None
    return f"of {day}" if day else "without a dt="


def _how_to_accept(source: SourceTable, layer: str) -> str:
    in_the_ui = f"in the Dagster UI, materialize {layer}/{source.name} with the config accept: true"
    return f"cip run --accept {source.name} ({in_the_ui})"
