"""The sensors: they request runs for landed files, and send alerts about failures."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.sensors.alerts import failed_checks, failed_runs, stale_tables
from cip_assets.orchestration.sensors.exports import export_sensor
from cip_assets.orchestration.sensors.landing import landing_sensor
from cip_assets.orchestration.sensors.topics import topics


def all_sensors(graph: Graph, jobs: Mapping[str, Any]) -> list[dg.SensorDefinition]:
    """All sensors."""
    of_files = [landing_sensor(graph, jobs), export_sensor(graph, jobs)]
    return [*of_files, topics, failed_runs, failed_checks, stale_tables]
