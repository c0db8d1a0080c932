"""`cip validate`."""

import typer
from rich.markup import escape

from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import VALIDATE
from cip_assets.orchestration.runs import Report
from cip_assets.storage import delta, place


def validate() -> None:
    settings = place.here()
    report = Report()
    day = delta.newest_slice(settings.table_uri("marts", "kpi_totals"), "as_of_date")
    if day is None:
        raise PlatformError("marts/kpi_totals has no rows, so there is nothing to check: run 'cip run' first")
    open_platform(settings).execute(VALIDATE, report, tags={"dagster/partition": day.isoformat()})
    if report.failures:
        raise PlatformError(report.failures[0].message)
    for check in report.checks:
        mark = "[green]ok[/]" if check.passed else "[red]failed[/]"
        out.print(f"{mark} {check.asset} {check.name}: {escape(check.description)}", soft_wrap=True)
    if not report.succeeded:
        raise typer.Exit(1)
