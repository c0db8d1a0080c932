"""Runs of the Dagster jobs in this process, and reports of what they did.

The command line, the benchmarks and the tests run the platform through this module. It decides nothing about the data:
the months come from the manifest, the day from the transactions.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import uuid4

import dagster as dg

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.layers import EVENT_TABLES
from cip_assets.orchestration import executor
from cip_assets.orchestration.accept import check_accepted, config_to_accept
from cip_assets.orchestration.dead_runs import end_dead_runs
from cip_assets.orchestration.due import plan
from cip_assets.orchestration.due.carry import EVERYTHING_TAG
from cip_assets.orchestration.due.last_day import default_day
from cip_assets.orchestration.due.plan import Block
from cip_assets.orchestration.due.up_to_date import State, state_of
from cip_assets.orchestration.failures import Failure, failures_of, root_of
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.io_manager import CARRIED_FROM
from cip_assets.orchestration.jobs.names import INGEST, SCAN, SNAPSHOT
from cip_assets.orchestration.run_tags import STARTED_BY
from cip_assets.storage import delta
from cip_assets.storage.quarantine import months_with_quarantined_lines

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

ONE_MONTH = "one_month_per_id"
"""The check that names the months to clean again."""

Listener = Callable[[dg.DagsterEvent], None]


@dataclass(frozen=True)
class CheckOutcome:
    """One evaluation of an asset check."""

    asset: str
    name: str
    passed: bool
    is_warning: bool
    description: str
    metadata: Mapping[str, object]


@dataclass
class Report:
    """What a run did, stage by stage."""

    as_of: date | None = None
    ingested: list[Block] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    checks: list[CheckOutcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    up_to_date: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why each asset of the snapshot was computed, and why each month of a table was ingested."""
    carried: dict[str, str] = field(default_factory=dict)
    """The older day that a table of the snapshot was carried from."""

    @property
    def succeeded(self) -> bool:
        return not self.failures and not self.skipped and all(c.passed or c.is_warning for c in self.checks)


class Runs:
    """A resource for ops that run other jobs of the same definitions."""

    def __init__(self, graph: Graph, definitions: Callable[[], dg.Definitions]) -> None:
        self.graph = graph
        self._definitions = definitions

    def platform(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        tags: Mapping[str, str] | None = None,
        select: Sequence[str] = (),
    ) -> "Platform":
        return Platform(self.graph, self._definitions(), settings, instance, tags, select)


