"""`cip adopt`."""

import sys
from collections.abc import Iterator
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.sources.adopt import Adopted, Answers, write
from cip_assets.sources.adopt import adopt as look
from cip_assets.sources.convert import Summary
from cip_assets.sources.databases.database import from_command_line


def adopt(
    exports: Annotated[
        list[str],
        typer.Argument(help="Files and folders with exports of the shop, or the URL of its database"),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Take the stated answer to every question")] = False,
    strict: Annotated[bool, typer.Option(help="Stop if there is any question")] = False,
    date_order: Annotated[
        Literal["ymd", "mdy", "dmy"] | None,
        typer.Option(help="Whether the day or the month comes first, if the dates allow both"),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="The shop's time zone, such as Europe/Berlin, if times are in UTC or have a zone"),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(help="The currency of the figures, such as EUR, if the exports do not say it"),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="The table or view of the database with the order lines")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="A SELECT that gives the order lines, instead of a table")
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(help="The column that grows with each new or changed row, such as updated_at"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The database's name in sources.yaml. Default: the table's")
    ] = None,
) -> None:
    settings = Settings.from_environment()
    databases, paths = from_command_line(
        exports,
        settings.data_dir,
        table=table,
        query=query,
        cursor=cursor,
        name=name,
        time_zone=time_zone,
    )
    found = look(paths, settings.data_dir, Answers(date_order, time_zone, currency), databases)
    _show(found)
    asked = [f for findings in found.findings.values() for f in findings if f.state == "asked"]
    if asked and strict:
        raise PlatformError(f"{len(asked)} questions are open (--strict); the first: {asked[0].why}")
    if asked and not yes:
        if not sys.stdin.isatty():
            raise PlatformError(f"{len(asked)} questions are open; add --yes to take the answers above")
        typer.confirm("Take the answers above?", abort=True)
    path = write(found, settings.data_dir)
    out.print(escape(f"written: {path}\nnext:    cip run"), soft_wrap=True)


def _show(found: Adopted) -> None:
    for names, findings in found.findings.items():
        table = Table(title=escape(names), title_justify="left")
        for heading in ("Field", "Column", "State", "Why", "Values"):
            table.add_column(heading)
        for finding in findings:
            table.add_row(
                finding.field,
                escape(", ".join(finding.columns)),
                finding.state,
                escape(finding.why),
                escape(" | ".join(finding.values)),
            )
        out.print(table)
    records = Table(title="Records", title_justify="left")
    records.add_column("Kind")
    for heading in ("Records", "Amount"):
        records.add_column(heading, justify="right")
    for kind in found.summary.kinds:
        records.add_row(kind.kind, f"{kind.records:,}", f"{kind.amount:,.2f}")
    records.add_row("all", f"{found.summary.records:,}", "")
    out.print(records)
    summary = found.summary
    if summary.orders:
        out.print(_figures(summary), highlight=False, soft_wrap=True)
    if summary.tickets:
        out.print(f"{summary.tickets:,} support tickets", highlight=False, soft_wrap=True)
    if summary.returns:
        linked = f"{summary.linked_returns:,} of {summary.returns:,} returns are linked to an order line"
        out.print(f"{linked}; the others count as returned without one", highlight=False, soft_wrap=True)
    if summary.checked:
        reconciled = f"{summary.reconciled:,} of {summary.checked:,} orders reconcile"
        out.print(f"{reconciled}: their lines add up to the totals", highlight=False, soft_wrap=True)
    for line in summary.unreconciled:
        out.print(escape(f"  order {line}"), highlight=False, soft_wrap=True)
    for line in (*found.left_aside, *summary.skipped):
        out.print(escape(f"not read: {line}"), highlight=False, soft_wrap=True)
    for what, cost in _not_given(found):
        out.print(f"not given: {what}: {cost}", highlight=False, soft_wrap=True)


def _not_given(found: Adopted) -> Iterator[tuple[str, str]]:
    """What the exports do not hold, and what stays empty for that."""
    tables = {layout.table for export in found.sources.exports for layout in export.layouts if layout.fields}
    if found.summary.orders == 0:
        yield "orders", "revenue, customers' value, churn and segments stay empty"
    if found.summary.orders and found.summary.buyers is None:
        yield "buyers", "customers, segments, churn and forecasts stay empty"
    if found.summary.orders and found.summary.charged is None:
        yield "what buyers paid in all", "charged stays empty"
    if found.summary.refunded is None:
        yield "returns", "net revenue, return rates and the question about returns stay empty"
    if "customers" not in tables:
        yield "customers", "everyone who bought is a customer, without a name, a region or a sign-up day"
    if "tickets" not in tables:
        yield "support tickets", "the question about complaints stays unanswered"
    yield "web activity", "engagement and whether it foretells churn stay unanswered"


def _figures(found: Summary) -> str:
    if found.buyers is None:
        orders = f"{found.orders:,} orders of unknown buyers"
    else:
        orders = (
            f"{found.orders:,} orders of {found.buyers:,} buyers, {found.guest_orders:,} of them guest orders"
        )
    unknown = "the amounts are in several currencies, and there are no rates"
    sold = unknown if found.sold is None else f"{found.sold:,.2f} sold"
    charged = "" if found.charged is None else f", {found.charged:,.2f} charged"
    returned = "" if found.sold is None else f", {found.returned or 0:,.2f} returned"
    code = f" ({found.currency})" if found.currency and found.currency != "mixed" else ""
    return f"{orders}, from {found.first_day} to {found.last_day}: {sold}{charged}{returned}{code}"
