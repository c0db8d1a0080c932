"""`cip`: the platform on the command line. It asks Dagster for everything and shows what came of it."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import dagster as dg
import duckdb
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import PROJECT, Settings
from cip_assets.definitions import checked_rules, open_platform
from cip_assets.ingest.discover import find_files, lines_about
from cip_assets.layers import CONTRACTS, SOURCE_TABLES, contracts_in
from cip_assets.orchestration.instance import add_setting
from cip_assets.orchestration.jobs.names import MAINTENANCE, REPLAY, RESTORE, VALIDATE
from cip_assets.orchestration.runs import Listener, Report
from cip_assets.reporting.explain import explain
from cip_assets.storage import delta
from cip_assets.storage.quarantine import tables_of_quarantine
from cip_assets.synthetic import GeneratorConfig, Scenario, generate
from cip_assets.synthetic.conformance import Finding, cdnow_conformance, generated_conformance

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
out = Console()
err = Console(stderr=True)

COUNTED = ("landed", "cleaned", "quarantined", "superseded")
"""What becomes of the lines of a source table."""

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]


@app.command("generate")
def generate_command(
    customers: Annotated[int, typer.Option(help="customers in customers.csv")] = 10_000,
    seed: Annotated[int, typer.Option(help="same seed, same bytes")] = 42,
    out_dir: Annotated[Path | None, typer.Option("--out", help="landing folder to write to")] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="last day; default yesterday")
    ] = None,
    months: Annotated[int, typer.Option(help="full months of history")] = 24,
    defects: Annotated[float, typer.Option(help="share of lines with a planted defect")] = 0.01,
    scenario: Annotated[Scenario, typer.Option(help="story (with trends) or steady")] = "story",
) -> None:
    """Write synthetic landing files, and beside them what is true of them."""
    folder = out_dir or Settings.from_environment().landing
    last_day = end.date() if end else datetime.now(tz=UTC).date() - timedelta(days=1)
    began = time.monotonic()
    try:
        config = GeneratorConfig(
            customers=customers, seed=seed, end=last_day, months=months, defects=defects, scenario=scenario
        )
        with Progress(*_columns(), console=err, transient=True) as progress:
            task = progress.add_task("customers", total=customers)
            truth = generate(
                config, folder, lambda done, total: progress.update(task, completed=done, total=total)
            )
    except ValueError as error:
        raise PlatformError(str(error)) from error
    table = Table(title=f"Generated in {time.monotonic() - began:.1f} s", title_justify="left")
    for heading in ("table", "lines", "clean", "to quarantine", "superseded"):
        table.add_column(heading, justify="left" if heading == "table" else "right")
    for name, rows in truth.rows.items():
        numbers = (rows.landed, rows.clean, rows.quarantined, rows.superseded)
        table.add_row(name, *(f"{number:,}" for number in numbers))
    out.print(table)
    written = f"landing files: {folder}\nwhat is true of them: {folder / '_truth.json'}"
    out.print(escape(written), soft_wrap=True)


@app.command()
def run(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="first month to ingest")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="last month to ingest")
    ] = None,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="day of the snapshot")] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(
            help="only these assets and what they need, such as exports/kpi_totals or group:marts; repeat it"
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="also what is up to date")] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="customers or products: take the newest delivery although it is unlikely small or large"
        ),
    ] = None,
    sample: Annotated[bool, typer.Option(help="generate sample data where landing is empty")] = False,
) -> None:
    """Ingest all that landed, compute the snapshot of the last transaction day, export it."""
    settings = Settings.from_environment()
    if sample and not find_files(settings.landing)[0]:
        generate_command()
    began = time.monotonic()
    platform = open_platform(settings, select=select or [])
    with _progress() as listener:
        report = platform.run(
            _day(first),
            _day(last),
            _day(as_of),
            everything=everything,
            accept=accept or [],
            listener=listener,
        )
    _show(report, settings, time.monotonic() - began)
    if not report.succeeded:
        raise typer.Exit(1)


@app.command()
def status() -> None:
    """What each table holds, and what landed since the last run."""
    settings = Settings.from_environment()
    table = Table(title=escape(str(settings.data_dir)), title_justify="left")
    for heading in ("table", "rows", "version", "written"):
        table.add_column(heading, justify="right" if heading in ("rows", "version") else "left")
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
            contract.name, f"{delta.row_count(opened):,}", str(opened.version()), _moment(commit.timestamp)
        )
    out.print(table)
    for line in _landing_news(settings):
        out.print(line, highlight=False, soft_wrap=True)
    if missing:
        out.print(f"{len(missing)} tables are not written yet: run 'cip run'")
        raise typer.Exit(1)


@app.command()
def history(table: Annotated[str, typer.Argument(help="layer/table, or the table's name")]) -> None:
    """Every version of a table: when, what, how many rows, by which run."""
    uri = _uri(table)
    shown = Table(title=delta.table_name(uri), title_justify="left")
    for heading in ("version", "written", "operation", "rows", "partition", "run", "code"):
        shown.add_column(heading, justify="right" if heading in ("version", "rows") else "left")
    for commit in delta.history(delta.open_table(uri)):
        audit = commit.audit
        shown.add_row(
            str(commit.version),
            _moment(commit.timestamp),
            commit.operation,
            "" if commit.row_count is None else f"{commit.row_count:,}",
            str(audit.get("partition") or ""),
            str(audit.get("run_id") or "")[:8],
            str(audit.get("code_version") or ""),
        )
    out.print(shown)


@app.command()
def restore(
    table: Annotated[str, typer.Argument(help="layer/table, or the table's name")],
    version: Annotated[int | None, typer.Option(help="the version to go back to (see 'cip history')")] = None,
    to: Annotated[str | None, typer.Option(help="or a time, such as 2026-05-01T12:00")] = None,
    go_on: Annotated[bool, typer.Option(help="although tables computed from it will disagree")] = False,
) -> None:
    """Make a table again what it was at a version; later versions stay in its history."""
    name = delta.table_name(_uri(table))
    config = {"table": name, "version": version, "to": to, "go_on": go_on}
    run_again = open_platform(Settings.from_environment()).recover(RESTORE, config)
    out.print(f"{name} is again what it was {f'at version {version}' if to is None else f'at {to}'}")
    if run_again:
        out.print(f"computed from later versions of it, and to be run again: {', '.join(run_again)}")


@app.command()
def maintain(
    tables: Annotated[list[str] | None, typer.Argument(help="layer/table; all unless given")] = None,
    keep_days: Annotated[
        int | None, typer.Option(help="time travel reaches back so many days (default: the rules')")
    ] = None,
) -> None:
    """Join small files, and delete what only older versions of the tables need."""
    config: dict[str, object] = {"tables": [delta.table_name(_uri(table)) for table in tables or []]}
    if keep_days is not None:
        config["keep_days"] = keep_days
    done = open_platform(Settings.from_environment()).recover(MAINTENANCE, config)
    for name, counts in done.items():
        out.print(f"{name}: {counts['files_joined']} files joined, {counts['files_deleted']} deleted")


@app.command()
def replay(
    tables: Annotated[list[str] | None, typer.Argument(help="source tables; all unless given")] = None,
) -> None:
    """After the rules were mended: clean the months with quarantined lines again, then the snapshot."""
    done = open_platform(Settings.from_environment()).recover(REPLAY, {"tables": tables or []})
    for name, counts in done.items():
        out.print(f"{name}: {counts['before']} quarantined lines before, {counts['after']} now")


@app.command()
def quarantine(
    table: Annotated[str | None, typer.Argument(help="a source table; all, counted, unless given")] = None,
    limit: Annotated[int, typer.Option(help="lines to show")] = 50,
) -> None:
    """Lines that did not get in: counted by reason, or one table's with file, line and text."""
    settings = Settings.from_environment()
    if table is not None and table not in SOURCE_TABLES:
        raise PlatformError(f"{table!r} is no source table; take one of {', '.join(SOURCE_TABLES)}")
    counted = Table(title="Lines kept out", title_justify="left")
    for heading in ("table", "outcome", "reasons", "lines"):
        counted.add_column(heading, justify="right" if heading == "lines" else "left")
    for name, outcome, reasons, lines in tables_of_quarantine(
        settings, [table] if table else list(SOURCE_TABLES)
    ):
        counted.add_row(name, outcome, reasons, f"{lines:,}")
    out.print(counted)
    if table is None:
        return
    with duckdb.connect() as connection:
        lines_of = delta.open_table(settings.table_uri("quarantine", table)).to_pyarrow_dataset()
        connection.register("kept_out", lines_of)
        rows = connection.execute(
            "SELECT source_file, source_line, reasons, raw_text FROM kept_out WHERE outcome = 'quarantined' "
            "ORDER BY 1, 2 LIMIT ?",
            [limit],
        ).fetchall()
    for file, line, reasons, text in rows:
        out.print(
            f"{escape(file)}:{line}  [red]{reasons}[/]  {escape(repr(text))}", soft_wrap=True, highlight=False
        )


