"""Run the Dagster jobs in this process, and tell what came of them.

The command line, the benchmark and the tests run the platform through this module; it decides nothing
about the data: which months there are comes from the manifest, the day from the transactions.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import sqlalchemy
import yaml

from cip_assets.automation.jobs import INGEST, SCAN, SNAPSHOT
from cip_assets.automation.partitions import FIRST_MONTH, MONTHS
from cip_assets.contracts import EVENT_TABLES, SNAPSHOT_TABLES
from cip_assets.definitions import build_definitions
from cip_assets.errors import PlatformError
from cip_assets.io import delta, in_step
from cip_assets.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

Listener = Callable[[dg.DagsterEvent], None]


@dataclass(frozen=True)
class Failure:
    """A step that failed, with the error that a person needs to read."""

    step: str
    message: str


@dataclass(frozen=True)
class CheckOutcome:
    """One evaluation of an asset check."""

    asset: str
    name: str
    passed: bool
    is_warning: bool
    description: str
    metadata: Mapping[str, object]


@dataclass(frozen=True)
class Block:
    """Consecutive months, by their first days, and the tables to run for them."""

    first: str
    last: str
    tables: tuple[str, ...]


@dataclass
class Report:
    """What a run did, stage by stage."""

    as_of: date | None = None
    months: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    checks: list[CheckOutcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        return not self.failures and not self.skipped and all(c.passed or c.is_warning for c in self.checks)


class Platform:
    """The platform on one data folder and engine, with Dagster's history in that folder."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance | None = None) -> None:
        self.settings = settings
        self.definitions = build_definitions(settings)
        self.instance = instance or open_instance(settings.dagster_home)

    def run(
        self,
        first: date | None = None,
        last: date | None = None,
        as_of: date | None = None,
        *,
        everything: bool = False,
        listener: Listener | None = None,
    ) -> Report:
        """Ingest what landed and compute the snapshot of a day.

        Args:
            first: ingest only the months from this day's on.
            last: ingest only the months to this day's.
            as_of: the day of the snapshot; the day of the last transaction unless given.
            everything: ingest every month, also those that are as landing and code would make them.
            listener: called with each Dagster event as it happens.

        Raises:
            PlatformError: there is nothing to compute a snapshot from.

        """
        report = Report()
        blocked = self.execute(SCAN, report, listener)
        if report.failures:
            return report
        snapshots = self._assets_of_tables(SNAPSHOT_TABLES)
        blocked |= self.execute(INGEST, report, listener, assets=snapshots)
        for block in self._work(first, last, everything=everything):
            tags = {RANGE_START: block.first, RANGE_END: block.last}
            assets = self._assets_of_tables(block.tables)
            blocked |= self.execute(INGEST, report, listener, assets=assets, tags=tags)
            report.months[block.first, block.last] = block.tables
        if dg.AssetKey(["cleaned", "transactions"]) in blocked and not delta.exists(
            self.settings.table_uri("cleaned", "transactions")
        ):
            report.skipped += self._names(self._assets_of(SNAPSHOT))
            return report
        report.as_of = as_of or self.last_transaction_day()
        left = self._assets_of(SNAPSHOT) - self._downstream(blocked)
        report.skipped += self._names(self._assets_of(SNAPSHOT) - left)
        if left:
            self.execute(SNAPSHOT, report, listener, partition_key=report.as_of.isoformat(), assets=left)
        return report

    def execute(
        self,
        job: str,
        report: Report,
        listener: Listener | None = None,
        *,
        assets: set[dg.AssetKey] | None = None,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_config: Mapping[str, object] | None = None,
    ) -> set[dg.AssetKey]:
        """Run one job, add what it did to the report, and return the assets that cannot be relied on."""
        run_id = str(uuid4())
        if listener is not None:
            self.instance.add_event_listener(
                run_id, lambda entry: entry.dagster_event and listener(entry.dagster_event)
            )
        definition = self.definitions.resolve_job_def(job)
        result = definition.execute_in_process(
            run_config={**QUIET, **(run_config or {})},
            instance=self.instance,
            run_id=run_id,
            partition_key=partition_key,
            tags=tags,
            asset_selection=sorted(assets) if assets is not None else None,
            raise_on_error=False,
        )
        return _collect(result, report, planned=assets if assets is not None else self._assets_of(job))

    def last_transaction_day(self) -> date:
        """The day of the last cleaned transaction.

        Raises:
            PlatformError: there is none.

        """
        day = delta.last_day(self.settings.table_uri("cleaned", "transactions"), "transaction_date")
        if day is None:
            raise PlatformError(
                "cleaned/transactions has no rows, so there is no day to compute: give --as-of"
            )
        return day

    def _work(self, first: date | None, last: date | None, *, everything: bool) -> list["Block"]:
        """The ranges of months to ingest, each with its tables."""
        manifest = self.settings.table_uri("landing", "manifest")
        graph = self.definitions.resolve_asset_graph()
        by_month: dict[str, set[str]] = {}
        for table in EVENT_TABLES:
            months = set(in_step.held_by_landing(manifest, table))
            unreadable = in_step.problems(manifest, table)
            if not everything and not unreadable:
                stages = {
                    tuple(self.settings.table_uri(layer, table) for layer in layers): str(
                        graph.get(dg.AssetKey([layers[0], table])).code_version
                    )
                    for layers in (("raw",), ("cleaned", "quarantine"))
                }
                months = in_step.months_out_of_step(manifest, table, stages)
            cleaned = self.settings.table_uri("cleaned", table)
            if not months and (unreadable or not delta.exists(cleaned)):
                # Without rows there is no month to run: the first one makes the table, or says what is wrong.
                months = {str(FIRST_MONTH)}
            for month in months:
                by_month.setdefault(month, set()).add(table)
        start = str(first.replace(day=1)) if first else ""
        end = str(last.replace(day=1)) if last else "9999"
        return _blocks({month: tables for month, tables in by_month.items() if start <= month <= end})

    def _assets_of_tables(self, tables: Collection[str]) -> set[dg.AssetKey]:
        return {key for key in self._assets_of(INGEST) if key.path[-1] in tables}

    def _assets_of(self, job: str) -> set[dg.AssetKey]:
        return set(self.definitions.resolve_job_def(job).asset_layer.executable_asset_keys)

    def _downstream(self, keys: set[dg.AssetKey]) -> set[dg.AssetKey]:
        graph = self.definitions.resolve_asset_graph()
        chosen = dg.AssetSelection.assets(*keys).downstream() if keys else None
        return set(chosen.resolve(graph)) if chosen else set()

    @staticmethod
    def _names(keys: set[dg.AssetKey]) -> list[str]:
        return sorted(key.to_user_string() for key in keys)