class Platform:
    """The platform on one data folder and engine, with Dagster's history in that folder."""

    def __init__(
        self,
        graph: Graph,
        definitions: dg.Definitions,
        settings: Settings,
        instance: dg.DagsterInstance | None = None,
        tags: Mapping[str, str] | None = None,
        select: Sequence[str] = (),
    ) -> None:
        """Prepare the platform; nothing runs yet.

        Args:
            graph: the assets and their checks.
            definitions: the graph with its jobs and resources.
            settings: the data folder and the engine.
            instance: the Dagster history; by default the one in the data folder.
            tags: the tags of all runs.
            select: the assets to compute in a snapshot, such as ``exports/kpi_totals``, with everything they need.

        Raises:
            PlatformError: a selection matches no asset of a snapshot.

        """
        self.graph = graph
        self.settings = settings
        self.definitions = definitions
        self.snapshot_assets = graph.with_what_checks_read(graph.selected(select))
        self.tags = {STARTED_BY: "cip", **(tags or {}), plan.CODE_TAG: graph.code}
        self.instance = instance or open_instance(settings.dagster_home)

    def run(
        self,
        first: date | None = None,
        last: date | None = None,
        as_of: date | None = None,
        *,
        everything: bool = False,
        accept: Sequence[str] = (),
        listener: Listener | None = None,
    ) -> Report:
        """Ingest what landed and compute the snapshot of a day.

        Args:
            first: ingest only the months from this day's on.
            last: ingest only the months to this day's.
            as_of: the snapshot day; by default the day of the last transaction, or else of the last event.
            everything: also run what is up to date.
            accept: tables whose newest full delivery is accepted whatever its size.
            listener: called with each Dagster event as it happens.

        Raises:
            PlatformError: there are no events, or the day is outside the calendar, or a table to accept has no full
                deliveries.

        """
        check_accepted(accept)
        days = self.graph.partitions.days
        if as_of and not days.has_partition_key(as_of.isoformat()):
            raise PlatformError(
                f"there is no snapshot of {as_of}: choose a day from {days.get_first_partition_key()} "
                f"(calendar.first_month of the rules) to {days.get_last_partition_key()}"
            )
        end_dead_runs(self.instance)
        report = Report()
        self.execute(SCAN, report, listener, tags={EVERYTHING_TAG: "true"} if everything else {})
        if report.failures:
            return report
        work = plan.due(self.graph, self.settings, self.instance, first, last, everything=everything)
        report.reasons |= {
            f"cleaned/{t} {month[:7]}".strip(): why for (t, month), why in work.reasons.items()
        }
        blocks = [*work.blocks, *(plan.without_months(self.graph, table) for table in work.unreadable)]
        blocked = self._ingest(blocks, report, listener, accept=accept)
        self.snapshot(report, as_of, blocked, listener, everything=everything)
        return report

    def replay(self, tables: Sequence[str], report: Report) -> None:
        """Clean the months that have quarantined lines again, from raw, and compute the snapshot."""
        by_month: dict[str, set[str]] = {}
        for table in tables:
            for month in months_with_quarantined_lines(self.settings, table):
                by_month.setdefault(month, set()).add(table)
        blocked = self._ingest(plan.blocks_of(by_month, plan.JUDGED), report)
        self.snapshot(report, blocked=blocked)

    def _ingest(
        self,
        blocks: Sequence[Block],
        report: Report,
        listener: Listener | None = None,
        accept: Sequence[str] = (),
    ) -> set[dg.AssetKey]:
        blocked: set[dg.AssetKey] = set()
        for block in blocks:
            config = config_to_accept(set(accept) & set(block.tables))
            blocked |= self.execute(
                INGEST, report, listener, assets={*block.assets}, tags=block.tags, run_config=config
            )
            report.ingested.append(block)
        return blocked | self.settle(report, listener) if blocks else blocked

    def settle(self, report: Report, listener: Listener | None = None) -> set[dg.AssetKey]:
        """Clean the months again that lines moved to or from; returns the assets that cannot be relied on."""
        blocked: set[dg.AssetKey] = set()
        blocks = plan.moved(self.settings)
        again = {f"cleaned/{table}" for block in blocks for table in block.tables}
        report.checks = [c for c in report.checks if c.name != ONE_MONTH or c.asset not in again]
        for block in blocks:
            blocked |= self.execute(INGEST, report, listener, assets={*block.assets}, tags=block.tags)
            report.ingested.append(block)
        return blocked

    def snapshot(
        self,
        report: Report,
        as_of: date | None = None,
        blocked: AbstractSet[dg.AssetKey] = frozenset(),
        listener: Listener | None = None,
        *,
        everything: bool = False,
    ) -> None:
        """Compute the snapshot of a day, by default that of the last transaction, or else of the last event.

        Assets downstream of ``blocked`` ones, which cannot be relied on, are skipped. So is what is up to date, unless
        ``everything`` is set.
        """
        left = self.graph.without_downstream(self.snapshot_assets, blocked)
        report.skipped += sorted(key.to_user_string() for key in self.snapshot_assets - left)
        transactions = self.settings.table_uri("cleaned", "transactions")
        if not left or (blocked and not delta.exists(transactions)):
            return
        report.as_of = as_of or self.default_day()
        state = (
            State({}, dict.fromkeys(left, plan.EVERYTHING))
            if everything
            else state_of(self.settings, self.graph, self.instance, left, report.as_of)
        )
        done = state.up_to_date
        report.reasons |= {key.to_user_string(): why for key, why in state.reasons.items()}
        for key, found in done.items():
            report.up_to_date.append(key.to_user_string())
            if found.row_count is not None:
                report.rows[key.to_user_string()] = found.row_count
            report.checks += map(_outcome, found.checks)
        if left - done.keys():
            self.execute(
                SNAPSHOT,
                report,
                listener,
                assets=left - done.keys(),
                partition_key=report.as_of.isoformat(),
                tags={EVERYTHING_TAG: "true"} if everything else {},
            )

    def execute(
        self,
        job: str,
        report: Report,
        listener: Listener | None = None,
        *,
        assets: AbstractSet[dg.AssetKey] | None = None,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_config: Mapping[str, object] | None = None,
    ) -> set[dg.AssetKey]:
        """Run one job, add what it did to the report, and return the assets that cannot be relied on."""
        result = self._in_process(
            job,
            listener,
            partition_key=partition_key,
            tags={**(tags or {}), **self.tags},
            run_config={**QUIET, **(run_config or {})},
            asset_selection=assets or (),
        )
        planned = assets if assets is not None else self._assets_of(job)
        return _collect(result, report, planned, self.settings)

    def recover(self, job: str, config: Mapping[str, object]) -> Any:
        """Run a recovery job, which has one op; returns what the op returned.

        Raises:
            PlatformError: the job refused or failed.

        """
        end_dead_runs(self.instance)
        (op,) = self.definitions.resolve_job_def(job).nodes
        result = self._in_process(
            job,
            run_config={**QUIET, "ops": {op.name: {"config": config}}},
            tags={STARTED_BY: self.tags[STARTED_BY]},
        )
        report = Report()
        _collect(result, report, set(), self.settings)
        if report.failures:
            raise PlatformError(report.failures[0].message)
        return result.output_for_node(op.name)

    def _in_process(
        self, job: str, listener: Listener | None = None, **options: Any
    ) -> dg.ExecuteInProcessResult:
        run_id = str(uuid4())
        if listener is not None:
            self.instance.add_event_listener(
                run_id, lambda entry: entry.dagster_event and listener(entry.dagster_event)
            )
        return executor.execute(self.definitions.resolve_job_def(job), self.instance, run_id, **options)

    def default_day(self) -> date:
        """The day of the last cleaned transaction, or else of the last event; today at the latest.

        Raises:
            PlatformError: there are no events.

        """
        day = default_day(self.settings, self.graph.partitions.today())
        if day is None:
            raise PlatformError(
                f"there is no day to compute, because none of these tables has a row: {', '.join(EVENT_TABLES)}; put "
                "a file of at least one into the landing folder, or set --as-of"
            )
        return day

    def _assets_of(self, job: str) -> set[dg.AssetKey]:
        return set(self.definitions.resolve_job_def(job).asset_layer.executable_asset_keys)


