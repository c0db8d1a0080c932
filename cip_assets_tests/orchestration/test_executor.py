"""Steps run in threads, several at a time, and a run has the same events as with Dagster's own executor."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from threading import Barrier, Timer, current_thread, main_thread
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from cip_assets.orchestration.executor import execute, threads
from cip_assets.orchestration.failures import failures_of
from cip_assets.orchestration.limits import LAST_DAY, RETRIES, Retries
from cip_assets.orchestration.run_tags import RANGE_END, RANGE_START

SECONDS = 20
"""How long a step waits for another one before its test fails."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def job_of(assets: Sequence[Any], checks: Sequence[Any] = (), executor: Any = threads) -> dg.JobDefinition:
    definitions = dg.Definitions(
        assets=list(assets),
        asset_checks=list(checks),
        jobs=[dg.define_asset_job("all", selection=dg.AssetSelection.all())],
        executor=executor,
    )
    return definitions.resolve_job_def("all")


def run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, at_once: int | None = None
) -> dg.ExecuteInProcessResult:
    config = {} if at_once is None else {"execution": {"config": {"at_once": at_once}}}
    return execute(job, instance, str(uuid4()), run_config=config)


def meeting(size: int) -> list[Any]:
    """Assets that end only if all of them run at the same time."""
    here = Barrier(size)

    def asset(number: int) -> Any:
        @dg.asset(name=f"table_{number}")
        def table() -> None:
            here.wait(SECONDS)

        return table

    return [asset(number) for number in range(size)]


def test_two_steps_run_at_the_same_time(instance: dg.DagsterInstance) -> None:
    assert run(job_of(meeting(2)), instance).success


def test_as_many_steps_run_at_a_time_as_the_run_is_configured_for(instance: dg.DagsterInstance) -> None:
    assert run(job_of(meeting(3)), instance, at_once=3).success


def test_one_at_a_time(instance: dg.DagsterInstance) -> None:
    busy: Counter[str] = Counter()

    def asset(number: int) -> Any:
        @dg.asset(name=f"table_{number}")
        def table() -> None:
            busy["now"] += 1
            busy["most"] = max(busy["most"], busy["now"])
            time.sleep(0.01)
            busy["now"] -= 1

        return table

    assert run(job_of([asset(number) for number in range(4)]), instance, at_once=1).success
    assert busy["most"] == 1


@pytest.mark.parametrize(("last", "is_good"), [("2024-01-02", True), ("2024-01-04", False)])
def test_a_step_of_several_days_is_executed_for_one_after_the_other_until_one_fails(
    instance: dg.DagsterInstance, last: str, is_good: bool
) -> None:
    begun = []
    of_days: Any = {"partitions_def": dg.DailyPartitionsDefinition("2024-01-01")}

    @dg.asset(**of_days, backfill_policy=dg.BackfillPolicy.single_run())
    def table(context: dg.AssetExecutionContext) -> None:
        begun.append(context.partition_key)
        if context.partition_key == "2024-01-03":
            raise ValueError("no")

    @dg.asset_check(asset=table, **of_days)
    def each() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset_check(asset=table, **of_days, op_tags=LAST_DAY)
    def at_last() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    tags = {RANGE_START: "2024-01-01", RANGE_END: last}
    job = job_of([table], [each, at_last])
    result = execute(job, instance, str(uuid4()), run_config={}, tags=tags)
    assert result.success == is_good
    assert begun == ["2024-01-01", "2024-01-02", *([] if is_good else ["2024-01-03"])]
    stored = instance.all_logs(result.run_id)
    made = [
        e.dagster_event.partition
        for e in stored
        if e.dagster_event and e.dagster_event.is_step_materialization
    ]
    assert made == ["2024-01-01", "2024-01-02"]
    seen = Counter(e.event_type_value for e in result.events_for_node("table") if e.is_step_event)
    assert seen == Counter(
        e.get_dagster_event().event_type_value
        for e in stored
        if e.step_key == "table" and e.get_dagster_event().is_step_event
    )
    assert (seen["STEP_START"], seen["STEP_SUCCESS"], seen["STEP_FAILURE"]) == (1, is_good, not is_good)
    days_of = {name: [] for name in ("each", "at_last")}
    for found in result.get_asset_check_evaluations():
        days_of[found.check_name].append(found.partition)
    assert days_of == ({"each": begun, "at_last": begun[-1:]} if is_good else {"each": [], "at_last": []})


def graph_with_every_outcome(tried: Counter[str]) -> tuple[list[Any], list[Any]]:
    """Assets and checks that succeed, fail, are retried and are blocked."""

    @dg.asset
    def good() -> int:
        return 1

    @dg.asset
    def bad() -> None:
        raise ValueError("no")

    @dg.asset(retry_policy=Retries(max_retries=RETRIES.max_retries))
    def late() -> None:
        tried["late"] += 1
        if tried["late"] < 3:
            raise OSError("storage")

    @dg.asset_check(asset=good, blocking=True)
    def blocks() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False)

    @dg.asset_check(asset=late)
    def warns() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)

    @dg.asset
    def after_good(good: int) -> None: ...

    @dg.asset(deps=[bad])
    def after_bad() -> None: ...

    @dg.asset(deps=[late])
    def after_late() -> None: ...

    return [good, bad, late, after_good, after_bad, after_late], [blocks, warns]


