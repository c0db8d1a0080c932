"""The Dagster entry point: everything the platform consists of, wired together."""

from collections.abc import Mapping

import dagster as dg
from dagster_deltalake import LocalConfig

from cip_assets.config.settings import Settings
from cip_assets.orchestration import event_storage as sqlite  # noqa: F401 -- listens to the connections of Dagster's storage
from cip_assets.orchestration.assets import ASSETS
from cip_assets.orchestration.checks import CHECKS
from cip_assets.orchestration.freshness import with_policies
from cip_assets.orchestration.guard import RunEngine
from cip_assets.orchestration.io_manager import SparkDeltaIOManager
from cip_assets.orchestration.jobs.all_jobs import JOBS
from cip_assets.orchestration.jobs.recovery import IN_MEMORY
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.schedules import SCHEDULES
from cip_assets.orchestration.sensors import SENSORS


def build_definitions(settings: Settings, overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """The whole graph, on one data folder and engine.

    Args:
        settings: where the data lies and what computes.
        overrides: resources to use instead of the usual ones, by name.

    """
    engine = RunEngine(engine=settings.engine)
    lake = LakeResource(data_dir=str(settings.data_dir), engine_name=settings.engine)
    resources: dict[str, object] = {
        "engine": engine,
        "lake": lake,
        "io_manager": SparkDeltaIOManager(
            root_uri=str(settings.lake), storage_options=LocalConfig(), engine=engine, lake=lake
        ),
        IN_MEMORY: dg.mem_io_manager,
        **(overrides or {}),
    }
    return dg.Definitions(
        assets=with_policies(ASSETS),
        asset_checks=CHECKS,
        jobs=JOBS,
        sensors=SENSORS,
        schedules=SCHEDULES,
        resources=resources,
        # A process per step would start an engine per step.
        executor=dg.in_process_executor,
    )


defs = build_definitions(Settings.from_environment())
