"""`cip restore`, `cip maintain` and `cip replay`, which run the recovery jobs."""

from typing import Annotated

import typer

from cip_assets.cli.console import out
from cip_assets.cli.tables import uri_of
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import MAINTENANCE, REPLAY, RESTORE
from cip_assets.storage import delta, place


def restore(
    table: Annotated[str, typer.Argument(help="layer/table, or the table name")],
    version: Annotated[int | None, typer.Option(help="Version to restore (see 'cip history')")] = None,
    to: Annotated[
        str | None, typer.Option(help="Restore the version at this time (UTC), such as 2026-05-01T12:00")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Restore even if downstream tables will no longer match")
    ] = False,
) -> None:
    name = delta.table_name(uri_of(table))
    config = {"table": name, "version": version, "to": to, "force": force}
    run_again = open_platform(place.here()).recover(RESTORE, config)
    out.print(f"{name}: restored {f'version {version}' if to is None else f'the version at {to}'}")
    if run_again:
        out.print(f"computed from a later version, so these need a rerun: {', '.join(run_again)}")


def maintain(
    tables: Annotated[list[str] | None, typer.Argument(help="layer/table. Default: all tables")] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(
            help="Keep the versions of this many days. Default: operations.keep_versions_days of the rules"
        ),
    ] = None,
) -> None:
    config: dict[str, object] = {"tables": [delta.table_name(uri_of(table)) for table in tables or []]}
    if keep_days is not None:
        config["keep_days"] = keep_days
    done = open_platform(place.here()).recover(MAINTENANCE, config)
    for name, counts in done.items():
        out.print(f"{name}: {counts['files_joined']} files joined, {counts['files_deleted']} files deleted")


def replay(
    tables: Annotated[list[str] | None, typer.Argument(help="Source tables. Default: all")] = None,
) -> None:
    done = open_platform(place.here()).recover(REPLAY, {"tables": tables or []})
    for name, counts in done.items():
        out.print(f"{name}: {counts['before']} quarantined lines before, {counts['after']} now")
