"""Nothing that is computed changes unless it is meant to."""

import copy

import pytest

from cip_assets.reporting.dashboard.figures import Figures
from cip_assets_tests.golden import changes, golden, kept
from cip_assets_tests.sample import Sample


@pytest.mark.engine
def test_every_table_and_file_of_the_sample_is_what_it_was(sample: Sample, found: Figures) -> None:
    different = changes(kept(), golden(sample.settings, found))
    assert different == [], "meant? then run `python -m cip_assets_tests.golden`"


def test_a_change_names_the_table_and_the_column() -> None:
    before, after = copy.deepcopy(kept()), copy.deepcopy(kept())
    after["marts/kpi_totals"]["buyers"] = "another"
    del after["features/churn"]
    after["final/new.csv"] = {"sha256": "1"}
    assert changes(before, after) == [
        "features/churn: gone",
        "final/new.csv: new",
        "marts/kpi_totals: buyers",
    ]
