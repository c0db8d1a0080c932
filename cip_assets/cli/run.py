"""`cip run`."""

import time
from datetime import datetime
from typing import Annotated

import typer

from cip_assets.cli.console import day_of
from cip_assets.cli.generate import generate
from cip_assets.cli.progress import progress_of_run
from cip_assets.cli.report import show
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.ingest.discover import find_files


def run(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="first month to ingest")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="last month to ingest")
    ] = None,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="day of the snapshot")] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            help="only these assets and what they need, such as exports/kpi_totals or group:marts; repeat it"
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="also what is up to date")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="customers or products: take the newest delivery although it is unlikely small or large"
        ),
    ] = None,
    sample: Annotated[bool, typer.Option(help="generate sample data where landing is empty")] = False,
) -> None:
    settings = Settings.from_environment()
    if sample and not find_files(settings.landing)[0]:
        generate()
    began = time.monotonic()
    platform = open_platform(settings, select=select or [])
    with progress_of_run() as listener:
        report = platform.run(
            day_of(first),
            day_of(last),
            day_of(as_of),
            everything=everything,
            accept=accept or [],
            listener=listener,
        )
    show(report, settings, time.monotonic() - began)
    if not report.succeeded:
        raise typer.Exit(1)
