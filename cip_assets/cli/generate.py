"""`cip generate`."""

import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import bars, out
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.storage import place
from cip_assets.synthetic import GeneratorConfig, Rates, Scenario, Spend
from cip_assets.synthetic import generate as write_landing_files


def generate(
    customers: Annotated[int, typer.Option(help="Number of customers in customers.csv")] = 10_000,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same bytes")] = 42,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Landing folder to write to")] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of the data. Default: yesterday")
    ] = None,
    months: Annotated[int, typer.Option(help="Full months of history before the last month")] = 24,
    defects: Annotated[float, typer.Option(help="Share of lines with a planted defect")] = 0.01,
    scenario: Annotated[Scenario, typer.Option(help="story has trends, steady has none")] = "story",
    spend: Annotated[
        Spend, typer.Option(help="How spend differs; lognormal has a heavier tail")
    ] = "gamma_gamma",
    rates: Annotated[Rates, typer.Option(help="How purchase rates of customers differ")] = "gamma",
    season: Annotated[float, typer.Option(help="Strength of a season of repeat purchases, up to 1")] = 0.0,
    established_decline: Annotated[
        float,
        typer.Option(help="Share of their purchases that established customers lose 9 months before the end"),
    ] = 0.0,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Play the newest deliveries onto topics of a Kafka broker, and start cip stream and cip ui",
        ),
    ] = False,
    speed: Annotated[float, typer.Option(min=0.1, help="Records in a second, with --stream")] = 20.0,
) -> None:
    settings = place.here()
    playing = _playing(settings, out_dir) if stream else None
    folder = out_dir or settings.landing
    last_day = end.date() if end else datetime.now(tz=UTC).date() - timedelta(days=1)
    began = time.monotonic()
    try:
        config = GeneratorConfig(
            customers=customers,
            seed=seed,
            end=last_day,
            months=months,
            defects=defects,
            scenario=scenario,
            spend=spend,
            rates=rates,
            season=season,
            established_decline=established_decline,
        )
        with bars() as progress:
            task = progress.add_task("customers", total=customers)
            truth = write_landing_files(
                config, folder, lambda done, total: progress.update(task, completed=done, total=total)
            )
    except ValueError as error:
        raise PlatformError(str(error)) from error
    if out_dir is None:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            place.publish(settings, path)
    table = Table(title=f"Generated in {time.monotonic() - began:.1f} s", title_justify="left")
    for heading in ("Table", "Lines", "Clean", "Quarantined", "Superseded"):
        table.add_column(heading, justify="left" if heading == "Table" else "right")
    for name, rows in truth.rows.items():
        numbers = (rows.landed, rows.clean, rows.quarantined, rows.superseded)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    out.print(table)
    where = out_dir or f"{settings.address}/landing"
    written = f"landing files: {where}\nground truth:  {where}/_truth.json"
    out.print(escape(written), soft_wrap=True)
    if playing:
        playing.play_generated(settings, speed)


def _playing(settings: Settings, out_dir: Path | None) -> Any:
    """The module that plays records, which needs an extra.

    Raises:
        PlatformError: the extra is not installed, or the folder is not one for a generated shop.

    """
    if out_dir or settings.bucket:
        raise PlatformError(
            "--stream plays the shop in a data folder of this machine; set CIP_DATA_DIR to one, and leave out --out"
        )
    try:
        playing = import_module("cip_assets.cli.play")
    except ModuleNotFoundError as error:
        raise PlatformError(
            f"{error.name} is not installed; install it: pip install 'cip-assets[kafka]'"
        ) from error
    playing.check(settings)
    return playing
