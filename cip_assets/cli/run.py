"""`cip run`."""

import time
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape

from cip_assets.cli.console import day_of, err, out
from cip_assets.cli.progress import progress_of_run
from cip_assets.cli.report import show
from cip_assets.definitions import open_platform
from cip_assets.ingest.discover import find_files
from cip_assets.orchestration.due.known_at import known_by
from cip_assets.storage import place


def run(
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First month to ingest: any day in it"),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last month to ingest: any day in it"),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Snapshot day. Default: the day of the last transaction, or else of the last event",
        ),
    ] = None,
    known_at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Use only what had been delivered by the end of this day, and write to known/<day> of the data folder",
        ),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            help="Compute only this asset and what it needs, such as exports/kpi_totals or group:marts. Repeatable"
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Recompute what is up to date, too")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="customers or products: accept the newest delivery even if it has far fewer or far more rows"
        ),
    ] = None,
    sample: Annotated[bool, typer.Option(help="Generate sample data if the landing folder is empty")] = False,
) -> None:
    settings = place.here()
    if sample and not find_files(settings.landing)[0]:
        # Imported here, because only the sample needs what it imports.
        from cip_assets.cli.generate import generate  # noqa: PLC0415

        generate()
    began = time.monotonic()
    if at := day_of(known_at):
        settings, notes = known_by(settings, at)
        for note in notes:
            out.print(escape(note), highlight=False, soft_wrap=True)
    platform = open_platform(settings, select=select or [])
    try:
        with progress_of_run() as listener:
            report = platform.run(
                day_of(first),
                day_of(last),
                day_of(as_of),
                everything=everything,
                accept=accept or [],
                listener=listener,
            )
    except KeyboardInterrupt:
        err.print("[yellow]stopped[/] The next 'cip run' goes on from here")
        raise
    show(report, settings, time.monotonic() - began)
    if not report.succeeded:
        raise typer.Exit(1)