@app.command("explain")
def explain_command(
    customer: Annotated[str, typer.Argument(help="the id of a customer")],
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="day of a snapshot")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="day of a later snapshot")],
) -> None:
    """Why a customer's segment or churn band changed between two snapshots, by the source rows in between."""
    found = explain(Settings.from_environment(), customer, first.date(), last.date())
    changed = Table(title=f"Customer {escape(customer)}", title_justify="left")
    for heading in ("", str(first.date()), str(last.date())):
        changed.add_column(heading)
    for name, then, now in found.changes:
        changed.add_row(name, *("" if value is None else str(value) for value in (then, now)))
    out.print(changed if found.changes else f"nothing of customer {escape(customer)} changed")
    for reason in found.reasons:
        out.print(reason, highlight=False, soft_wrap=True)
    for event in found.events:
        out.print(
            f"{event.day}  {event.table}  {escape(event.text)}  [dim]{escape(event.source)}[/]",
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def validate() -> None:
    """Check the exported files against the marts and each other."""
    settings = Settings.from_environment()
    report = Report()
    day = delta.newest_slice(settings.table_uri("marts", "kpi_totals"), "as_of_date")
    if day is None:
        raise PlatformError("marts/kpi_totals has no rows, so there is nothing to check: run `cip run` first")
    open_platform(settings).execute(VALIDATE, report, tags={"dagster/partition": day.isoformat()})
    _raise_first(report)
    for check in report.checks:
        mark = "[green]ok[/]" if check.passed else "[red]failed[/]"
        out.print(f"{mark} {check.asset} {check.name}: {escape(check.description)}", soft_wrap=True)
    if not report.succeeded:
        raise typer.Exit(1)


@app.command()
def conformance(
    archive: Annotated[
        Path | None, typer.Option(help="the lifetimes 0.11.3 wheel, which holds the data; else downloaded")
    ] = None,
    generated: Annotated[
        int,
        typer.Option(help="instead, generate so many customers by known parameters, and find these again"),
    ] = 0,
) -> None:
    """Run cases with known answers through the pipeline, and print what is known against what it gives."""
    if generated:
        holds = _findings(
            f"{generated:,} generated customers",
            "true",
            generated_conformance(_run_case, checked_rules(), generated),
        )
    else:
        found = cdnow_conformance(_run_case, checked_rules(), archive)
        holds = _findings("CDNOW, to 1997-09-30", "published", found.findings)
        out.print(
            f"purchases in the 39 weeks after: {found.expected_purchases:.0f} expected, "
            f"{found.actual_purchases} actual ({found.expected_purchases / found.actual_purchases - 1:+.1%})"
        )
    if not holds:
        raise typer.Exit(1)


def _run_case(folder: Path, as_of: date, select: Sequence[str], rules: Rules) -> None:
    """The pipeline, for the cases of conformance."""
    settings = Settings(folder, Settings.from_environment().engine)
    platform = open_platform(settings, select=select, rules=rules)
    with platform.instance:
        report = platform.run(as_of=as_of)
    if not report.succeeded:
        failed = [f"{failure.step}: {failure.message}" for failure in report.failures]
        failed += [
            f"{check.asset} {check.name}: {check.description}" for check in report.checks if not check.passed
        ]
        raise PlatformError(f"the run of the case failed: {'; '.join(failed)}")


@app.command()
def ui(port: Annotated[int, typer.Option(help="port on 127.0.0.1")] = 3000) -> None:
    """Open Dagster's page on 127.0.0.1, with its daemon."""
    settings = Settings.from_environment()
    if add_setting(settings.dagster_home):
        out.print(f"{settings.dagster_home / 'dagster.yaml'}: added instance_class", soft_wrap=True)
    with open_platform(settings).instance as instance:
        environment = {**os.environ, "DAGSTER_HOME": str(instance.root_directory)}
    dagster = str(Path(sys.executable).with_name("dagster"))
    arguments = [dagster, "dev", "-w", str(PROJECT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    # A shell that starts it in the background lets it ignore the interrupt that ends it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(dagster, arguments, environment)


# --- shown to people --------------------------------------------------------------------------------------


def _show(report: Report, settings: Settings, seconds: float) -> None:
    out.print(_sources(report))
    out.print(_layers(report))
    for line in _what_ran(report):
        out.print(line, highlight=False)
    for line in _not_read(settings):
        out.print(line, highlight=False, soft_wrap=True)
    for check in report.checks:
        if not check.passed:
            kind = "[yellow]warning[/]" if check.is_warning else "[bold red]failed check[/]"
            out.print(
                f"{kind} {check.asset} {check.name}: {escape(check.description)}",
                highlight=False,
                soft_wrap=True,
            )
    for failure in report.failures:
        err.print(f"[bold red]error[/] {escape(failure.message)}", highlight=False, soft_wrap=True)
    if report.skipped:
        err.print(f"not computed, since they depend on it: {', '.join(report.skipped)}", soft_wrap=True)
    passed = sum(check.passed for check in report.checks)
    if report.as_of:
        out.print(
            f"snapshot of {report.as_of}, {passed} of {len(report.checks)} checks passed, {seconds:.1f} s in all"
        )
    if report.succeeded:
        where = f"exports: {settings.final}\ntables:  {settings.lake}\npage:    make ui"
        out.print(escape(where), soft_wrap=True)


def _sources(report: Report) -> Table:
    sources = Table(title="Sources", title_justify="left")
    for heading in ("table", *COUNTED, "checks"):
        sources.add_column(heading, justify="left" if heading in ("table", "checks") else "right")
    counted = _counted(report)
    tried = {name for block in report.ingested for name in block.tables}
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
    for heading in ("layer", "tables", "rows", "seconds", "checks"):
        layers.add_column(heading, justify="left" if heading in ("layer", "checks") else "right")
    for layer in ("landing", "raw", "cleaned", "quarantine", "features", "marts", "exports"):
        rows = [count for asset, count in report.rows.items() if asset.startswith(f"{layer}/")]
        spent = sum(s for step, s in report.seconds.items() if _layer_of(step) == layer)
        checks = _checks(report, {c.asset for c in report.checks if c.asset.startswith(f"{layer}/")})
        layers.add_row(layer, str(len(rows)), f"{sum(rows):,}", f"{spent:.1f}", checks)
    return layers


def _counted(report: Report) -> Mapping[str, Mapping[str, int]]:
    """For each source table that was ingested, the lines that its checks of conservation counted, over all its runs."""
    counted: dict[str, Counter[str]] = {}
    for check in report.checks:
        if check.name == "conservation":
            lines = {name: int(str(check.metadata[name])) for name in COUNTED}
            counted.setdefault(check.asset.split("/")[1], Counter()).update(lines)
    return counted


def _what_ran(report: Report) -> Iterator[str]:
    counted = _counted(report)
    for block in report.ingested:
        months = f"{block.first[:7]} to {block.last[:7]}" if block.first else "newest delivery"
        if done := [name for name in block.tables if name in counted]:
            yield f"ingested {months}: {', '.join(done)}"
    if report.as_of and not report.ingested:
        yield "every source table was up to date: nothing to ingest"
    if report.up_to_date:
        yield f"{len(report.up_to_date)} assets of the snapshot were up to date (--all computes them again)"


def _findings(title: str, known: str, findings: Sequence[Finding]) -> bool:
    """Show them; whether all conform."""
    table = Table(title=title, title_justify="left")
    for heading in ("figure", known, "got", "off by", "allowed", ""):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
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


def _checks(report: Report, assets: Collection[str]) -> str:
    chosen = [check for check in report.checks if check.asset in assets]
    passed = sum(check.passed for check in chosen)
    colour = (
        "green"
        if passed == len(chosen)
        else "yellow"
        if all(c.passed or c.is_warning for c in chosen)
        else "red"
    )
    return f"[{colour}]{passed} of {len(chosen)}[/]" if chosen else ""


def _layer_of(step: str) -> str:
    return "cleaned" if step.startswith("clean_") else step.split("__", maxsplit=1)[0]


def _columns() -> tuple[ProgressColumn, ...]:
    return SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()


@contextmanager
def _progress() -> Iterator[Listener]:
    """A bar per asset, filled when the asset and its checks are done."""
    with Progress(*_columns(), console=err, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def listen(event: dg.DagsterEvent) -> None:
            step = event.step_key
            if step is None:
                return
            if event.is_step_start:
                tasks[step] = progress.add_task(step.replace("__", "/"), total=None)
            elif step in tasks and (event.is_step_success or event.is_step_failure):
                progress.update(tasks[step], total=1, completed=1)
                if event.is_step_success and not sys.stderr.isatty():
                    err.print(f"{step.replace('__', '/')} {event.step_success_data.duration_ms / 1000:.1f} s")

        yield listen


def _landing_news(settings: Settings) -> Iterator[str]:
    files, _ = find_files(settings.landing)
    uri = settings.table_uri("landing", "manifest")
    known = (
        set(delta.open_table(uri).to_pyarrow_table(columns=["path"])["path"].to_pylist())
        if delta.exists(uri)
        else set()
    )
    fresh = sorted({file.path for file in files} - known)
    gone = sorted(known - {file.path for file in files})
    yield f"landing: {len(files)} files, {len(fresh)} new since the last run, {len(gone)} gone"
    yield from _not_read(settings)


def _not_read(settings: Settings) -> Iterator[str]:
    """What is left aside in the landing folder, and why: first what its owner may not expect."""
    _, left_aside = find_files(settings.landing)
    for line in lines_about(left for left in left_aside if not left.is_on_purpose):
        yield f"[yellow]warning[/] {escape(line)}"
    for line in lines_about(left for left in left_aside if left.is_on_purpose):
        yield escape(line)


def _uri(table: str) -> str:
    settings = Settings.from_environment()
    matches = [name for name in CONTRACTS if table in (name, name.split("/")[1])]
    if len(matches) != 1:
        known = ", ".join(matches or CONTRACTS)
        problem = "names several tables" if matches else "is no table"
        raise PlatformError(f"{table!r} {problem}; take one of {known}")
    return settings.table_uri(*matches[0].split("/"))


def _raise_first(report: Report) -> None:
    if report.failures:
        raise PlatformError(report.failures[0].message)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
