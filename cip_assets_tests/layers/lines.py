"""The outcomes of the lines of landing files, without the asset graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.config.settings import FIRST_SEEN
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.discover import landed_file
from cip_assets.ingest.manifest import ManifestEntry, manifest_entry, scan_file, scan_landing, with_arrivals
from cip_assets.ingest.read import read_landing
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned import judge as cleaning


@dataclass(frozen=True)
class Lines:
    """The lines of a month: how many landed, and the rows in raw, cleaned and quarantine."""

    landed: int
    raw: DataFrame
    cleaned: DataFrame
    kept_out: DataFrame


def entry_of(landing: Path, path: str, calendar: Calendar) -> ManifestEntry:
    """The manifest entry of a landing file."""
    scanned = scan_file(landing, landed_file(path), calendar)
    return ManifestEntry(**{name: scanned[name] for name in ManifestEntry.__dataclass_fields__})


def lines_of(
    spark: SparkSession, rules: Rules, landing: Path, files: Mapping[str, str], month: date
) -> Lines:
    """Write landing files of one event table, and judge their lines of a month.

    Args:
        spark: the session.
        rules: the business rules.
        landing: the folder to write to.
        files: the content of each file by its path.
        month: the month, by its first day; it is the last one in the calendar.

    """
    _land(landing, files)
    calendar = Calendar(rules.calendar.first_month, month)
    return _judged(spark, rules, landing, [entry_of(landing, path, calendar) for path in files], month)


def lines_of_scans(
    spark: SparkSession, rules: Rules, landing: Path, scans: Sequence[Mapping[str, str]], month: date
) -> Lines:
    """As ``lines_of``, but the files are scanned as they come: ``scans`` has those that each scan finds, a day apart."""
    calendar = Calendar(rules.calendar.first_month, month)
    for day, files in enumerate(scans, 1):
        _land(landing, files)
        moment = datetime(2026, 1, day, tzinfo=UTC)
        scanned = with_arrivals(scan_landing(spark, landing, calendar), landing.parent / FIRST_SEEN, moment)
    entries = [manifest_entry(row.asDict()) for row in scanned.collect()]
    return _judged(spark, rules, landing, entries, month)


def _land(landing: Path, files: Mapping[str, str]) -> None:
    for path, content in files.items():
        (landing / path).parent.mkdir(parents=True, exist_ok=True)
        (landing / path).write_text(content, encoding="utf-8")


def _judged(
    spark: SparkSession, rules: Rules, landing: Path, entries: Sequence[ManifestEntry], month: date
) -> Lines:
    calendar = Calendar(rules.calendar.first_month, month)
    (table,) = {landed_file(entry.path).table for entry in entries}
    source = SOURCE_TABLES[table]
    raw = read_landing(spark, landing, source, entries, calendar, [month])
    judged = cleaning.judge(raw, source, rules)
    return Lines(
        landed=sum(entry.month_rows[str(month)] for entry in entries),
        raw=raw,
        cleaned=cleaning.cleaned_rows(judged, source),
        kept_out=cleaning.quarantine_rows(judged, source),
    )
