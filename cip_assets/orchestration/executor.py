"""A Dagster executor that runs steps in threads of one process.

All steps share the engine's session, as with Dagster's in-process executor. While one step waits for the engine,
another one prepares its queries: on 2 cores, a small run takes two thirds of the time. A process per step, as in
Dagster's multiprocess executor, would start an engine for each one.

In a run of several days, a step of a table of snapshots is executed for each day, the oldest first. So each day is
carried from the one before, and everything that a step does is for one day, whoever started it.
"""

import logging
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, cast

import dagster as dg

# Dagster has no public way to run the steps of a plan, or a step for one day of a run of several days. These are the
# parts that its own two executors are made of.
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.errors import DagsterExecutionInterruptedError, raise_execution_interrupts
from dagster._core.events import EngineEventData, RunFailureReason
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.system import StepExecutionContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.execute_in_process import core_execute_in_process, merge_run_tags
from dagster._core.execution.plan.execute_plan import (
    _handle_compute_log_setup_error,
    _trigger_hook,
    dagster_event_sequence_for_step,
)
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.objects import ErrorSource, step_failure_event_from_exc_info
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.log_manager import LOG_RECORD_EVENT_ATTR

from cip_assets.orchestration.dead_runs import end_dead_runs
from cip_assets.orchestration.limits import LAST_DAY
from cip_assets.orchestration.run_tags import PARTITION, PROCESS, RANGE_END, RANGE_START

AT_ONCE = 3
"""How many steps run at a time. Python runs one thread at a time, so more save little and need more memory."""

LOOK_SECONDS = 1.0
"""How often a run looks whether it was stopped, and whether a pool that a step waits for is free. Sail handles
interrupts, too, and its handler does not wake a thread that waits.
"""


