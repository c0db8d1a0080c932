"""The pages of marketing, product and support: the lists that each works from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cip_assets.app.page import Ask, NotFoundError, Page
from cip_assets.contracts.contract import AS_OF
from cip_assets.layers.marts.lists import LISTS, TEAMS, WorkList, lists

SHOWN = 100
"""The rows of a list that a page shows; its file has all of them."""


def _of(team: str) -> Callable[[Ask], Mapping[str, Any]]:
    own = [each for each in LISTS if each.team == team]

    def show(ask: Ask) -> Mapping[str, Any]:
        name = lists.contract.name
        if not ask.lake.has(name, ask.day):
            raise NotFoundError(
                f"{name} has no rows of {ask.day}. Compute them with: cip run --as-of {ask.day}"
            )
        if any("customer_id" in each.table.contract.columns for each in own):
            ask.look_up(f"lists of {team}", None)
        about = {row["list_name"]: row for row in ask.lake.rows(f'SELECT * FROM "{name}"', (), ask.day)}
        return {
            "team": team,
            "lists": [(each.table.contract.name, about[each.table.name], _rows(ask, each)) for each in own],
            "columns": {each.table.contract.name: _columns(each) for each in own},
            "shown": SHOWN,
        }

    return show


def _columns(work_list: WorkList) -> Sequence[str]:
    """The columns of a list, the place in it first."""
    return sorted((name for name in work_list.table.contract.columns if name != AS_OF), key="rank".__ne__)


def _rows(ask: Ask, work_list: WorkList) -> Sequence[Mapping[str, Any]]:
    query = f'SELECT * FROM "{work_list.table.contract.name}" ORDER BY rank LIMIT {SHOWN}'
    return ask.lake.rows(query, (), ask.day)


TEAM_PAGES: Sequence[Page] = tuple(
    Page(f"/{team}", "team.html.jinja", _of(team), team.capitalize()) for team in TEAMS
)
