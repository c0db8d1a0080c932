"""The four questions on data with known answers: planted trends are found, and without trends none are."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.analytics.insights.questions import QUESTIONS
from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.reporting.dashboard.figures import Figures
from cip_assets.reporting.dashboard.page import page
from cip_assets.synthetic import GeneratorConfig, Scenario, generate
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import rows_of

DAY = date(2026, 6, 30)
EXPECTED = {
    "repeat_purchases": "declining",
    "returns": "rising",
    "complaints": "rising",
    "engagement": "rising",
}


@pytest.mark.parametrize(
    ("scenario", "directions"),
    [
        ("story", {name: {direction} for name, direction in EXPECTED.items()}),
        ("steady", {name: {"no change", "cannot tell yet"} for name in EXPECTED}),
    ],
)
def test_the_dashboard_shows_the_planted_trends(
    tmp_path: Path, found: Figures, scenario: Scenario, directions: dict[str, set[str]]
) -> None:
    settings = Settings(tmp_path, ENGINE)
    generate(GeneratorConfig(customers=4_000, end=DAY, scenario=scenario, seed=5), settings.landing)
    platform = open_platform(settings, dg.DagsterInstance.ephemeral(), select=["marts/insights"])
    assert platform.run(as_of=DAY).succeeded
    answers = rows_of(settings, "marts/insights")
    found_directions = {row["question"]: row["direction"] for row in answers}
    assert [name for name, expected in directions.items() if found_directions[name] not in expected] == []
    # The answers are put into a dashboard of other data.
    text = page(Figures({**found.tables, "insights": answers}, found.cube), DAY, load_rules())
    asked = {question.name: question.asks for question in QUESTIONS}
    for row in answers:
        card = text.partition(f'data-question="{row["question"]}"')[2].partition("</section>")[0]
        assert asked[row["question"]] in card
        assert row["answer"] in card
