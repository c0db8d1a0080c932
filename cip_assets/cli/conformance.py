"""`cip conformance`."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import checked_rules, open_platform
from cip_assets.synthetic.conformance import (
    Expectation,
    Finding,
    cdnow_conformance,
    generated_conformance,
)


def conformance(
    archive: Annotated[
        Path | None,
        typer.Option(help="Wheel of lifetimes 0.11.3, which has the CDNOW data. Default: download it"),
    ] = None,
    generated: Annotated[
        int,
        typer.Option(
            help="Simulate this many customers with known parameters instead, and check that the fit recovers them"
        ),
    ] = 0,
) -> None:
    if generated:
        findings = generated_conformance(_run_case, checked_rules(), generated)
        holds = _findings(f"{generated:,} generated customers", "True", findings)
    else:
        found = cdnow_conformance(_run_case, checked_rules(), archive)
        holds = _findings("CDNOW, up to 1997-09-30", "Published", found.findings)
        _expectations(found.expectations)
        ranked = ", ".join(f"{value:.3f} by {name}" for name, value in found.auc.items())
        out.print(f"AUC of who buys in the following 39 weeks: {ranked}")
    if not holds:
        raise typer.Exit(1)


def _findings(title: str, known: str, findings: Sequence[Finding]) -> bool:
    """Show the findings; return whether all of them conform."""
    table = Table(title=title, title_justify="left")
    for heading in ("Figure", known, "Result", "Difference", "Allowed", ""):
        table.add_column(heading, justify="left" if heading == "Figure" else "right")
    for found in findings:
        numbers = (
            f"{found.known:g}",
            f"{found.got:.4f}",
            f"{found.got - found.known:+.4f}",
            f"{found.allowed:.4f}",
        )
        table.add_row(found.name, *numbers, "[green]ok[/]" if found.conforms else "[red]off[/]")
    out.print(table)
    return all(found.conforms for found in findings)


def _expectations(expectations: Sequence[Expectation]) -> None:
    """Show what was expected, what came, and how many standard errors lie between them."""
    table = Table(title="Expected and actual sums of all customers", title_justify="left")
    for heading in ("Figure", "Expected", "Actual", "Difference", "Standard error"):
        table.add_column(heading, justify="left" if heading == "Figure" else "right")
    for found in expectations:
        table.add_row(
            found.name,
            f"{found.expected:,.0f}",
            f"{found.came:,.0f}",
            f"{found.expected / found.came - 1:+.1%}",
            f"{found.error / found.came:.1%}",
        )
    out.print(table)


def _run_case(folder: Path, as_of: date, select: Sequence[str], rules: Rules) -> None:
    """Run the pipeline for a case."""
    settings = Settings(folder, Settings.from_environment().engine)
    platform = open_platform(settings, select=select, rules=rules)
    with platform.instance:
        report = platform.run(as_of=as_of)
    if not report.succeeded:
        failed = [f"{failure.step}: {failure.message}" for failure in report.failures]
        failed += [
            f"{check.asset} {check.name}: {check.description}" for check in report.checks if not check.passed
        ]
        raise PlatformError(f"the conformance run failed: {'; '.join(failed)}")
