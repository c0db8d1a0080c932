"""Published cases give the published figures, through the whole pipeline."""

from pathlib import Path

import pytest

from cip_assets.conformance import Finding, cdnow_conformance


def test_cdnow_gives_what_was_published(cdnow_wheel: Path) -> None:
    found = cdnow_conformance(cdnow_wheel)
    assert [finding.name for finding in found.findings if not finding.conforms] == []
    assert len(found.findings) == 8
    assert found.actual_purchases == 1882
    assert found.expected_purchases == pytest.approx(1653, abs=1)


@pytest.mark.parametrize(
    ("finding", "conforms"),
    [
        (Finding("r", 0.243, 0.2453), True),
        (Finding("r", 0.243, 0.2456), False),
        (Finding("log-likelihood", -9582.4, -9582.44), True),
        (Finding("log-likelihood", -9582.4, -9582.46), False),
    ],
)
def test_a_figure_that_is_off_is_seen(finding: Finding, *, conforms: bool) -> None:
    assert finding.conforms == conforms
