"""Errors that a person can fix."""

from collections.abc import Collection


class PlatformError(Exception):
    """A problem that the person who runs the platform has to fix, because a retry cannot.

    The message is one line: what is wrong, where (table, file, line, column), and what to do.
    The command line prints it without a traceback. Dagster shows it as the step's error and does not retry
    (``orchestration.limits``).
    """


NAMED = 12
"""The number of months, days or files that a message names."""


def listed(names: Collection[str]) -> str:
    """The sorted names; if there are more than ``NAMED``, the first ones and the number of the others."""
    shown = sorted(names)[:NAMED]
    return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
