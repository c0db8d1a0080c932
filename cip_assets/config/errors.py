"""Errors that a person can act on."""

from collections.abc import Collection


class PlatformError(Exception):
    """Something that the person who runs the platform can mend, and that trying again cannot.

    The message is one line: what is wrong, where (table, file, line, column), and what to do.
    The command line prints it without a traceback; Dagster shows it as the step's error, without a retry
    (``automation.limits``).
    """


NAMED = 12
"""So many months, days or files a message names."""


def listed(names: Collection[str]) -> str:
    """The names, in order; beyond ``NAMED`` the first ones and the number of the others."""
    shown = sorted(names)[:NAMED]
    return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
