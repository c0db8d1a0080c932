"""`cip audience`."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from cip_assets.audiences.lift import lift
from cip_assets.audiences.members import Compiled, changes, compiled_audiences
from cip_assets.cli.console import day_of, out
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import AUDIENCES
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.storage import place

SHOWN = 5
"""The number of customers that a preview names."""


class Action(StrEnum):
    """What to do with an audience."""

    preview = "preview"
    send = "send"
    lift = "lift"


def audience(
    action: Annotated[Action, typer.Argument(help="preview, send or lift")],
    name: Annotated[str, typer.Argument(help="Name in audiences.yaml")],
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Snapshot day. Default: the last transaction day"),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Send even if more changes than max_change allows")
    ] = False,
) -> None:
    settings = place.here()
    found = compiled_audiences(settings.data_dir)
    if name not in found:
        raise PlatformError(
            f"there is no audience {name!r} in {settings.data_dir / 'audiences.yaml'}; choose from "
            f"{', '.join(found) or 'none'}"
        )
    platform = open_platform(settings)
    day = day_of(as_of) or platform.default_day()
    if action is Action.preview:
        _preview(settings, found[name], day)
    elif action is Action.send:
        _send(platform, name, day, accept=accept)
    else:
        _lift(platform, found[name], day)


def _preview(settings: Settings, found: Compiled, day: date) -> None:
    with changes(settings, found, day) as (connection, change):
        since = f"since {change.before}" if change.before else "for the first time"
        out.print(
            f"[bold]{found.name}[/] on {day}: {change.members:,} members, {change.holdout:,} of them in the holdout",
            highlight=False,
        )
        out.print(
            f"  {since}: {change.joined:,} joined, {change.left:,} left, {change.stayed:,} stayed",
            highlight=False,
        )
        for word in ("joined", "left"):
            rows = connection.execute(
                "SELECT customer_id, why FROM changes WHERE change = ? ORDER BY customer_id LIMIT ?",
                [word, SHOWN],
            ).fetchall()
            for customer, why in rows:
                out.print(f"  {word} {escape(customer)}: {escape(why)}", highlight=False, soft_wrap=True)
        to = ", ".join(f"{each.name} ({each.kind})" for each in found.audience.destinations)
        out.print(
            f"  nothing was sent; 'cip audience send {found.name}' sends it to {to or 'nowhere'}",
            soft_wrap=True,
        )
        change.check(found)


def _send(platform: Platform, name: str, day: date, *, accept: bool) -> None:
    report = Report()
    key = next(each for each in platform.graph.audiences if each.path[-1] == name)
    platform.execute(
        AUDIENCES,
        report,
        assets={key},
        partition_key=str(day),
        run_config={"ops": {"__".join(key.path): {"config": {"accept": accept}}}},
    )
    if report.failures:
        raise PlatformError(report.failures[0].message)
    event = platform.instance.get_latest_materialization_event(key)
    told = event.asset_materialization.metadata if event and event.asset_materialization else {}
    shown = {"members": "dagster/row_count"} | {each: each for each in told if "/" not in each}
    out.print(
        f"[bold]{name}[/] on {day}: "
        + ", ".join(f"{label} {told[each].value}" for label, each in shown.items()),
        highlight=False,
        soft_wrap=True,
    )


def _lift(platform: Platform, found: Compiled, day: date) -> None:
    confidence = platform.graph.rules.insights.confidence
    measured = lift(platform.settings, found.name, found.audience, day, confidence)
    days = found.audience.measure_days
    if measured.difference is None or measured.low is None or measured.high is None:
        out.print(
            f"{found.name}: cannot tell yet; {measured.sent:,} members and {measured.held:,} of the holdout joined at "
            f"least {days} days before {day}",
            soft_wrap=True,
        )
        return
    certain = "" if measured.low > 0 or measured.high < 0 else "; that is not certain"
    out.print(
        f"{found.name}: within {days} days, {measured.sent_bought:,} of {measured.sent:,} members bought "
        f"({measured.sent_bought / measured.sent:.1%}), and {measured.held_bought:,} of {measured.held:,} of the "
        f"holdout ({measured.held_bought / measured.held:.1%}): {100 * measured.difference:+.1f} points "
        f"({100 * measured.low:+.1f} to {100 * measured.high:+.1f}){certain}",
        highlight=False,
        soft_wrap=True,
    )
