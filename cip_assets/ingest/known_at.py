"""The landing files that had been delivered by a day, in a data folder of their own.

A snapshot of D that is known at T is the snapshot of D in the lake that these files alone give. So it is computed by
the same graph, from links to these files, into ``known/<T>`` of the data folder. No table of the normal lake changes.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import chain
from pathlib import Path, PurePath

import yaml

from cip_assets.config.errors import PlatformError, listed
from cip_assets.config.settings import FIRST_SEEN, KNOWN_AT, Settings
from cip_assets.config.yaml_text import read_yaml
from cip_assets.ingest.discover import landed_file
from cip_assets.ingest.first_seen import Seen, remembered
from cip_assets.ingest.manifest import ManifestEntry, require_readable
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.config import FILE, Export, Sources, files_of, load_sources
from cip_assets.sources.landing import FOLDER as FROM_EXPORTS
from cip_assets.sources.stage import delivery_day
from cip_assets.storage import place
from cip_assets.storage.files import replace_text

Manifest = Mapping[str, Sequence[ManifestEntry]]
"""The landing files of each table, as they were scanned last."""


def lay_out(settings: Settings, manifest: Manifest, known_at: date) -> Settings:
    """Fill the data folder of a day with links to what had been delivered by then; returns its settings.

    The links of an earlier call are replaced. The folder's tables stay, so a later run computes only what changed.

    Args:
        settings: the data folder.
        manifest: its landing files; the landing folder must not have changed since they were scanned.
        known_at: the day, to its end in UTC.

    Raises:
        PlatformError: nothing had been delivered by then; a file that had been delivered was changed or removed since,
            or cannot be read; or nobody knows when an export was delivered.

    """
    own = {table: [e for e in entries if not _is_from_exports(e)] for table, entries in manifest.items()}
    _refuse_lost(settings, own, known_at)
    sources = load_sources(settings.data_dir)
    exports = _exports_by(sources, settings.data_dir, known_at) if sources else []
    files = {table: _by(entries, known_at) for table, entries in own.items()}
    # Full deliveries without a date always count, but they alone say nothing of a day.
    if not exports and not any(e.delivery_date or e.problem for e in chain.from_iterable(files.values())):
        first = min(_days(own, sources, settings.data_dir), default=None)
        raise PlatformError(
            f"nothing had been delivered by {known_at}; "
            + (f"the first delivery is of {first}" if first else "no file says when it was delivered")
        )
    for table, entries in files.items():
        require_readable(SOURCE_TABLES[table], entries)
    folder = settings.of_day(known_at)
    if folder.landing.exists():
        shutil.rmtree(folder.landing)
    for entry in chain.from_iterable(files.values()):
        link = folder.landing / entry.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(settings.landing / entry.path)
    for where in (folder.data_dir, folder.final):
        replace_text(where / KNOWN_AT, f"known_at\n{known_at}\n")
    if settings.first_seen.exists():
        replace_text(folder.data_dir / FIRST_SEEN, settings.first_seen.read_text(encoding="utf-8"))
    if sources:
        _write_sources(settings, folder, exports)
    place.fetch(folder)
    for path in (folder.data_dir / KNOWN_AT, folder.final / KNOWN_AT):
        place.publish(folder, path)
    return folder


def undated(manifest: Manifest, known_at: date) -> list[str]:
    """The tables of full deliveries of which files without a date are used on a day, because none with one had come."""
    full = {table: _by(entries, known_at) for table, entries in manifest.items()}
    return [
        table
        for table, entries in full.items()
        if entries and not SOURCE_TABLES[table].is_event and not any(e.delivery_date for e in entries)
    ]


def _is_from_exports(entry: ManifestEntry) -> bool:
    return FROM_EXPORTS in PurePath(entry.path).parts


def _by(entries: Sequence[ManifestEntry], known_at: date) -> list[ManifestEntry]:
    return [entry for entry in entries if entry.delivery_date is None or entry.delivery_date <= known_at]


def _days(own: Manifest, sources: Sources | None, data_dir: Path) -> Iterator[date]:
    """The day of every delivery."""
    yield from (e.delivery_date for e in chain.from_iterable(own.values()) if e.delivery_date)
    for export in sources.exports if sources else ():
        yield from filter(None, map(_day_of, files_of(export, data_dir)))


def _refuse_lost(settings: Settings, own: Manifest, known_at: date) -> None:
    """Refuse to leave out what was known and is gone.

    Raises:
        PlatformError: a file that had been delivered has another content now, or was removed.

    """
    here = {(table, entry.sha256) for table, entries in own.items() for entry in entries}
    lost = sorted(
        f"{content.table}: {content.path}"
        for content, moment in remembered(settings.first_seen).items()
        if (content.table, content.sha256) not in here
        and _was_known(content, moment.date() if moment else None, known_at)
    )
    if lost:
        raise PlatformError(
            f"what was known at {known_at} is not there any more, because files were changed or removed: "
            f"{listed(lost)}; put them back as they were. Deliver corrections in files of their own"
        )


def _was_known(content: Seen, seen: date | None, known_at: date) -> bool:
    delivered = landed_file(content.path).delivery_date or seen
    return delivered is None or delivered <= known_at


# --- exports ----------------------------------------------------------------------------------------------


def _exports_by(sources: Sources, data_dir: Path, known_at: date) -> list[tuple[int, list[Path]]]:
    """The files of each export that had been delivered by a day, with the place of the export.

    Raises:
        PlatformError: the path of a file does not say when it was delivered, or an export is a database.

    """
    if sources.databases:
        raise PlatformError(
            f"{FILE}: nobody knows what {sources.databases[0].name} held on {known_at}: a database is fetched as it is "
            "now. --known-at needs exports in folders dt=YYYY-MM-DD"
        )
    found = [(n, _files_by(export, data_dir, known_at)) for n, export in enumerate(sources.exports)]
    return [(n, files) for n, files in found if files]


def _files_by(export: Export, data_dir: Path, known_at: date) -> list[Path]:
    files = {path: _day_of(path) for path in files_of(export, data_dir)}
    if nobody_knows := [path.name for path, day in files.items() if day is None]:
        raise PlatformError(
            f"{FILE}: nobody knows when these exports were delivered: {listed(nobody_knows)}; put them into folders "
            "dt=YYYY-MM-DD, or the day into their names"
        )
    return [path for path, day in files.items() if day and day <= known_at]


def _day_of(path: Path) -> date | None:
    text = delivery_day(path)
    return date.fromisoformat(text) if text else None


def _write_sources(
    settings: Settings, folder: Settings, exports: Sequence[tuple[int, Sequence[Path]]]
) -> None:
    """Write ``sources.yaml`` with these files, the SQL that it names, and its rates."""
    declared = read_yaml((settings.data_dir / FILE).read_text(encoding="utf-8"))
    kept = [{**declared["exports"][n], "files": [str(path) for path in files]} for n, files in exports]
    for layout in chain.from_iterable(export["layouts"] for export in kept):
        if isinstance(name := layout.get("records"), str):
            replace_text(folder.data_dir / name, (settings.data_dir / name).read_text(encoding="utf-8"))
    if rates := declared.get("rates"):
        declared["rates"] = str(settings.data_dir / rates)
    replace_text(folder.data_dir / FILE, yaml.safe_dump({**declared, "exports": kept}, allow_unicode=True))
