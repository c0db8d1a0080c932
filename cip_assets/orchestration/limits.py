"""Limits of steps: how often a step is tried, and which steps can run at the same time."""

import sys

import dagster as dg

from cip_assets.config.errors import PlatformError
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

FIRST = {"dagster/priority": "1"}
"""The tags of steps that run before other ready steps, because customer_360 waits for them."""

LAST_DAY = {"cip/days": "last"}
"""The tags of steps that a run of several days executes only for the last one (``executor``)."""


def pool_of(layer: str, table: str) -> str:
    """The pool of a table. It has one slot, so two runs never write the table at the same time."""
    return f"{layer}/{table}"
