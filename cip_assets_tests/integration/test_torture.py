"""Some tries of ``make torture``, on a part of the graph, without the sensor's: ten kills, several in one folder.

test_killed.py kills a run between cleaning and its checks.
"""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.torture.tries import MAINTAIN, REPLAY, RESTORE, RUN, Attempt, Torture, planted

SELECTED = ["exports/kpi_monthly_revenue"]
SEQUENCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "an ingest": (
        (RUN, "a Parquet file of raw/transactions"),
        (RUN, "raw/transactions is committed"),
        (RUN, "a Parquet file of cleaned/transactions"),
        (RUN, "cleaned/transactions is committed"),
    ),
    "facts and exports": (
        (RUN, "a Parquet file of facts/order_days"),
        (RUN, "facts/order_days is committed"),
        (RUN, "the first file is being exported"),
    ),
    "what an operator starts": (
        (RESTORE, "its run is recorded"),
        (REPLAY, "the first month is cleaned again"),
        (MAINTAIN, "a table is compacted"),
    ),
}
"""Commands and moments, by what is disturbed. Each sequence is one try, and the run after it has to mend it all."""


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    return Torture(tmp_path_factory.mktemp("torture"), ENGINE, SELECTED)


def attempts_of(sequence: Sequence[tuple[str, str]]) -> Iterator[Attempt]:
    for command, moment in sequence:
        found = (a for a in planted() if a.command == command and a.moment.name.startswith(moment))
        yield next(found)


@pytest.mark.parametrize("disturbed", SEQUENCES)
def test_after_kills_the_next_run_leaves_what_an_undisturbed_one_does(
    torture: Torture, disturbed: str
) -> None:
    result = torture.disturb(*attempts_of(SEQUENCES[disturbed]))
    assert result.wrong == []
    assert result.was_killed == [True] * len(SEQUENCES[disturbed])
