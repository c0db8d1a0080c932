"""`cip adopt`."""

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import Adopted, Answers, write
from cip_assets.sources.adopt import adopt as look
from cip_assets.sources.config import goes_to
from cip_assets.sources.convert import Summary
from cip_assets.sources.databases.database import from_command_line
from cip_assets.sources.findings import Finding
from cip_assets.sources.recognize import ALL, QUESTION
from cip_assets.storage import place


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
    settings = place.on_disk(
        "cip adopt",
        "adopt in a folder of this machine, then put its sources.yaml and exports into the bucket",
    )
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
    asked = [
        (names, finding)
        for names, findings in found.findings.items()
        for finding in findings
        if finding.state == "asked"
    ]
    if asked and strict:
        raise PlatformError(f"{len(asked)} questions are open (--strict); the first: {asked[0][1].why}")
    if asked:
        questions = f"{len(asked)} question{'s' if len(asked) > 1 else ''}"
        out.print(f"{questions}, with the answers that are taken{' (--yes)' if yes else ''}:")
    for number, (names, finding) in enumerate(asked, 1):
        if number == 1 or names != asked[number - 2][0]:
            out.print(escape(f"  {names}"), highlight=False, soft_wrap=True)
        about = "".join(f"{column}: " for column in finding.columns)
        out.print(escape(f"{number:5}. {about}{finding.why}"), highlight=False, soft_wrap=True)
    if asked and not yes:
        if not sys.stdin.isatty():
            raise PlatformError(f"{len(asked)} questions are open; add --yes to take the answers above")
        typer.confirm("Take these answers?", abort=True)
    path = write(found, settings.data_dir)
    out.print(escape(f"written: {path}\nnext:    cip run"), soft_wrap=True)


def _show(found: Adopted) -> None:
    for names, findings in found.findings.items():
        if [finding.field for finding in findings] == [ALL]:
            out.print(escape(f"{names}: {findings[0].why}"), highlight=False, soft_wrap=True)
        elif any(finding.field != QUESTION for finding in findings):
            out.print(_columns(names, findings))
        elif not findings:
            out.print(escape(f"{names}: read together with other files"), highlight=False, soft_wrap=True)
    summary = found.summary
    records = Table(title="Records", title_justify="left")
    records.add_column("Kind")
    is_one_currency = summary.currency != "mixed"
    for heading in ("Records", "Amount") if is_one_currency else ("Records",):
        records.add_column(heading, justify="right")
    records.add_column("Go to")
    for kind in summary.kinds:
        amount = [f"{kind.amount:,.2f}"] if is_one_currency else []
        records.add_row(kind.kind, f"{kind.records:,}", *amount, goes_to(kind.kind))
    records.add_row("all", f"{summary.records:,}")
    out.print(records)
    for line in _lines(found):
        out.print(escape(line), highlight=False, soft_wrap=True)


SHORT = 20
"""A reason of fewer characters is said again and again."""


def _columns(names: str, findings: Sequence[Finding]) -> Table:
    """The column of each field. The fields without one are one row."""
    table = Table(title=escape(names), title_justify="left")
    for heading in ("Field", "Column", "State", "Why", "Values"):
        table.add_column(heading)
    before = ""
    for finding in findings:
        if finding.state != "unknown" and finding.field != QUESTION:
            table.add_row(
                finding.field,
                escape(", ".join(finding.columns)),
                finding.state,
                escape(finding.why) if finding.why != before or len(before) < SHORT else "as above",
                escape(" | ".join(finding.values)),
            )
            before = finding.why
    unknown = [finding for finding in findings if finding.state == "unknown"]
    if unknown:
        table.add_row("others", "", "unknown", unknown[0].why, ", ".join(found.field for found in unknown))
    return table


def _lines(found: Adopted) -> Iterator[str]:
    """What the exports hold, what is not read of them, and what they do not hold."""
    summary = found.summary
    if summary.orders:
        yield _figures(summary)
    if summary.tickets:
        yield f"{summary.tickets:,} support tickets"
    if summary.sessions:
        yield f"{summary.sessions:,} web sessions of {summary.visitors:,} customers"
    if summary.returns:
        yield f"linked to the order line that they undo: {summary.linked_returns:,} of {summary.returns:,} returns"
    if summary.checked:
        yield f"{summary.reconciled:,} of {summary.checked:,} orders reconcile: their lines add up to the totals"
    yield from (f"  order {line}" for line in summary.unreconciled)
    yield from (f"cannot be read: {line}" for line in summary.unread)
    yield from (f"not read: {line}" for line in (*found.left_aside, *summary.skipped))
    yield from _not_given(found)


def _not_given(found: Adopted) -> Iterator[str]:
    """What the exports do not hold, and what stays empty for that."""
    tables = {layout.table for export in found.sources.exports for layout in export.layouts if layout.fields}
    if not found.summary.orders:
        yield "no orders: revenue, customers' value, churn and segments stay empty"
    if found.summary.orders and found.summary.buyers is None:
        yield "no buyers: customers, segments, churn and forecasts stay empty"
    if found.summary.orders and found.summary.currency is None:
        yield "no currency: the figures have none; --currency EUR names it"
    if found.summary.sold is not None and found.summary.charged is None:
        yield "no total of what buyers paid for each order: charged stays empty"
    if found.summary.orders and found.summary.returns == 0:
        yield "no returns of known amounts: net revenue, return rates and the question about returns stay empty"
    if "customers" not in tables:
        who = "bought" if found.summary.orders else "wrote or visited"
        yield f"no table of customers: everyone who {who} is a customer, without a name, a region or a sign-up day"
    if "tickets" not in tables:
        yield "no support tickets: the question about complaints stays unanswered"
    if "sessions" not in tables:
        yield "no web activity: engagement stays empty, and the question about it unanswered"


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
    returned = "" if found.returned is None else f", {found.returned:,.2f} returned"
    code = f" ({found.currency})" if found.currency and found.currency != "mixed" else ""
    return f"{orders}, from {found.first_day} to {found.last_day}: {sold}{charged}{returned}{code}"
