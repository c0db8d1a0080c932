"""What is new in the landing folder, and which files in it are not read."""

from collections.abc import Iterator

from rich.markup import escape

from cip_assets.config.settings import Settings
from cip_assets.ingest.discover import find_files, lines_about
from cip_assets.storage import delta


def landing_news(settings: Settings) -> Iterator[str]:
    files, _ = find_files(settings.landing)
    uri = settings.table_uri("landing", "manifest")
    known = (
        set(delta.dataset(uri).to_table(columns=["path"])["path"].to_pylist()) if delta.exists(uri) else set()
    )
    fresh = sorted({file.path for file in files} - known)
    gone = sorted(known - {file.path for file in files})
    yield f"landing: {len(files)} files, {len(fresh)} new since the last run, {len(gone)} removed"
    yield from not_read(settings)


def not_read(settings: Settings) -> Iterator[str]:
    """The files in the landing folder that are not read, with the reason; the unexpected ones first."""
    _, left_aside = find_files(settings.landing)
    for line in lines_about(left for left in left_aside if not left.is_on_purpose):
        yield f"[yellow]warning[/] {escape(line)}"
    for line in lines_about(left for left in left_aside if left.is_on_purpose):
        yield escape(line)