def told(result: dg.ExecuteInProcessResult) -> tuple[Counter[tuple[str | None, str]], set[tuple[str, bool]]]:
    """How often each step had each event, and what the checks found."""
    events = Counter((event.step_key, event.event_type_value) for event in result.all_events)
    return events, {(check.check_name, check.passed) for check in result.get_asset_check_evaluations()}


def test_a_run_has_the_same_events_as_with_the_in_process_executor(instance: dg.DagsterInstance) -> None:
    job = job_of(*graph_with_every_outcome(Counter()))
    of_dagster = job_of(*graph_with_every_outcome(Counter())).execute_in_process(
        instance=instance, raise_on_error=False
    )
    result = run(job, instance)
    assert not result.success
    assert told(result) == told(of_dagster)


def test_each_step_has_its_events_in_order_and_follows_its_inputs(instance: dg.DagsterInstance) -> None:
    result = run(job_of(*graph_with_every_outcome(Counter())), instance)
    stored = [record.event_log_entry for record in instance.get_records_for_run(result.run_id).records]
    for events in (result.all_events, [e.dagster_event for e in stored if e.dagster_event]):
        order = [(event.step_key, event.event_type_value) for event in events]
        for step in ("good", "late", "after_late"):
            assert order.index((step, "STEP_START")) < order.index((step, "STEP_SUCCESS"))
        assert order.index(("late", "STEP_SUCCESS")) < order.index(("after_late", "STEP_START"))


def test_a_step_that_waits_for_a_pool_starts_when_it_is_free(instance: dg.DagsterInstance) -> None:
    storage, other_run, here = instance.event_log_storage, str(uuid4()), Barrier(2)
    storage.set_concurrency_slots("table", 1)
    storage.claim_concurrency_slot("table", other_run, "writes")

    @dg.asset(pool="table")
    def pooled() -> None:
        here.wait(SECONDS)

    @dg.asset
    def working() -> None:
        storage.free_concurrency_slots_for_run(other_run)
        here.wait(SECONDS)

    assert run(job_of([pooled, working]), instance).success


def test_a_run_that_has_ended_holds_no_pool(instance: dg.DagsterInstance) -> None:
    @dg.asset
    def other() -> None: ...

    @dg.asset(pool="table")
    def pooled() -> None: ...

    storage, ended = instance.event_log_storage, run(job_of([other]), instance).run_id
    storage.set_concurrency_slots("table", 1)
    storage.claim_concurrency_slot("table", ended, "writes")
    assert run(job_of([pooled]), instance).success


def test_a_run_waits_for_a_pool_without_work(instance: dg.DagsterInstance) -> None:
    storage, other_run = instance.event_log_storage, str(uuid4())
    storage.set_concurrency_slots("table", 1)
    storage.claim_concurrency_slot("table", other_run, "writes")

    @dg.asset(pool="table")
    def pooled() -> None: ...

    began, used = time.monotonic(), time.process_time()
    end = Timer(3, storage.free_concurrency_slots_for_run, (other_run,))
    end.start()
    assert run(job_of([pooled]), instance).success
    end.join()
    assert time.process_time() - used < (time.monotonic() - began) / 2


def test_a_hook_runs_after_its_step(instance: dg.DagsterInstance) -> None:
    seen = []

    @dg.failure_hook
    def alert(context: dg.HookContext) -> None:
        seen.append(context.op.name)

    @dg.op
    def fails() -> None:
        raise ValueError("no")

    @dg.job(hooks={alert}, executor_def=threads)
    def recovery() -> None:
        fails()

    assert not run(recovery, instance).success
    assert seen == ["fails"]


def test_a_partition_and_a_selection(instance: dg.DagsterInstance) -> None:
    days = dg.StaticPartitionsDefinition(["monday", "tuesday"])
    computed = []

    @dg.asset(partitions_def=days)
    def chosen(context: dg.AssetExecutionContext) -> None:
        assert current_thread() is not main_thread()
        computed.append(context.partition_key)

    @dg.asset(partitions_def=days)
    def other() -> None:
        computed.append("other")

    result = execute(
        job_of([chosen, other]),
        instance,
        str(uuid4()),
        run_config={},
        partition_key="tuesday",
        tags={"why": "test"},
        asset_selection={dg.AssetKey("chosen")},
    )
    assert (result.success, computed, result.dagster_run.tags["why"]) == (True, ["tuesday"], "test")


def test_an_interrupted_run_does_not_wait_for_its_steps(instance: dg.DagsterInstance) -> None:
    here, never = Barrier(2), Barrier(3)
    instance.event_log_storage.set_concurrency_slots("table", 1)

    @dg.asset(pool="table")
    def interrupting() -> None:
        here.wait(SECONDS)
        signal.siginterrupt(signal.SIGINT, False)  # as the handler of Sail's server does: a wait goes on
        os.kill(os.getpid(), signal.SIGINT)
        never.wait(SECONDS)

    @dg.asset
    def working() -> None:
        here.wait(SECONDS)
        never.wait(SECONDS)

    with pytest.raises(KeyboardInterrupt):
        run(job_of([interrupting, working]), instance)
    assert never.n_waiting, "both have ended"
    assert instance.event_log_storage.get_concurrency_run_ids() == set()
    never.abort()
    (stopped,) = instance.get_runs()
    assert stopped.is_failure  # CANCELED if it was requested in the Dagster UI
    failed = instance.all_logs(stopped.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    messages = [f.message for entry in failed[:2] for f in failures_of(entry.get_dagster_event())]
    assert messages == ["stopped before it was finished; run it again"] * 2
