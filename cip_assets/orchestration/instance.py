"""A Dagster instance that refuses invalid runs before anything is stored or started, so that the UI shows it at once.

``dagster.yaml`` names the class. Every Dagster process loads it: the web server, the daemon and each run.
"""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

# Dagster asks a subclass for its defaults, and its own defaults and their types have no public name.
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from cip_assets.config.errors import PlatformError
from cip_assets.config.folders import plain_path
from cip_assets.config.rules import load_rules, rules_file
from cip_assets.config.settings import DAGSTER_SETTINGS
from cip_assets.orchestration import event_storage
from cip_assets.orchestration.asked import BY_DAY, days_of, refuse_partitions, refuse_too_many
from cip_assets.orchestration.run_tags import PARTITION, RANGE_START

UNSAFE_FOR_SQLITE = frozenset("?*[")
"""Characters that Dagster does not escape when it turns the path of its SQLite files into a URL and a file pattern."""

TO_THE_CONSOLE: Any = {
    "compute_logs": {
        "module": "dagster.core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
"""A setting that leaves the output of a run in this process to its caller. To store it for the Dagster UI, Dagster
would start four more processes per run.
"""

AT_ONCE = 1000
"""The most events that are stored in one transaction."""

SETTING = """
instance_class:                   # refuses runs without a day or a month, or of too many days
  module: cip_assets.orchestration.instance
  class: Instance
"""
"""The part of ``dagster.yaml`` that makes Dagster use the class."""


class Instance(dg.DagsterInstance):
    """Dagster's own instance, which also refuses invalid runs.

    Raises:
        PlatformError: from ``add_backfill``, ``create_run`` and ``create_run_for_job``; it says what to start instead.

    """

    @staticmethod
    def config_schema() -> Mapping[str, Any]:
        """There are no settings."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """Dagster's defaults except for the history's storage, which ``dagster.yaml`` can replace with PostgreSQL."""
        files = ConfigurableClassData(
            event_storage.__name__, "Storage", yaml.safe_dump({"base_dir": base_dir})
        )
        return {**InstanceRef.config_defaults(base_dir), "storage": files}

    def _get_event_batch_size(self) -> int:
        """How many events of an asset's months, or of a run's plan, are stored at once. Only our storage gains by it.

        Dagster has no other name for it than a variable of the environment.
        """
        kept = isinstance(self.event_log_storage, event_storage.Events)
        return AT_ONCE if kept else super()._get_event_batch_size()

    def add_backfill(self, partition_backfill: Any) -> None:
        """Store a backfill for the daemon, unless it has too many days."""
        refuse_too_many(days_of(partition_backfill), _most_days())
        super().add_backfill(partition_backfill)

    def create_run(self, **options: Any) -> dg.DagsterRun:
        """Store a run that is started in the Dagster UI, by the daemon or by `dagster job launch`."""
        plan = options["execution_plan_snapshot"]
        steps = [step for step in plan.steps if step.key in plan.step_keys_to_execute] if plan else []
        made = {output.entity_key for step in steps for output in step.outputs} - {None}
        tags = self._tags_of_run(made, options["asset_graph"], options["tags"] or {}, _most_days())
        return super().create_run(**{**options, "tags": tags})

    def create_run_for_job(self, job_def: dg.JobDefinition, *args: Any, **options: Any) -> dg.DagsterRun:
        """Store a run that is executed in this process, such as by `dagster job execute`."""
        layer = job_def.asset_layer
        made = {key for part in layer.data for key in part.assets_def.asset_and_check_keys}
        if chosen := options.get("asset_selection"):  # the definition can be that of the whole job
            made = {key for key in made if getattr(key, "asset_key", key) in chosen}
        tags = self._tags_of_run(made, layer.asset_graph, options.get("tags") or {})
        return super().create_run_for_job(job_def, *args, **{**options, "tags": tags})

    def _tags_of_run(
        self, made: Collection[Any], graph: Any, tags: Mapping[str, str], most_days: int = 1
    ) -> dict[str, str]:
        """The tags of a run that makes these assets and checks.

        The Dagster UI executes checks without a day. They get the day for which their assets were last computed.
        """
        assets = {key for key in made if isinstance(key, dg.AssetKey)}
        checked = {key.asset_key for key in made if isinstance(key, dg.AssetCheckKey)}
        by_day = {key for key in checked if key.path[0] in BY_DAY}
        if by_day and not assets and not tags.keys() & {PARTITION, RANGE_START}:
            return {**tags, PARTITION: self._computed_last(by_day)}
        known = {key for key in assets | by_day if graph.has(key)}
        refuse_partitions({key: graph.get(key).partitions_def for key in known}, tags, most_days)
        return dict(tags)

    def _computed_last(self, assets: Collection[dg.AssetKey]) -> str:
        """The day for which the assets were last computed."""
        days: dict[str, str] = {}
        for key in sorted(assets):
            event = self.get_latest_materialization_event(key)
            made = event.asset_materialization if event else None
            if made is None or made.partition is None:
                raise PlatformError(
                    f"{key.to_user_string()} has not been computed yet, so there is nothing to check; "
                    "materialize it first"
                )
            days.setdefault(made.partition, key.to_user_string())
        if len(days) > 1:
            last = " and ".join(f"{name} for {day}" for day, name in sorted(days.items()))
            raise PlatformError(
                f"these checks have no common day: {last} were computed last; execute the checks of one asset at a time"
            )
        return next(iter(days))


def _most_days() -> int:
    """The most days of one run or backfill, according to the rules."""
    return load_rules(rules_file()).operations.max_days_at_once


def open_instance(home: Path) -> dg.DagsterInstance:
    """Open the Dagster instance of a data folder, for runs in this process; the first use writes its settings file.

    Raises:
        PlatformError: the folder cannot be created.

    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlatformError(
            f"{home.parent} cannot be the data folder ({error.strerror}): set CIP_DATA_DIR to another one"
        ) from error
    if UNSAFE_FOR_SQLITE & set(str(home)):
        home = plain_path(home)
    settings = home / "dagster.yaml"
    if not settings.exists():
        shutil.copyfile(DAGSTER_SETTINGS, settings)
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=TO_THE_CONSOLE))


def add_setting(home: Path) -> bool:
    """Add the class to the settings of a data folder that was first used with an earlier version.

    Returns:
        Whether the setting was added.

    """
    settings = home / "dagster.yaml"
    if not settings.exists() or "instance_class:" in settings.read_text("utf-8"):
        return False
    with settings.open("a", encoding="utf-8") as stream:
        stream.write(SETTING)
    return True
