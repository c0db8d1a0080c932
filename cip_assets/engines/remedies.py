"""What to do about the errors of an engine that a setting or an installation cures."""

from collections.abc import Mapping

REMEDIES: Mapping[str, str] = {
    "Failed to allocate additional": (
        "the queries that run at once need more memory; raise CIP_SAIL_MEMORY_GB, their limit in gigabytes"
    ),
    "No module named 'cip_assets'": (
        "a worker of the cluster lacks this package; install it, with the versions in constraints.txt, for the Python "
        "that PYSPARK_PYTHON names on each worker"
    ),
}
"""What an engine's error contains, and what to change."""


def remedy_for(message: str) -> str | None:
    """The remedy for an engine's error; None if none is known."""
    return next((remedy for sign, remedy in REMEDIES.items() if sign in message), None)
