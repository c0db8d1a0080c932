"""Some tries of ``make torture``, on a part of the graph, without the sensor's.

test_killed.py kills a run between cleaning and its checks.
"""

import pytest

from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.torture.tries import SENSOR, Torture, planted

SELECTED = ["exports/kpi_monthly_revenue"]
HARDEST = (
    "a Parquet file of raw/transactions",
    "the first file is being exported",
    "a table is compacted",
)


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Torture:
    return Torture(tmp_path_factory.mktemp("torture"), ENGINE, SELECTED)


@pytest.mark.parametrize("moment", HARDEST)
def test_after_a_kill_the_next_run_leaves_what_an_undisturbed_one_does(torture: Torture, moment: str) -> None:
    commands = [attempt for attempt in planted() if attempt.command != SENSOR]
    (attempt,) = [attempt for attempt in commands if attempt.moment.name.startswith(moment)]
    result = torture.disturb(attempt)
    assert result.was_killed
    assert result.wrong == []
