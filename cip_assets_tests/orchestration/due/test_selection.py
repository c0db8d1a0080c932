"""`cip run --select`: names of assets, or Dagster's syntax."""

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets_tests.conftest import Cip
from cip_assets_tests.graph import GRAPH, SNAPSHOT_ASSETS


def selected(*selections: str) -> set[str]:
    return {key.to_user_string() for key in GRAPH.selected(selections)}


NEEDED = {"exports/kpi_monthly_revenue", "marts/kpi_monthly_revenue"}


@pytest.mark.parametrize(
    "selection",
    [
        "exports/kpi_monthly_revenue",
        "+exports/kpi_monthly_revenue",
        'key:"exports/kpi_monthly*"',
        "marts/kpi_monthly_revenue, exports/kpi_monthly_revenue",
        "1+exports/kpi_monthly_revenue",
        'kind:csv and key:"*monthly*"',
    ],
)
def test_a_selection_includes_the_inputs(selection: str) -> None:
    assert selected(selection) == NEEDED


def test_several_selections_are_combined() -> None:
    assert selected("marts/kpi_monthly_revenue", "exports/kpi_monthly_revenue") == NEEDED


def test_without_a_selection_the_whole_snapshot_is_computed() -> None:
    everything = {key.to_user_string() for key in SNAPSHOT_ASSETS}
    assert selected() == selected("*") == selected('owner:"team:bi"') == everything


@pytest.mark.parametrize(
    ("selection", "has", "lacks"),
    [
        ("group:marts", "marts/insights", "exports/insights"),
        ("features/clv+", "exports/kpi_clv", "exports/kpi_trends"),
        ("tag:domain=sales", "exports/kpi_totals", "exports/segment_migration"),
        ("not group:exports", "marts/customer_360", "exports/customer_360"),
    ],
)
def test_groups_tags_and_what_is_downstream(selection: str, has: str, lacks: str) -> None:
    assert has in selected(selection)
    assert lacks not in selected(selection)


@pytest.mark.parametrize(
    "selection",
    ["marts/sales", "+marts/sales", "kpi_totals", "raw/returns", "group:raw", "group:", "", "marts(", "status:failed"]
)  # fmt: skip
def test_a_selection_without_snapshot_assets_is_refused_in_one_line_with_the_choices(selection: str) -> None:
    with pytest.raises(PlatformError) as refused:
        selected("group:marts", selection)
    assert str(refused.value).startswith(
        f"{selection!r} matches no asset of a snapshot. Choose one of: exports/customer_360, exports/customer_kpis, "
    )
    assert "\n" not in str(refused.value)


def test_the_command_line_refuses_it_before_anything_runs(cip: Cip) -> None:
    code, printed, said = cip("run", "--select", "group:nonsense")
    assert (code, printed) == (1, "")
    assert said.startswith("error 'group:nonsense' matches no asset of a snapshot. Choose one of: ")