def _collect(
    result: dg.ExecuteInProcessResult, report: Report, planned: AbstractSet[dg.AssetKey], settings: Settings
) -> set[dg.AssetKey]:
    """Add what a run did to the report; return the assets that cannot be relied on after it."""
    before = len(report.failures)
    bad: set[dg.AssetKey] = set()
    done: set[dg.AssetKey] = set()
    for event in result.all_events:
        if event.is_step_success:
            report.seconds[str(event.step_key)] = event.step_success_data.duration_ms / 1000
        elif event.is_step_failure:
            report.failures += failures_of(event, settings)
        elif event.is_step_materialization and event.asset_key:
            done.add(event.asset_key)
            if older := event.materialization.metadata.get(CARRIED_FROM):
                report.carried[event.asset_key.to_user_string()] = str(older.value)
            rows = event.materialization.metadata.get("dagster/row_count")
            if rows is not None:
                report.rows[event.asset_key.to_user_string()] = int(str(rows.value))
    for evaluation in result.get_asset_check_evaluations():
        outcome = _outcome(evaluation)
        if not outcome.passed and not outcome.is_warning:
            bad.add(evaluation.asset_key)
        report.checks.append(outcome)
    blocked = any(not check.passed and not check.is_warning for check in report.checks)
    if not result.success and not blocked and len(report.failures) == before:
        ended = next(event for event in reversed(result.all_events) if event.is_job_failure)
        report.failures += root_of(ended.job_failure_data.error, result.job_def.name, settings)
    return bad | (planned - done)


def _outcome(evaluation: dg.AssetCheckEvaluation) -> CheckOutcome:
    return CheckOutcome(
        evaluation.asset_key.to_user_string(),
        evaluation.check_name,
        evaluation.passed,
        evaluation.severity == dg.AssetCheckSeverity.WARN,
        evaluation.description or "",
        {name: value.value for name, value in evaluation.metadata.items()},
    )
