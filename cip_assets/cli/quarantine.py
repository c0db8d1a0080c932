"""`cip quarantine`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.layers import SOURCE_TABLES
from cip_assets.sources.landing import kinds_left_out, lines_left_out
from cip_assets.storage import place
from cip_assets.storage.quarantine import lines_of, tables_of_quarantine

EXPORTS = "exports"
"""What stands in place of a table for the records of exports that do not land."""


def quarantine(
    table: Annotated[
        str | None,
        typer.Argument(help="Source table, or exports for what did not land. Default: counts for all"),
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of lines to show")] = 50,
) -> None:
    settings = place.here()
    known = [*SOURCE_TABLES, EXPORTS]
    if table is not None and table not in known:
        raise PlatformError(f"Unknown source table {table!r}. Choose one of: {', '.join(known)}")
    wanted = [table] if table else known
    counted = Table(title="Lines in quarantine", title_justify="left")
    for heading in ("Table", "Outcome", "Reasons", "Lines"):
        counted.add_column(heading, justify="right" if heading == "Lines" else "left")
    for name, outcome, reasons, lines in tables_of_quarantine(
        settings, [name for name in wanted if name in SOURCE_TABLES]
    ):
        counted.add_row(name, outcome, reasons, f"{lines:,}")
    if EXPORTS in wanted:
        for kind, lines in sorted(kinds_left_out(settings.landing).items()):
            counted.add_row(EXPORTS, "left out", kind, f"{lines:,}")
    out.print(counted)
    if table is None:
        return
    landing = settings.landing
    left_out = (
        (f"{file}:{line}", kind, text)
        for file, line, kind, text in (lines_left_out(landing, limit) if table == EXPORTS else ())
    )
    for where, reasons, text in left_out if table == EXPORTS else lines_of(settings, table, limit):
        out.print(
            f"{escape(where)}  [red]{reasons}[/]  {escape(repr(text))}", soft_wrap=True, highlight=False
        )
