"""Accepting a delivery of a full snapshot that the limits of the rules refuse: a config of the steps that write it."""

from collections.abc import Collection, Mapping

import dagster as dg
from pydantic import Field

from cip_assets.config.errors import PlatformError
from cip_assets.layers import SNAPSHOT_TABLES


class AcceptConfig(dg.Config):
    """What is taken in although it is unlikely."""

    accept: bool = Field(
        default=False,
        description="take the newest delivery although quality.max_delivery_drop or max_delivery_growth refuses it",
    )


def check_accepted(tables: Collection[str]) -> None:
    """See that deliveries of these tables can be accepted.

    Raises:
        PlatformError: one of them is no full snapshot.

    """
    unknown = sorted(set(tables) - set(SNAPSHOT_TABLES))
    if unknown:
        raise PlatformError(
            f"--accept {unknown[0]}: only deliveries of full snapshots are refused for their size; "
            f"take {' or '.join(SNAPSHOT_TABLES)}"
        )


def config_to_accept(tables: Collection[str]) -> Mapping[str, object]:
    """The config of a run that takes the newest deliveries of these tables whatever their size."""
    steps = [step for table in sorted(tables) for step in (f"raw__{table}", f"clean_{table}")]
    return {"ops": {step: {"config": {"accept": True}} for step in steps}} if steps else {}
