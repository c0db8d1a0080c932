"""Cases with known answers give these answers, through the whole pipeline."""

from pathlib import Path

import pytest

from cip_assets.cli.conformance import _run_case
from cip_assets.config.rules import Rules
from cip_assets.synthetic.conformance import Finding, cdnow_conformance, generated_conformance


def test_cdnow_gives_the_published_figures(cdnow_wheel: Path, rules: Rules) -> None:
    found = cdnow_conformance(_run_case, rules, cdnow_wheel)
    assert [finding.name for finding in found.findings if not finding.conforms] == []
    assert len(found.findings) == 8
    assert found.actual_purchases == 1882
    assert found.expected_purchases == pytest.approx(1653, abs=1)


@pytest.mark.parametrize(
    ("finding", "conforms"),
    [
        (Finding.of_published("r", 0.243, 0.2453), True),
        (Finding.of_published("r", 0.243, 0.2456), False),
        (Finding.of_published("log-likelihood", -9582.4, -9582.44), True),
        (Finding.of_published("log-likelihood", -9582.4, -9582.46), False),
    ],
)
def test_a_wrong_figure_is_detected(finding: Finding, *, conforms: bool) -> None:
    assert finding.conforms == conforms


def test_the_parameters_of_generated_customers_are_recovered(rules: Rules) -> None:
    found = {finding.name: finding for finding in generated_conformance(_run_case, rules, 4_000)}
    for name in ("r", "alpha", "a", "b", "p", "q", "gamma"):
        assert found[name].conforms, found[name]
    deciles = [finding for name, finding in found.items() if name.startswith("purchase_model, decile")]
    # With only 290 customers per decile, a share of 50% has a standard error of 3 points. Three of them are allowed.
    assert len(deciles) == 10
    assert max(abs(decile.got - decile.known) for decile in deciles) < 0.09
