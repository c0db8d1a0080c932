"""Steps are retried after temporary errors, never for problems that a person has to fix; tables have pools."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import DAGSTER_SETTINGS
from cip_assets.orchestration.failures import failures_of
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.limits import RETRIES, Retries, waiting_for
from cip_assets_tests.graph import ASSETS, CHECKS

AT_ONCE = Retries(max_retries=RETRIES.max_retries)
"""The same policy without its pauses."""


@pytest.mark.parametrize(
    ("errors", "attempts", "succeeds"),
    [
        ([], 1, True),
        ([OSError("storage")], 2, True),
        ([OSError("storage")] * 3, 4, True),
        ([OSError("storage")] * 4, 4, False),
        ([PlatformError("returns: bad.csv: line 2 is not UTF-8")], 1, False),
        (
            [RuntimeError("in a task: cip_assets.config.errors.PlatformError: returns: a.csv: it was moved")],
            1,
            False,
        ),
    ],
    ids=[
        "no error",
        "one retry",
        "three retries",
        "too many errors",
        "a person has to fix it",
        "the same, in a task",
    ],
)
def test_temporary_errors_are_retried(errors: list[Exception], attempts: int, succeeds: bool) -> None:
    tried: Counter[str] = Counter()

    @dg.asset(retry_policy=AT_ONCE)
    def table() -> None:
        tried["times"] += 1
        if tried["times"] <= len(errors):
            raise errors[tried["times"] - 1]

    result = dg.materialize([table], raise_on_error=False)
    assert (tried["times"], result.success) == (attempts, succeeds)


BAD_FILE = "returns: bad.csv: line 2 is not UTF-8"


class Refusing(dg.IOManager):
    """An asset whose file cannot be read."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...

    def load_input(self, context: dg.InputContext) -> None:
        raise PlatformError(BAD_FILE)


def refused(*definitions: Any, **options: Any) -> tuple[list[str], list[str]]:
    """The messages of the failed steps, and the retried steps."""
    result = dg.materialize(definitions, raise_on_error=False, **options)
    told = [f"{f.step}: {f.message}" for e in result.get_step_failure_events() for f in failures_of(e)]
    return told, [str(event.step_key) for event in result.all_events if event.is_step_up_for_retry]


def test_a_problem_in_a_task_of_the_engine_is_the_same_line() -> None:
    @dg.asset(retry_policy=RETRIES)
    def table() -> None:
        raise RuntimeError(f"in a task: cip_assets.config.errors.PlatformError: {BAD_FILE}\n  at line 7")

    assert refused(table) == ([f"table: {BAD_FILE}"], [])


def test_a_problem_that_a_person_has_to_fix_is_one_line_in_any_step() -> None:
    @dg.asset(retry_policy=RETRIES)
    def table() -> None: ...

    @dg.asset(retry_policy=RETRIES, deps=[table])
    def refusing() -> None:
        raise PlatformError(BAD_FILE)

    @dg.asset_check(asset=table, retry_policy=RETRIES)
    def check() -> dg.AssetCheckResult:
        raise PlatformError(BAD_FILE)

    @dg.asset(retry_policy=RETRIES, ins={"table": dg.AssetIn(input_manager_key="refusing")})
    def reading(table: Any) -> None: ...

    @dg.multi_asset(specs=[dg.AssetSpec("some"), dg.AssetSpec("more")], retry_policy=RETRIES)
    def begun() -> Iterator[dg.MaterializeResult]:
        yield dg.MaterializeResult("some")
        raise PlatformError(BAD_FILE)

    told, again = refused(table, refusing, check, reading, begun, resources={"refusing": Refusing()})
    assert sorted(told) == [f"{step}: {BAD_FILE}" for step in ("begun", "reading", "refusing", "table_check")]
    assert again == []


def test_an_op_without_the_retry_policy_also_reports_it() -> None:
    @dg.op
    def refusing() -> None:
        raise PlatformError(BAD_FILE)

    @dg.job
    def recovery() -> None:
        refusing()

    (event,) = recovery.execute_in_process(raise_on_error=False).get_step_failure_events()
    assert [failure.message for failure in failures_of(event)] == [BAD_FILE]


def test_the_pauses_between_retries_grow() -> None:
    pauses = [RETRIES.calculate_delay(attempt) for attempt in (1, 2, 3)]
    assert RETRIES.backoff == dg.Backoff.EXPONENTIAL
    assert all(pauses)


def test_a_terminated_step_is_not_retried() -> None:
    """Dagster's own policy would retry it, so the run would go on and succeed."""
    tried: Counter[str] = Counter()

    @dg.asset(retry_policy=AT_ONCE)
    def table() -> None:
        tried["times"] += 1
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(dg.DagsterExecutionInterruptedError):
            dg.materialize([table], instance=instance)
        (run,) = instance.get_runs()
        (failed,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    (failure,) = failures_of(failed.get_dagster_event())
    assert failure.message == "stopped before it was finished; run it again"
    assert (tried["times"], run.is_failure) == (1, True)  # CANCELED if it was requested in the Dagster UI


def test_every_step_has_the_retry_policy_and_every_table_its_own_pool() -> None:
    pools = []
    for definition in [*ASSETS, *CHECKS]:
        op = definition.op
        assert op.retry_policy is RETRIES, op.name
        if definition in ASSETS:
            pools.append(op.pool)
    assert None not in pools
    assert max(Counter(pools).values()) == 1


def test_the_longest_chain_of_tables_that_wait_is_counted() -> None:
    reads = {"orders": ("lines",), "rfm": ("orders",), "model": ("orders", "rfm"), "note": ("orders",)}
    assert waiting_for(reads) == {"orders": 2, "rfm": 1, "model": 0, "note": 0}


def test_what_the_forecast_model_is_learned_from_begins_before_other_tables() -> None:
    priorities = {key.path[-1]: int(a.op.tags.get("dagster/priority", 0)) for a in ASSETS for key in a.keys}
    chain = [priorities[table] for table in ("split_orders", "purchases", "forecast_model")]
    others = {"engagement", "preferences", "population", "returns", "kpi_activity", "customer_360"}
    assert chain[0] > chain[1] > chain[2] >= max(priorities[other] for other in others)


def settings_file() -> str:
    return DAGSTER_SETTINGS.read_text(encoding="utf-8")


def test_dagsters_settings_are_copied_into_a_data_folder_once(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 14400
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert not instance.telemetry_enabled
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: true}", encoding="utf-8")
    with open_instance(tmp_path) as instance:
        assert instance.telemetry_enabled


def test_the_block_for_postgres_is_valid_when_it_is_uncommented() -> None:
    lines = settings_file().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# storage:"))
    block = [line.removeprefix("# ") for line in lines[start:] if line.startswith("# ")]
    content = yaml.safe_load("\n".join(block))
    assert content["storage"]["postgres"]["postgres_url"] == {"env": "CIP_POSTGRES_URL"}
    whole = {**yaml.safe_load(settings_file()), **content}
    assert validate_config(dagster_instance_config_schema(), whole).success
