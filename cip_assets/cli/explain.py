"""`cip explain`."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import out
from cip_assets.reporting.explain import explain as reasons_of_change
from cip_assets.storage import place


def explain(
    customer: Annotated[str, typer.Argument(help="Customer id")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="Day of a snapshot")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Day of a later snapshot")],
) -> None:
    found = reasons_of_change(place.here(), customer, first.date(), last.date())
    changed = Table(title=f"Customer {escape(customer)}", title_justify="left")
    for heading in ("", str(first.date()), str(last.date())):
        changed.add_column(heading)
    for name, then, now in found.changes:
        changed.add_row(name, *("" if value is None else str(value) for value in (then, now)))
    out.print(changed if found.changes else f"no changes for customer {escape(customer)}")
    for reason in found.reasons:
        out.print(reason, highlight=False, soft_wrap=True)
    for event in found.events:
        out.print(
            f"{event.day}  {event.table}  {escape(event.text)}  [dim]{escape(event.source)}[/]",
            highlight=False,
            soft_wrap=True,
        )
