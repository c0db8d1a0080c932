"""Prepares the data folder of a snapshot that uses only what was known on a day."""

from datetime import UTC, date, datetime

from cip_assets.config.errors import PlatformError, listed
from cip_assets.config.settings import Settings
from cip_assets.ingest.known_at import lay_out, undated
from cip_assets.ingest.manifest import read_manifest
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.due.gate import unscanned


def known_by(settings: Settings, known_at: date) -> tuple[Settings, list[str]]:
    """The data folder of what had been delivered by a day, and what is to be said about it.

    Raises:
        PlatformError: the day is in the future or before the first delivery; the folder is itself one of a day; its
            files were never scanned, or changed since; or what was known on the day cannot be told any more.

    """
    if settings.known_at:
        raise PlatformError(
            f"{settings.data_dir} has only what was known on {settings.known_at}: set CIP_DATA_DIR to the data folder "
            "that it is in"
        )
    if known_at > (today := datetime.now(UTC).date()):
        raise PlatformError(f"--known-at {known_at} is in the future; today is {today}")
    manifest = read_manifest(settings.table_uri("landing", "manifest"), is_needed=True)
    if changed := [file for table in SOURCE_TABLES for file in unscanned(settings, table)]:
        raise PlatformError(
            f"the landing folder has changed since it was last scanned ({listed(changed)}); run 'cip run' first"
        )
    folder = lay_out(settings, manifest, known_at)
    notes = [
        f"{table}: its files do not say when they were delivered, so they count as known on {known_at}; put them into "
        "folders dt=YYYY-MM-DD"
        for table in undated(manifest, known_at)
    ]
    return folder, notes
