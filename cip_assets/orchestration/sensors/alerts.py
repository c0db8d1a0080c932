"""The sensors that send alerts: about failed runs, failed checks and stale tables."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.orchestration.alerts import Alert, send
from cip_assets.orchestration.failures import failures_of
from cip_assets.orchestration.jobs.refresh import failed_parts

ALERT_SECONDS = 15
"""How often to poll for failures; one poll costs Dagster a few tenths of a second."""


@dg.run_failure_sensor(
    minimum_interval_seconds=ALERT_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends an alert for every failed run, with its failed steps and checks and the reasons.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Send alerts about a failed run. If a check stopped the run, the alert is about the check."""
    run = context.dagster_run
    if failed_parts(context.instance, run.run_id):
        return  # the failed parts send their own alerts
    settings = Settings.from_environment()
    events = context.get_step_failure_events()
    failures = [failure for event in events for failure in failures_of(event, settings)]
    alerts = list(_failed_checks(context.instance, run.run_id))
    if failures or not alerts:
        why = "; ".join(f"{failure.step.replace('__', '/')}: {failure.message}" for failure in failures)
        why = why or context.failure_event.message or "the process of the run ended"
        alerts.append(Alert.of("run failed", run.job_name, why, f"runs/{run.run_id}"))
    for alert in alerts:
        send(alert, context.log)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=ALERT_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends an alert for every check that failed with severity ERROR but did not stop its run.",
)
def failed_checks(context: dg.RunStatusSensorContext) -> None:
    """Send alerts about the failed checks of a run that was completed."""
    for alert in _failed_checks(context.instance, context.dagster_run.run_id):
        send(alert, context.log)


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[Alert]:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check = entry.get_dagster_event().asset_check_evaluation_data
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            asset = check.asset_key.to_user_string()
            why = check.description or "the check did not pass"
            yield Alert.of("check failed", f"{asset} {check.check_name}", why, f"assets/{asset}?view=checks")


AT_ONCE = 200


@dg.sensor(
    minimum_interval_seconds=ALERT_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends an alert for every table that was not refreshed in the time that its freshness policy allows.",
)
def stale_tables(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Read the freshness changes since the last poll. Changes before the first poll are ignored."""
    after = int(context.cursor) if context.cursor else None
    records = context.instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(event_type=dg.DagsterEventType.FRESHNESS_STATE_CHANGE, after_cursor=after),
        limit=AT_ONCE if after is not None else 1,
        ascending=after is not None,
    )
    stale = []
    for record in records if after is not None else []:
        change: Any = record.event_log_entry.get_dagster_event().event_specific_data
        if change.new_state.value == "FAIL":
            stale.append(change.key.to_user_string())
            why = "not refreshed in the time that its freshness policy allows"
            send(Alert.of("stale", stale[-1], why, f"assets/{stale[-1]}"), context.log)
    cursor = max([after or 0, *(record.storage_id for record in records)])
    return dg.SensorResult(skip_reason=f"newly stale tables: {len(stale)}", cursor=str(cursor))
