"""`cip quarantine`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.layers import SOURCE_TABLES
from cip_assets.storage.quarantine import lines_of, tables_of_quarantine


def quarantine(
    table: Annotated[str | None, typer.Argument(help="Source table. Default: counts for all")] = None,
    limit: Annotated[int, typer.Option(help="Number of lines to show")] = 50,
) -> None:
    settings = Settings.from_environment()
    if table is not None and table not in SOURCE_TABLES:
        raise PlatformError(f"Unknown source table {table!r}. Choose one of: {', '.join(SOURCE_TABLES)}")
    counted = Table(title="Lines in quarantine", title_justify="left")
    for heading in ("Table", "Outcome", "Reasons", "Lines"):
        counted.add_column(heading, justify="right" if heading == "Lines" else "left")
    for name, outcome, reasons, lines in tables_of_quarantine(
        settings, [table] if table else list(SOURCE_TABLES)
    ):
        counted.add_row(name, outcome, reasons, f"{lines:,}")
    out.print(counted)
    if table is None:
        return
    for file, line, reasons, text in lines_of(settings, table, limit):
        out.print(
            f"{escape(file)}:{line}  [red]{reasons}[/]  {escape(repr(text))}", soft_wrap=True, highlight=False
        )
