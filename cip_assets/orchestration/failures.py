"""Finds the one error of a failed step that a person needs to read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.engines.remedies import remedy_for
from cip_assets.storage.trouble import trouble

OWN = re.compile(r"cip_assets[.]config[.]errors[.]PlatformError: (.*)")
"""The platform's own error, also in the error of an engine whose task raised it."""


def own_message(message: str) -> str | None:
    """The platform's own error in that of an engine; None if there is none."""
    own = OWN.search(message)
    return own[1].strip() if own else None


@dataclass(frozen=True)
class Failure:
    """A step that failed, with its root error in one line."""

    step: str
    message: str


def failures_of(event: dg.DagsterEvent, settings: Settings | None = None) -> Iterator[Failure]:
    """The root error of a failed step. The failure of a blocking check is reported by the check instead."""
    return root_of(event.step_failure_data.error, str(event.step_key), settings)


def root_of(error: Any, step: str, settings: Settings | None = None) -> Iterator[Failure]:
    """The platform's own error if there is one in the chain, otherwise what the first cause means."""
    while error is not None and error.cause is not None and error.cls_name != "PlatformError":
        error = error.cause
    name = error.cls_name if error else "unknown error"
    message = (error.message if error else "").strip()
    if name == "DagsterAssetCheckFailedError":
        return
    if name == "DagsterExecutionInterruptedError":
        yield Failure(step, "stopped before it was finished; run it again")
        return
    own = own_message(message)
    text = own or message.removeprefix(f"{name}: ").partition("\n")[0].strip()
    if not own and name != "PlatformError":
        remedy = remedy_for(message)
        found = trouble(message, settings) if settings else None
        text = found or f"{name}: {text}" + (f" ({remedy})" if remedy else "")
    yield Failure(step, text)
