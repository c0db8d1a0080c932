"""Alerts: a failed run, a failed check and a stale table send one; a good check and a warning do not."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from cip_assets.config.errors import PlatformError
from cip_assets.orchestration.sensors.alerts import failed_checks, failed_runs, stale_tables
from cip_assets_tests.orchestration.test_alerts import webhook

Alerts = list[dict[str, str]]


@dg.asset
def table() -> None:
    """A good table."""


@dg.asset
def bad_table() -> None:
    raise PlatformError("returns: returns/bad.csv: line 2 is not UTF-8")


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Alerts]:
    with webhook() as (url, received):
        monkeypatch.setenv("CIP_ALERT_WEBHOOK", url)
        yield received


def checked(*, passed: bool, blocking: bool, severity: dg.AssetCheckSeverity) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=table, name="adds_up", blocking=blocking)
    def check() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, severity=severity, description="a cent is missing")

    return check


def run_and_tell(*definitions: object) -> str:
    """Run assets and checks, pass the end of the run to its sensor, and return the run's id."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(definitions, instance=instance, raise_on_error=False)  # type: ignore[arg-type]
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        ended = dg.DagsterEventType.RUN_SUCCESS if result.success else dg.DagsterEventType.RUN_FAILURE
        (entry,) = instance.all_logs(result.run_id, of_type=ended)
        context = dg.build_run_status_sensor_context(
            sensor_name="alerts",
            dagster_event=entry.get_dagster_event(),
            dagster_instance=instance,
            dagster_run=run,
        )
        if result.success:
            failed_checks(context)
        else:
            failed_runs(context.for_run_failure())
        return result.run_id


def test_the_alert_of_a_failed_run_has_the_step_and_the_reason(alerts: Alerts) -> None:
    run_id = run_and_tell(table, bad_table)
    (alert,) = alerts
    assert alert["kind"] == "run failed"
    assert alert["why"] == "bad_table: returns: returns/bad.csv: line 2 is not UTF-8"
    assert alert["link"].endswith(f"/runs/{run_id}")


def test_a_failed_blocking_check_is_reported_as_a_check(alerts: Alerts) -> None:
    run_and_tell(table, checked(passed=False, blocking=True, severity=dg.AssetCheckSeverity.ERROR))
    (alert,) = alerts
    assert (alert["kind"], alert["what"], alert["why"]) == (
        "check failed",
        "table adds_up",
        "a cent is missing",
    )


def test_a_failed_check_that_does_not_stop_the_run_is_also_reported(alerts: Alerts) -> None:
    run_and_tell(table, checked(passed=False, blocking=False, severity=dg.AssetCheckSeverity.ERROR))
    (alert,) = alerts
    assert (alert["kind"], alert["what"]) == ("check failed", "table adds_up")


@pytest.mark.parametrize(
    ("passed", "severity"), [(True, dg.AssetCheckSeverity.ERROR), (False, dg.AssetCheckSeverity.WARN)]
)
def test_a_good_check_and_a_warning_send_no_alert(
    alerts: Alerts, *, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    run_and_tell(table, checked(passed=passed, blocking=False, severity=severity))
    assert alerts == []


def test_a_stale_table_is_reported_once(alerts: Alerts) -> None:
    key = dg.AssetKey(["marts", "customer_360"])
    with dg.DagsterInstance.ephemeral() as instance:

        def becomes(state: FreshnessState) -> None:
            change = FreshnessStateChange(
                key=key, new_state=state, previous_state=FreshnessState.UNKNOWN, state_change_timestamp=0.0
            )
            instance._report_runless_asset_event(change)

        def looks(cursor: str | None) -> str | None:
            with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
                return stale_tables.evaluate_tick(context).cursor

        becomes(FreshnessState.FAIL)
        cursor = looks(None)
        assert alerts == []  # changes before the first poll are ignored
        becomes(FreshnessState.WARN)
        cursor = looks(cursor)
        assert alerts == []
        becomes(FreshnessState.FAIL)
        cursor = looks(cursor)
        looks(cursor)
    (alert,) = alerts
    assert (alert["kind"], alert["what"]) == ("stale", "marts/customer_360")