def _blocks(by_month: Mapping[str, set[str]]) -> list[Block]:
    """Join consecutive months: a run has more to do with starting than with a month more."""
    blocks: list[Block] = []
    calendar = MONTHS.get_partition_keys()
    for month in sorted(by_month):
        if blocks and calendar.index(month) == calendar.index(blocks[-1].last) + 1:
            tables = tuple(sorted({*blocks[-1].tables, *by_month[month]}))
            blocks[-1] = Block(blocks[-1].first, month, tables)
        else:
            blocks.append(Block(month, month, tuple(sorted(by_month[month]))))
    return blocks


def open_instance(home: Path) -> dg.DagsterInstance:
    """The Dagster instance of a data folder; a first use writes its settings file."""
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(yaml.safe_dump({"telemetry": {"enabled": False}}), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def _sync_once_a_checkpoint(connection: Any, _record: object) -> None:
    """Dagster opens its SQLite files in WAL mode, where this is safe and spares a disk sync per event."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=NORMAL")


def _collect(
    result: dg.ExecuteInProcessResult, report: Report, planned: set[dg.AssetKey]
) -> set[dg.AssetKey]:
    """Add what a run did to the report; return the assets that cannot be relied on after it."""
    before = len(report.failures)
    bad: set[dg.AssetKey] = set()
    done: set[dg.AssetKey] = set()
    for event in result.all_events:
        if event.is_step_success:
            report.seconds[str(event.step_key)] = event.step_success_data.duration_ms / 1000
        elif event.is_step_failure:
            report.failures += _failures(event)
        elif event.is_step_materialization and event.asset_key:
            done.add(event.asset_key)
            rows = event.materialization.metadata.get("dagster/row_count")
            if rows is not None:
                report.rows[event.asset_key.to_user_string()] = int(str(rows.value))
    for evaluation in result.get_asset_check_evaluations():
        is_warning = evaluation.severity == dg.AssetCheckSeverity.WARN
        if not evaluation.passed and not is_warning:
            bad.add(evaluation.asset_key)
        report.checks.append(
            CheckOutcome(
                evaluation.asset_key.to_user_string(),
                evaluation.check_name,
                evaluation.passed,
                is_warning,
                evaluation.description or "",
                {name: value.value for name, value in evaluation.metadata.items()},
            )
        )
    blocked = any(not check.passed and not check.is_warning for check in report.checks)
    if not result.success and not blocked and len(report.failures) == before:
        ended = next(event for event in reversed(result.all_events) if event.is_job_failure)
        report.failures += _root_of(ended.job_failure_data.error, result.job_def.name)
    return bad | (planned - done)


def _failures(event: dg.DagsterEvent) -> Iterator[Failure]:
    """The step's root error; a blocking check's failure is reported with the check instead."""
    return _root_of(event.step_failure_data.error, str(event.step_key))


def _root_of(error: Any, step: str) -> Iterator[Failure]:
    """Our own error where there is one in the chain, else the first cause."""
    while error is not None and error.cause is not None and error.cls_name != "PlatformError":
        error = error.cause
    name = error.cls_name if error else "unknown error"
    message = (error.message if error else "").strip()
    if name == "DagsterAssetCheckFailedError":
        return
    first_line = (
        message.removeprefix(f"{name}: ").removeprefix("cip_assets.errors.PlatformError: ").splitlines()
    )
    text = first_line[0] if first_line else ""
    yield Failure(step, text if name == "PlatformError" else f"{name}: {text}")


def tables_of_quarantine(settings: Settings, tables: Sequence[str]) -> Iterator[tuple[str, str, str, int]]:
    """Lines kept out, counted: table, outcome, reasons, lines."""
    for table in tables:
        uri = settings.table_uri("quarantine", table)
        if not delta.exists(uri):
            continue
        with duckdb.connect() as connection:
            connection.register("lines", delta.open_table(uri).to_pyarrow_dataset())
            rows = connection.execute(
                "SELECT outcome, reasons, count(*) FROM lines GROUP BY ALL ORDER BY 1, 3 DESC, 2"
            ).fetchall()
        for outcome, reasons, count in rows:
            yield table, outcome, reasons, count
