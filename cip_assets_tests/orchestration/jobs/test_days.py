"""The job snapshot_days."""

from pathlib import Path

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import SNAPSHOT_DAYS
from cip_assets.orchestration.runs import Platform
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE

PURCHASES = "features/purchases"


def run(platform: Platform, first: str, last: str) -> dg.ExecuteInProcessResult:
    config = {"ops": {"compute_days": {"config": {"first": first, "last": last, "select": [PURCHASES]}}}}
    return platform.definitions.resolve_job_def(SNAPSHOT_DAYS).execute_in_process(
        instance=platform.instance, run_config=config, raise_on_error=False
    )


def test_a_range_of_days_is_one_run_in_which_each_day_is_carried_from_the_one_before(healthy: Path) -> None:
    platform = open_platform(Settings(healthy, ENGINE))
    with platform.instance:
        assert run(platform, "2024-02-11", "2024-02-14").success
        uri = platform.settings.table_uri(*PURCHASES.split("/"))
        written = [(c.audit.get("partition"), c.audit.get("carried_from")) for c in delta.commits(uri)]
        # The 12th was computed before, and no row up to it has changed since.
        assert written[:4] == [
            ("2024-02-14", "2024-02-13"),
            ("2024-02-13", "2024-02-12"),
            ("2024-02-11", None),
            ("2024-02-12", None),
        ]
        refused = run(platform, "2024-02-14", "2024-02-11")
        assert not refused.success
        (failure,) = (event for event in refused.all_events if event.is_step_failure)
        assert "the first one first" in str(failure.step_failure_data.error)
