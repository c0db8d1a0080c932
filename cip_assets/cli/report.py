"""The results of a run, as they are printed."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from rich.markup import escape
from rich.table import Table

from cip_assets.cli.console import err, out
from cip_assets.cli.landing_news import not_read
from cip_assets.config.settings import Settings
from cip_assets.layers import EVENT_TABLES, SNAPSHOT_TABLES, SOURCE_TABLES
from cip_assets.orchestration.due.plan import EVERYTHING, HISTORY
from cip_assets.orchestration.due.up_to_date import FOLLOWS
from cip_assets.orchestration.runs import Report

COUNTED = ("landed", "cleaned", "quarantined", "superseded")
"""The counts that are shown for each source table."""


def show(report: Report, settings: Settings, seconds: float) -> None:
    out.print(_sources(report))
    out.print(_layers(report))
    for line in _what_ran(report):
        out.print(line, highlight=False)
    for line in not_read(settings):
        out.print(line, highlight=False, soft_wrap=True)
    for check in report.checks:
        if not check.passed:
            kind = "[yellow]warning[/]" if check.is_warning else "[bold red]failed check[/]"
            out.print(
                f"{kind} {check.asset} {check.name}: {escape(check.description)}",
                highlight=False,
                soft_wrap=True,
            )
    for message in dict.fromkeys(failure.message for failure in report.failures):
        err.print(f"[bold red]error[/] {escape(message)}", highlight=False, soft_wrap=True)
    if report.skipped:
        err.print(f"skipped because an upstream table failed: {', '.join(report.skipped)}", soft_wrap=True)
    passed = sum(check.passed for check in report.checks)
    if report.as_of:
        known = f", as known on {settings.known_at}" if settings.known_at else ""
        checked = f"{passed} of {len(report.checks)} checks passed"
        out.print(f"snapshot of {report.as_of}{known}: {checked}, {seconds:.1f} s in total")
    if report.succeeded:
        where = (
            f"exports:    {settings.address}/final\ntables:     {settings.lake_address}\nDagster UI: make ui"
        )
        out.print(escape(where), soft_wrap=True)


def _sources(report: Report) -> Table:
    sources = Table(title="Sources", title_justify="left")
    for heading in ("Table", *map(str.capitalize, COUNTED), "Checks"):
        sources.add_column(heading, justify="left" if heading in ("Table", "Checks") else "right")
    counted = _counted(report)
    tried = {name for block in report.ingested if "cleaned" in block.layers for name in block.tables}
    for name in SOURCE_TABLES:
        if found := counted.get(name):
            numbers = [f"{found[key]:,}" for key in COUNTED]
        else:
            numbers = ["not ingested" if name in tried else "up to date", "", "", ""]
        sources.add_row(
            name, *numbers, _checks(report, {f"{layer}/{name}" for layer in ("raw", "cleaned", "quarantine")})
        )
    return sources


def _layers(report: Report) -> Table:
    layers = Table(title="Layers", title_justify="left")
    for heading in ("Layer", "Tables", "Rows", "Seconds", "Checks"):
        layers.add_column(heading, justify="left" if heading in ("Layer", "Checks") else "right")
    for layer in ("landing", "raw", "cleaned", "quarantine", "facts", "features", "marts", "exports"):
        rows = [count for asset, count in report.rows.items() if asset.startswith(f"{layer}/")]
        spent = sum(s for step, s in report.seconds.items() if _layer_of(step) == layer)
        checks = _checks(report, {c.asset for c in report.checks if c.asset.startswith(f"{layer}/")})
        layers.add_row(layer, str(len(rows)), f"{sum(rows):,}", f"{spent:.1f}", checks)
    return layers


def _counted(report: Report) -> Mapping[str, Mapping[str, int]]:
    """The line counts of each ingested source table, from its conservation checks, summed over all its runs."""
    counted: dict[str, Counter[str]] = {}
    for check in report.checks:
        if check.name == "conservation" and check.asset.startswith("cleaned/"):
            lines = {name: int(str(check.metadata[name])) for name in COUNTED}
            counted.setdefault(check.asset.split("/")[1], Counter()).update(lines)
    return counted


def _what_ran(report: Report) -> Iterator[str]:
    counted = _counted(report)
    for block in report.ingested:
        if block.layers == (HISTORY,):
            yield f"computed the history again: {', '.join(block.tables)}"
            continue
        if "cleaned" not in block.layers:
            yield f"added up {block.first[:7]} to {block.last[:7]} again: {', '.join(block.tables)}"
            continue
        done = [name for name in block.tables if name in counted]
        if whole := [name for name in done if name in SNAPSHOT_TABLES]:
            yield f"ingested newest delivery: {', '.join(whole)}"
        if events := [name for name in done if name in EVENT_TABLES]:
            yield f"ingested {block.first[:7]} to {block.last[:7]}: {', '.join(events)}"
    if empty := [name for name in SOURCE_TABLES if name in counted and not counted[name]["landed"]]:
        yield f"no rows: {', '.join(empty)}; what is computed from them is empty"
    if report.as_of and not report.ingested:
        yield "all source tables were up to date: nothing to ingest"
    yield from _why(report)
    if report.up_to_date:
        yield f"{len(report.up_to_date)} assets of the snapshot were up to date (--all recomputes them)"


def _why(report: Report) -> Iterator[str]:
    """Why something was computed, in the words of `cip status --plan`."""
    counted = Counter(why for why in report.reasons.values() if not why.endswith(FOLLOWS))
    for why, number in counted.most_common():
        if why != EVERYTHING:
            yield f"{escape(why)}: {number} computed"
    if report.carried:
        days = ", ".join(sorted(set(report.carried.values())))
        yield f"{len(report.carried)} tables were carried from {days}"


def _checks(report: Report, assets: Collection[str]) -> str:
    chosen = [check for check in report.checks if check.asset in assets]
    passed = sum(check.passed for check in chosen)
    color = (
        "green"
        if passed == len(chosen)
        else "yellow"
        if all(c.passed or c.is_warning for c in chosen)
        else "red"
    )
    return f"[{color}]{passed} of {len(chosen)}[/]" if chosen else ""


def _layer_of(step: str) -> str:
    return "cleaned" if step.startswith("clean_") else step.split("__", maxsplit=1)[0]
