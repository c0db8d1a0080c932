"""`cip status --plan`: what a run would do."""

from datetime import date

from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import err, out
from cip_assets.cli.landing_news import landing_news
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.due.foreseen import Look


def show_plan(settings: Settings, as_of: date | None) -> None:
    """Print what `cip run` would compute now."""
    platform = open_platform(settings)
    with platform.instance as instance:
        look = Look(platform.graph, platform.definitions, settings, instance)
        found = look.foreseen(as_of)
    table = Table(title=f"cip run, snapshot of {found.as_of or 'no day'}", title_justify="left")
    for heading in ("Computed", "Months or day", "Why", "Carried from", "Seconds"):
        is_short = heading in ("Computed", "Carried from")
        table.add_column(heading, justify="right" if heading == "Seconds" else "left", no_wrap=is_short)
    for step in found.steps:
        seconds = "" if step.seconds is None else f"{step.seconds:.1f}"
        table.add_row(step.asset, step.partition, escape(step.reason), str(step.carried_from or ""), seconds)
    if found.steps:
        out.print(table)
    for line in landing_news(settings):
        out.print(line, highlight=False, soft_wrap=True)
    for why in found.unreadable.values():
        err.print(f"[bold red]error[/] {escape(why)}", highlight=False, soft_wrap=True)
    about = "" if found.seconds is None else f"; by the last runs, about {found.seconds:.0f} s"
    out.print(f"{len(found.steps)} to compute, {found.up_to_date} of the snapshot up to date{about}")
