"""Cases with known answers give these answers, through the whole pipeline."""

from pathlib import Path

import numpy as np
import pytest

from cip_assets.cli.conformance import _run_case
from cip_assets.config.rules import Rules
from cip_assets.synthetic.conformance import (
    Expectation,
    Finding,
    cdnow_conformance,
    generated_conformance,
)


def test_cdnow_gives_the_published_figures(cdnow_wheel: Path, rules: Rules) -> None:
    found = cdnow_conformance(_run_case, rules, cdnow_wheel)
    assert [finding.name for finding in found.findings if not finding.conforms] == []
    assert len(found.findings) == 16
    sums = {each.name: (each.expected, each.came) for each in found.expectations}
    assert sums["purchases in the following 39 weeks"] == pytest.approx((1653, 1882), abs=1)
    assert sums["spend in the following 39 weeks"] == pytest.approx((60_003, 70_976), abs=10)
    # Repeat purchases of new customers: the path stays within three standard errors.
    path = [each for each in found.expectations if each.name.startswith("repeat")]
    assert [each.came for each in path] == [839, 1753, 2462, 3188, 3848, 4339]
    assert max(abs(each.expected - each.came) / each.error for each in path) < 3
    assert found.auc == pytest.approx({"expected purchases": 0.773, "recency": 0.771}, abs=1e-3)


def test_the_standard_error_of_a_sum_is_that_of_its_customers() -> None:
    found = Expectation.of_customers("sum", np.array([1.0, 1.0, 1.0, 1.0]), np.array([0.0, 2.0, 0.0, 4.0]))
    # Differences -1, 1, -1, 3 have a variance of 2.75; the sum of four has one of 11.
    assert (found.expected, found.came) == (4.0, 6.0)
    assert found.error == pytest.approx(11**0.5)


@pytest.mark.parametrize(
    ("finding", "conforms"),
    [
        (Finding.of_published("r", 0.243, 0.2453), True),
        (Finding.of_published("r", 0.243, 0.2456), False),
        (Finding.of_published("log-likelihood", -9582.4, -9582.45), True),
        (Finding.of_published("log-likelihood", -9582.4, -9582.47), False),
    ],
)
def test_a_wrong_figure_is_detected(finding: Finding, *, conforms: bool) -> None:
    assert finding.conforms == conforms


def test_the_parameters_of_generated_customers_are_recovered(rules: Rules) -> None:
    found = generated_conformance(_run_case, rules, 4_000)
    assert [finding.name for finding in found if not finding.conforms] == []
    assert len(found) == 7 + 10
    deciles = [finding for finding in found if finding.name.startswith("decile")]
    # 3.4 standard errors of a share of 290 customers: a model that is wrong by more is told.
    assert 0.03 < max(decile.allowed for decile in deciles) < 0.11
