"""Accepting a full delivery that the limits of the rules refuse: a config of the steps that write it."""

from collections.abc import Collection, Mapping

import dagster as dg
from pydantic import Field

from cip_assets.config.errors import PlatformError
from cip_assets.layers import SNAPSHOT_TABLES


class AcceptConfig(dg.Config):
    """Whether to accept a delivery that would be refused for its size."""

    accept: bool = Field(
        default=False,
        description="Set this to true to accept the newest delivery even if quality.max_delivery_drop or "
        "max_delivery_growth of the rules refuses it.",
    )


def check_accepted(tables: Collection[str]) -> None:
    """Check that deliveries of these tables can be accepted.

    Raises:
        PlatformError: one of them is not a table of full deliveries.

    """
    unknown = sorted(set(tables) - set(SNAPSHOT_TABLES))
    if unknown:
        raise PlatformError(
            f"--accept {unknown[0]}: only full deliveries are refused for their size. "
            f"Choose one of: {', '.join(SNAPSHOT_TABLES)}"
        )


def config_to_accept(tables: Collection[str]) -> Mapping[str, object]:
    """The config of a run that accepts the newest deliveries of these tables, whatever their size."""
    steps = [step for table in sorted(tables) for step in (f"raw__{table}", f"clean_{table}")]
    return {"ops": {step: {"config": {"accept": True}} for step in steps}} if steps else {}