class Threads(dg.Executor):
    """Runs the steps whose inputs are ready, several at a time."""

    def __init__(self, retries: RetryMode, at_once: int) -> None:
        self._retries = retries
        self._at_once = at_once

    @property
    def retries(self) -> RetryMode:
        return self._retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Run the steps of a plan; yields what happens in the order in which it happens."""
        steps = execution_plan.step_keys_to_execute
        process = EngineEventData.in_process(
            os.getpid(), steps
        )  # tells later whether the run's process is there
        yield dg.DagsterEvent.engine_event(plan_context, f"{len(steps)} steps to run", process)
        yield from ExecuteRunWithPlanIterable(
            execution_plan=execution_plan,
            iterator=self._run,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )
        yield dg.DagsterEvent.engine_event(plan_context, "All steps have ended", process)

    def _run(self, job_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        ended: SimpleQueue[_Step] = SimpleQueue()
        running: set[_Step] = set()
        _make_pools(job_context.instance, execution_plan)
        with ExitStack() as stack:
            pools = stack.enter_context(
                InstanceConcurrencyContext(job_context.instance, job_context.dagster_run)
            )
            active = stack.enter_context(
                execution_plan.start(job_context.retry_mode, instance_concurrency_context=pools)
            )
            yield from _capture_output(job_context, execution_plan, stack)
            while running or not active.is_complete:
                for step in active.get_steps_to_execute(limit=self._at_once - len(running)):
                    running.add(_Step(job_context.for_step(step, active.get_known_state()), ended))
                yield from active.concurrency_event_iterator(job_context)
                is_blocked, pause = pools.has_pending_claims(), active.sleep_interval()
                if not running and not is_blocked and pause <= 0:  # a retry is due
                    continue
                try:
                    with raise_execution_interrupts():
                        done = ended.get(timeout=min(pause, LOOK_SECONDS) if pause > 0 else LOOK_SECONDS)
                except Empty:
                    if is_blocked:  # the run that holds the pool may have died meanwhile
                        end_dead_runs(job_context.instance)
                    continue
                except (KeyboardInterrupt, DagsterExecutionInterruptedError):
                    job_context.instance.event_log_storage.free_concurrency_slots_for_run(job_context.run_id)
                    for left in running:
                        yield step_failure_event_from_exc_info(
                            left.context, sys.exc_info(), error_source=ErrorSource.INTERRUPT
                        )
                    raise
                running.remove(done)
                for event in done.events:
                    yield event
                    active.handle_event(event)
                if done.error is not None:
                    for left in running:
                        left.join()
                    raise done.error
                active.verify_complete(job_context, done.context.step.key)
                skipped = list(active.plan_events_iterator(job_context))
                yield from skipped
                yield from _trigger_hook(done.context, [*done.events, *skipped])


BEGIN = frozenset({dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED})
SUCCESS = frozenset({dg.DagsterEventType.STEP_SUCCESS})


@dataclass(frozen=True)
class _Part:
    """A step for one day, or for all that its run covers."""

    context: Any
    untold: frozenset[dg.DagsterEventType] = frozenset()
    """To Dagster, a step of several days begins with the first one and succeeds with the last."""


def _parts(context: Any) -> Sequence[_Part]:
    """The parts of a step: one for each day of the run, if the step has days."""
    days, tags = context.entity_partitions_def, context.run_tags
    if not isinstance(days, dg.DailyPartitionsDefinition) or RANGE_START not in tags:
        return [_Part(context)]
    keys = days.get_partition_keys_in_range(dg.PartitionKeyRange(tags[RANGE_START], tags[RANGE_END]))
    if LAST_DAY.items() <= context.step.tags.items():
        keys = keys[-1:]
    untold = {
        key: (BEGIN if key != keys[0] else set()) | (SUCCESS if key != keys[-1] else set()) for key in keys
    }
    return [_of_day(context, key, frozenset(untold[key])) for key in keys]


def _of_day(context: Any, day: str, untold: frozenset[dg.DagsterEventType]) -> _Part:
    tags = {name: text for name, text in context.run_tags.items() if name not in {RANGE_START, RANGE_END}}
    run = context.dagster_run.with_tags({**tags, PARTITION: day})
    log = context.log.with_tags()  # a logger of its own, for the filter

    def is_told(record: logging.LogRecord) -> bool:
        event = getattr(record, LOG_RECORD_EVENT_ATTR, None)
        return event is None or event.event_type not in untold

    log.addFilter(is_told)
    of_day = StepExecutionContext(
        plan_data=context.plan_data._replace(dagster_run=run),
        execution_data=context._execution_data,  # noqa: SLF001 -- it has no public name
        log_manager=log,
        step=context.step,
        output_capture=context.output_capture,
        known_state=context.get_known_state(),
        event_loop=context.event_loop,
    )
    return _Part(of_day, untold)


class _Step(Thread):
    """A step in a thread of its own. Dagster stores its events as they happen; the run sees them when it has ended."""

    def __init__(self, context: Any, ended: "SimpleQueue[_Step]") -> None:
        super().__init__(name=context.step.key, daemon=True)  # an interrupted process does not wait for it
        self.context = context
        self.events: list[dg.DagsterEvent] = []
        self.error: BaseException | None = None
        self._parts = _parts(context)
        self._ended = ended
        self._variables = copy_context()
        self.start()

    def run(self) -> None:
        self._variables.run(self._execute)
        self._ended.put(self)

    def _execute(self) -> None:
        try:
            for part in self._parts:
                found = None
                for found in dagster_event_sequence_for_step(part.context):
                    if found.event_type not in part.untold:
                        self.events.append(found)
                if found is None or found.event_type not in SUCCESS:
                    return
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread of the run
            self.error = error


def _make_pools(instance: dg.DagsterInstance, plan: Any) -> None:
    """Make the pools of the steps that do not exist. Dagster would list all pools again for each new one."""
    storage: Any = instance.event_log_storage
    if not storage.supports_global_concurrency_limits or storage.get_pool_config().default_pool_limit is None:
        return
    known = {pool.name for pool in storage.get_pool_limits()}
    for name in {step.pool for step in plan.get_steps_to_execute_in_topo_order()} - known - {None}:
        storage.initialize_concurrency_limit_to_default(name)


def _capture_output(run: Any, plan: Any, stack: ExitStack) -> Iterator[dg.DagsterEvent]:
    """Capture what the steps print, until the stack is left."""
    logs = run.instance.compute_log_manager
    key = logs.build_log_key_for_run(run.run_id, create_compute_log_file_key())  # type: ignore[no-untyped-call]
    steps = [step.key for step in plan.get_steps_to_execute_in_topo_order()]
    try:
        captured = stack.enter_context(logs.capture_logs(key))
    except Exception:  # noqa: BLE001 -- as in Dagster's executors: a run goes on without its output
        yield from _handle_compute_log_setup_error(run, sys.exc_info())
    else:
        yield dg.DagsterEvent.capture_logs(run, steps, key, captured)


@dg.executor(
    name="threads",
    config_schema={
        "at_once": dg.Field(
            dg.IntSource,
            default_value=AT_ONCE,
            description="How many steps run at a time; 1 needs the least memory.",
        ),
        "retries": get_retries_config(),  # type: ignore[no-untyped-call]
    },
)
def threads(context: dg.InitExecutorContext) -> dg.Executor:
    """Steps run in threads of one process, several at a time."""
    config = context.executor_config
    retries: Any = config["retries"]
    return Threads(RetryMode.from_config(retries) or RetryMode.ENABLED, int(str(config["at_once"])))


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    run_id: str,
    *,
    run_config: Mapping[str, object],
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    asset_selection: Collection[dg.AssetKey] = (),
) -> dg.ExecuteInProcessResult:
    """Run a job in this process like ``JobDefinition.execute_in_process``, but with the job's own executor.

    A failure does not raise; the result contains it.

    Raises:
        KeyboardInterrupt: the run was stopped. Steps may still be working in their threads until the process ends.

    """
    chosen, all_tags = sorted(asset_selection), {**(tags or {}), PROCESS: str(os.getpid())}
    result = core_execute_in_process(
        job=InMemoryJob(_part_of(job, chosen)),
        run_config=run_config,
        instance=instance,
        output_capturing_enabled=True,
        raise_on_error=False,
        run_tags=merge_run_tags(job, partition_key, all_tags, chosen, instance, run_config),
        run_id=run_id,
        asset_selection=frozenset(chosen),
    )
    if any(map(_stops_a_run, result.all_events)):
        raise KeyboardInterrupt
    return result


def _part_of(job: dg.JobDefinition, chosen: Collection[dg.AssetKey]) -> dg.JobDefinition:
    """The part of a job that makes some assets, or all of it."""
    if not chosen:
        whole: Any = job.as_ephemeral_job(resource_defs={}, input_values={})
        return cast("dg.JobDefinition", whole.with_executor_def(job.executor_def))
    part = job.get_subset(asset_selection=set(chosen))
    # To store the run, Dagster would make the same part of this part, and describe both.
    part.get_subset = lambda **_: part  # type: ignore[method-assign]
    return part


def _stops_a_run(event: dg.DagsterEvent) -> bool:
    if event.is_job_failure:
        return event.job_failure_data.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION
    return event.event_type == dg.DagsterEventType.RUN_CANCELED
