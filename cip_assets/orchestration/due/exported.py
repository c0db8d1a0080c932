"""What Dagster knows of the files in ``final``: their last materializations."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.ingest.in_step import Written
from cip_assets.storage import inputs
from cip_assets.storage.files import hash_file

Made = dg.AssetMaterialization | None
"""The last materialization of a file; None if it was never exported."""


def last_made(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> Mapping[dg.AssetKey, Made]:
    """The last materializations of some files."""
    wanted = [*keys]
    events = instance.event_log_storage.get_latest_materialization_events(wanted)
    return {key: event.asset_materialization if (event := events.get(key)) else None for key in wanted}


def file_written(settings: Settings, made: Made, day: date) -> Written | None:
    """What wrote a file in ``final``, if that was for the day and the file is unchanged since."""
    if made is None or made.partition != day.isoformat():
        return None
    metadata = _metadata(made)
    path = settings.final / Path(str(metadata.get("path"))).name
    if not path.is_file() or hash_file(path)[1] != metadata.get("sha256"):
        return None
    rows = metadata.get("dagster/row_count")
    return Written(
        0,
        None if rows is None else int(rows),
        (made.tags or {}).get("dagster/code_version"),
        inputs.told_in(metadata),
        str(metadata["sha256"]),
    )


def read_for_file(instance: dg.DagsterInstance, key: dg.AssetKey) -> inputs.Inputs:
    """The versions that a file in ``final`` was computed from; none if it was not exported."""
    made = last_made(instance, [key])[key]
    return inputs.told_in(_metadata(made)) if made else {}


def _metadata(made: dg.AssetMaterialization) -> Mapping[str, Any]:
    return {name: value.value for name, value in made.metadata.items()}
