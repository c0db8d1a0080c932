"""What a step may do: how often it is tried, and beside which others it runs."""

import sys

import dagster as dg

from cip_assets.config.errors import PlatformError


class Retries(dg.RetryPolicy):
    """Dagster's own, but for two things that it would try again too.

    What a person has to mend stays as it is. A run that is terminated would go on.
    """

    def calculate_delay(self, attempt_num: int) -> float:
        """The seconds to wait before a step is tried again; Dagster asks while it handles what stopped the step."""
        stopped = sys.exc_info()[1]
        if isinstance(stopped, PlatformError):
            raise dg.Failure(str(stopped), allow_retries=False) from stopped
        if isinstance(stopped, dg.DagsterExecutionInterruptedError | KeyboardInterrupt):
            raise stopped
        return super().calculate_delay(attempt_num)


RETRIES = Retries(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""For what can pass: a conflict of commits, a storage or an engine that does not answer. What a person has to
mend is a ``PlatformError``, and that is not tried again.
"""

FIRST = {"dagster/priority": "1"}
"""Tags of steps that go before others that are ready too: what customer_360 waits for."""


def pool_of(layer: str, table: str) -> str:
    """The pool of a table, in which one step at a time has a place: two runs never write it at once."""
    return f"{layer}/{table}"
