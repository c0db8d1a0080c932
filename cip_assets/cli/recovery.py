"""`cip restore`, `cip maintain` and `cip replay`, which run the jobs of recovery."""

from typing import Annotated

import typer

from cip_assets.cli.console import out
from cip_assets.cli.tables import uri_of
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import MAINTENANCE, REPLAY, RESTORE
from cip_assets.storage import delta


def restore(
    table: Annotated[str, typer.Argument(help="layer/table, or the table's name")],
    version: Annotated[int | None, typer.Option(help="the version to go back to (see 'cip history')")] = None,
    to: Annotated[str | None, typer.Option(help="or a time, such as 2026-05-01T12:00")] = None,
    go_on: Annotated[bool, typer.Option(help="although tables computed from it will disagree")] = False,
) -> None:
    name = delta.table_name(uri_of(table))
    config = {"table": name, "version": version, "to": to, "go_on": go_on}
    run_again = open_platform(Settings.from_environment()).recover(RESTORE, config)
    out.print(f"{name} is again what it was {f'at version {version}' if to is None else f'at {to}'}")
    if run_again:
        out.print(f"computed from later versions of it, and to be run again: {', '.join(run_again)}")


def maintain(
    tables: Annotated[list[str] | None, typer.Argument(help="layer/table; all unless given")] = None,
    keep_days: Annotated[
        int | None, typer.Option(help="time travel reaches back so many days (default: the rules')")
    ] = None,
) -> None:
    config: dict[str, object] = {"tables": [delta.table_name(uri_of(table)) for table in tables or []]}
    if keep_days is not None:
        config["keep_days"] = keep_days
    done = open_platform(Settings.from_environment()).recover(MAINTENANCE, config)
    for name, counts in done.items():
        out.print(f"{name}: {counts['files_joined']} files joined, {counts['files_deleted']} deleted")


def replay(
    tables: Annotated[list[str] | None, typer.Argument(help="source tables; all unless given")] = None,
) -> None:
    done = open_platform(Settings.from_environment()).recover(REPLAY, {"tables": tables or []})
    for name, counts in done.items():
        out.print(f"{name}: {counts['before']} quarantined lines before, {counts['after']} now")
