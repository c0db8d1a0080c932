"""What a step may do: how often it is tried, and beside which others it runs."""

import sys

import dagster as dg


class Retries(dg.RetryPolicy):
    """Dagster's own, but for a run that is terminated: its step would be tried again too, and the run go on."""

    def calculate_delay(self, attempt_num: int) -> float:
        """The seconds to wait before a step is tried again; Dagster asks while it handles what stopped the step."""
        stopped = sys.exc_info()[1]
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
