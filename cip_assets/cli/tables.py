"""`cip status` and `cip history`, which read only the tables and the landing folder."""

from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import day_of, out, to_the_second
from cip_assets.cli.landing_news import landing_news
from cip_assets.config.errors import PlatformError
from cip_assets.layers import CONTRACTS, contracts_in
from cip_assets.storage import delta, place


def status(
    plan: Annotated[
        bool,
        typer.Option(
            help="Show what 'cip run' would compute, why, from which older day, and about how long it takes"
        ),
    ] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="With --plan: the snapshot day, as in 'cip run'"),
    ] = None,
) -> None:
    settings = place.here()
    if plan:
        # Imported here, because only the plan needs Dagster.
        from cip_assets.cli.foreseen import show_plan  # noqa: PLC0415

        show_plan(settings, day_of(as_of))
        return
    table = Table(title=escape(settings.address), title_justify="left")
    for heading in ("Table", "Rows", "Version", "Written"):
        table.add_column(heading, justify="right" if heading in ("Rows", "Version") else "left")
    missing = []
    for contract in contracts_in():
        uri = settings.table_uri(contract.layer, contract.table)
        if not delta.exists(uri):
            missing.append(contract.name)
            table.add_row(contract.name, "-", "-", "not yet")
            continue
        opened = delta.open_table(uri)
        commit = next(delta.history(opened, 1))
        table.add_row(
            contract.name,
            f"{delta.row_count(opened):,}",
            str(opened.version()),
            to_the_second(commit.timestamp),
        )
    out.print(table)
    for line in landing_news(settings):
        out.print(line, highlight=False, soft_wrap=True)
    if missing:
        out.print(f"{len(missing)} tables have not been written yet: run 'cip run'")
        raise typer.Exit(1)


def history(table: Annotated[str, typer.Argument(help="layer/table, or the table name")]) -> None:
    uri = uri_of(table)
    shown = Table(title=delta.table_name(uri), title_justify="left")
    for heading in ("Version", "Written", "Operation", "Rows", "Partition", "Run", "By", "Code"):
        shown.add_column(heading, justify="right" if heading in ("Version", "Rows") else "left")
    for commit in delta.history(delta.open_table(uri)):
        audit = commit.audit
        shown.add_row(
            str(commit.version),
            to_the_second(commit.timestamp),
            commit.operation,
            "" if commit.row_count is None else f"{commit.row_count:,}",
            str(audit.get("partition") or ""),
            str(audit.get("run_id") or "")[:8],
            escape(str(audit.get("by") or "")),
            str(audit.get("code_version") or ""),
        )
    out.print(shown)


def uri_of(table: str) -> str:
    settings = place.here()
    matches = [name for name in CONTRACTS if table in (name, name.split("/")[1])]
    if len(matches) != 1:
        problem = f"{table!r} matches several tables" if matches else f"Unknown table {table!r}"
        raise PlatformError(f"{problem}. Choose one of: {', '.join(matches or CONTRACTS)}")
    return settings.table_uri(*matches[0].split("/"))
