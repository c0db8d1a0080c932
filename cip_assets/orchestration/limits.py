"""Limits of steps: how often a step is tried, which steps can run at the same time, and which begin first."""

import sys
from collections.abc import Collection, Mapping
from functools import cache

import dagster as dg

from cip_assets.config.errors import PlatformError
from cip_assets.contracts.source import SourceTable
from cip_assets.layers import FACTS_OF
from cip_assets.orchestration.failures import own_message


class Retries(dg.RetryPolicy):
    """Dagster's own retries, except in two cases.

    A problem that a person has to fix is not retried. A terminated step is not retried either, because its run would go
    on.
    """

    def calculate_delay(self, attempt_num: int) -> float:
        """The seconds to wait before a retry. Dagster calls this while it handles the exception of the step."""
        stopped = sys.exc_info()[1]
        if isinstance(stopped, PlatformError):
            raise dg.Failure(str(stopped), allow_retries=False) from stopped
        if own := own_message(str(stopped)):
            raise dg.Failure(own, allow_retries=False) from PlatformError(own)
        if isinstance(stopped, dg.DagsterExecutionInterruptedError | KeyboardInterrupt):
            raise stopped
        return super().calculate_delay(attempt_num)


RETRIES = Retries(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For temporary errors: a conflict of commits, or storage or an engine that does not answer. A problem that a person
has to fix is a ``PlatformError``, which is not retried.
"""

LAST_DAY = {"cip/days": "last"}
"""The tags of steps that a run of several days executes only for the last one (``executor``)."""


def pool_of(layer: str, table: str) -> str:
    """The pool of a table. It has one slot, so two runs never write the table at the same time."""
    return f"{layer}/{table}"


def priority(waiting: int) -> dict[str, str]:
    """The tags of a step that others wait for, this many one after the other. It begins before steps with fewer."""
    return {"dagster/priority": str(waiting)}


def priority_of_source(source: SourceTable) -> dict[str, str]:
    """The tags of the steps of a table that lands: those that facts wait for come first."""
    return priority(int(source.name in FACTS_OF))


def waiting_for(reads: Mapping[str, Collection[str]]) -> Mapping[str, int]:
    """How many tables wait for each one, one after the other: the longest chain of tables that read each other.

    Args:
        reads: the tables that each table reads.

    """

    @cache
    def chain(name: str) -> int:
        return max((chain(other) + 1 for other, read in reads.items() if name in read), default=0)

    return {name: chain(name) for name in reads}
