"""`cip erase`."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cip_assets.cli.console import out
from cip_assets.cli.progress import progress_of_run
from cip_assets.cli.report import show
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.erasure import Trace, trace
from cip_assets.orchestration.erasure import erase as erase_all
from cip_assets.orchestration.run_tags import STARTED_BY
from cip_assets.storage import place

LEFT = (
    "Not looked at: backups, copies of final, files of landing whose names begin with _ or ., and the exports and "
    "databases that landing files are made from."
)

LEFT_IN_A_BUCKET = (
    " Nor are the versions that a bucket keeps of deleted objects, and the copies on other machines."
)


def erase(
    customers: Annotated[list[str] | None, typer.Argument(help="Customer ids", metavar="CUSTOMER...")] = None,
    file: Annotated[Path | None, typer.Option(help="A file with a customer id per line")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Erase; without it, only show what would be done")
    ] = False,
) -> None:
    ids = {*(customers or []), *_listed(file)}
    if not ids:
        raise PlatformError("cip erase needs a customer id, or --file with one per line")
    settings = place.here()
    found = trace(settings, ids)
    if not found:
        raise PlatformError(
            f"{', '.join(sorted(ids))}: no landing file, table, issued forecast or audience has this customer id"
        )
    _say(settings, found)
    if not yes:
        out.print("Nothing was changed. Add --yes to erase.")
        return
    began = time.monotonic()
    platform = open_platform(settings, tags={STARTED_BY: "cip erase"})
    with progress_of_run() as listener:
        report = erase_all(platform, ids, found, listener)
    show(report, settings, time.monotonic() - began)
    if not report.succeeded:
        raise PlatformError(
            "the customer is not erased yet: correct what failed and run the same command again"
        )
    if left := trace(settings, ids):
        _say(settings, left)
        raise PlatformError("the customer is still in the files above")
    out.print(f"erased. {LEFT}{LEFT_IN_A_BUCKET if settings.bucket else ''}", soft_wrap=True)


def _listed(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{file} cannot be read: {error}") from error


def _say(settings: Settings, found: Trace) -> None:
    lines = [f"landing/{file.file.path}: {len(file.lines)} lines are taken out" for file in found.landing]
    if found.tables:
        lines.append(
            f"{len(found.tables)} tables are written again, and lose all their older versions: "
            f"{', '.join(found.tables)}"
        )
    if found.days:
        lines.append(f"computed again: {', '.join(map(str, found.days))}")
    lines += [f"{path.relative_to(settings.data_dir)}: the forecasts are taken out" for path in found.issued]
    lines += [f"{path.relative_to(settings.data_dir)}: the folder is deleted" for path in found.known]
    lines += [f"{path.relative_to(settings.data_dir)}: the customer is taken out" for path in found.audiences]
    for line in lines:
        out.print(escape(line), highlight=False, soft_wrap=True)
