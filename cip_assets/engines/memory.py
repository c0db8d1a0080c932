"""What to do when an engine runs out of memory."""

from collections.abc import Mapping

REMEDIES: Mapping[str, str] = {
    "Failed to allocate additional": (
        "the queries that run at once need more memory; raise CIP_SAIL_MEMORY_GB, their limit in gigabytes"
    ),
}
"""What an engine's error contains, and which setting to change."""


def remedy_for(message: str) -> str | None:
    """The remedy for an engine's error; None if it is not about memory."""
    return next((remedy for sign, remedy in REMEDIES.items() if sign in message), None)
