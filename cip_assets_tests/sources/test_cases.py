"""Exports of known systems and of none, in ``cases``: each is read as its ``expect.yaml`` says, and no trap is fallen into.

A case is a folder with the files (``in``) and what they say: the figures by the names of kpi_totals.csv, the orders that
are left out by their kind, what is asked, and ``traps``: figures that a wrong reading gives.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import Adopted, Answers, adopt
from cip_assets.sources.config import KINDS, OTHER_KINDS
from cip_assets.sources.convert import lines_of
from cip_assets.sources.presets import presets
from cip_assets.sources.reading.dialect import detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import members

CASES = {
    path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "cases").glob("*/expect.yaml"))
}
READ = [name for name, expected in CASES.items() if not expected.get("refused")]
REFUSED = [name for name in CASES if name not in READ]

FIGURES = (
    "orders",
    "order_lines",
    "buyers",
    "guest_orders",
    "total_revenue",
    "charged",
    "refunded",
    "returned_amount",
    "net_revenue",
    "first_order_day",
    "last_order_day",
    "currency",
)


@dataclass(frozen=True)
class Case:
    """A case that was read: what is expected, what was adopted, and the figures as texts."""

    expected: Mapping[str, Any]
    adopted: Adopted
    figures: Mapping[str, str | None]
    lines: duckdb.DuckDBPyConnection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.lines.execute(sql).fetchall()


def delivered(name: str) -> Path:
    return Path(__file__).parent / "cases" / name / "in"


def figures(found: Adopted) -> dict[str, str | None]:
    summary = found.summary
    net = None if summary.sold is None or summary.returned is None else summary.sold - summary.returned
    values = {
        "orders": summary.orders,
        "order_lines": sum(kind.records for kind in summary.kinds if kind.kind == "sale") or None,
        "buyers": summary.buyers,
        "guest_orders": summary.guest_orders,
        "currency": summary.currency,
        "first_order_day": summary.first_day,
        "last_order_day": summary.last_day,
    }
    amounts = {
        "total_revenue": summary.sold,
        "charged": summary.charged,
        "refunded": summary.refunded,
        "returned_amount": summary.returned,
        "net_revenue": net,
    }
    return {
        **{key: None if value is None else str(value) for key, value in values.items()},
        **{key: None if value is None else f"{value:.2f}" for key, value in amounts.items()},
    }


@pytest.fixture(scope="module", params=READ)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    data_dir = tmp_path_factory.mktemp("data")
    found = adopt([delivered(request.param)], data_dir, Answers())
    with lines_of(found.sources, data_dir) as (lines, _):
        yield Case(CASES[request.param], found, figures(found), lines)


def test_an_export_has_the_figures_that_were_counted_by_hand(case: Case) -> None:
    wanted = {key: case.expected[key] for key in FIGURES}
    assert case.figures == {key: None if value is None else str(value) for key, value in wanted.items()}


def test_an_export_has_no_figure_of_a_wrong_reading(case: Case) -> None:
    fallen = {
        f"{key} {case.figures[key]}": wrong[case.figures[key]]
        for key, wrong in case.expected.get("traps", {}).items()
        if key in FIGURES and case.figures[key] in wrong
    }
    assert not fallen


def test_orders_that_do_not_count_are_left_out_by_their_kind(case: Case) -> None:
    wanted = case.expected.get("left_out", {})
    found = case.rows("SELECT kind, list(DISTINCT order_id ORDER BY order_id) FROM lines GROUP BY kind")
    assert {kind: orders for kind, orders in found if kind in wanted} == {
        kind: sorted(orders) for kind, orders in wanted.items()
    }


def test_sessions_of_the_website_are_counted(case: Case) -> None:
    wanted = case.expected.get("sessions")
    counts = case.rows(
        "SELECT count(*), count(DISTINCT customer_id), min(time)::DATE, max(time)::DATE FROM visits "
        "WHERE time IS NOT NULL"
    )[0]
    if not wanted:
        assert counts[0] == case.adopted.summary.sessions == 0
        return
    found = dict(zip(("sessions", "visitors", "first_day", "last_day"), map(str, counts), strict=True))
    assert found == {name: str(wanted[name]) for name in found}
    summary = case.adopted.summary
    assert (summary.sessions, summary.visitors) == (wanted["sessions"], wanted["visitors"])
    by_activity = case.rows("SELECT activity, count(*) FROM visits WHERE time IS NOT NULL GROUP BY ALL")
    assert dict(by_activity) == wanted["by_activity"]
    fallen = {
        name: wrong[found[name]] for name, wrong in case.expected["traps"].items() if found[name] in wrong
    }
    assert not fallen
    kinds = {kind.kind: kind.records for kind in summary.kinds}
    assert {kind: kinds[kind] for kind in case.expected["left_out_records"]} == case.expected[
        "left_out_records"
    ]


def test_every_order_that_says_what_was_paid_reconciles(case: Case) -> None:
    assert case.adopted.summary.unreconciled == ()


def test_every_kind_is_in_the_reference(case: Case) -> None:
    assert {kind.kind for kind in case.adopted.summary.kinds} <= {*KINDS, *OTHER_KINDS}


def test_amounts_of_several_currencies_are_told_apart(case: Case) -> None:
    wanted = {
        currency: (found["orders"], found["order_lines"], found["total_revenue"])
        for currency, found in case.expected.get("by_currency", {}).items()
    }
    if wanted:
        found = case.rows(
            """
            SELECT currency, count(DISTINCT order_id), count(*),
              sum(round(coalesce(original_amount, amount), 2))::DECIMAL(24, 2)::TEXT
            FROM sold WHERE kind = 'sale' GROUP BY ALL
            """
        )
        assert {currency: rest for currency, *rest in found} == {
            key: [*value] for key, value in wanted.items()
        }


def test_customers_of_the_shop_are_the_buyers_with_their_address(case: Case) -> None:
    for key, sql in (
        ("customers", "SELECT customer_id FROM customers WHERE kind = 'customer'"),
        ("buyer_ids", "SELECT DISTINCT customer_id FROM sold WHERE customer_id IS NOT NULL"),
    ):
        if key in case.expected:
            assert sorted(found for (found,) in case.rows(sql)) == case.expected[key]


@pytest.mark.parametrize("name", REFUSED)
def test_an_export_that_is_no_table_of_orders_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as error:
        adopt([delivered(name)], tmp_path, Answers())
    (first, *_) = sorted(path.name for path in delivered(name).iterdir())
    assert first in str(error.value)
    assert "\n" not in str(error.value)


# --- presets ----------------------------------------------------------------------------------------------------


def headers(name: str) -> list[tuple[str, ...]]:
    """The headers of a case's files, each once; none if the files have no header."""
    files = (path for path in sorted(delivered(name).rglob("*")) if path.is_file())
    try:
        found = [detect(member).columns for path in files for member in members(path)]
    except UnreadableExport:
        return []
    return list({tuple(sorted(header)): tuple(header) for header in found}.values())


def matching(found: Sequence[Sequence[str]]) -> list[str]:
    return [name for name, preset in presets().items() if preset.match(found, is_adopted=False) is not None]


KNOWN = {name: found for name in CASES if (found := matching(headers(name)))}
"""The presets that recognize a case by its headers."""

OF_NO_SYSTEM = {
    "currency_column",
    "currency_sign",
    "ga4_events",
    "json_items_web_shop",
    "order_blocks",
    "web_sessions",
}


def test_known_systems_are_recognized_and_no_others() -> None:
    assert set(KNOWN) == set(CASES) - OF_NO_SYSTEM


def test_each_preset_has_a_case() -> None:
    assert {name for found in KNOWN.values() for name in found} == set(presets())


@pytest.mark.parametrize("name", KNOWN)
def test_a_preset_is_recognized_by_its_header_in_any_order_and_with_other_columns(name: str) -> None:
    changed = [("Note of the shop", *reversed(header), "Warehouse") for header in headers(name)]
    assert matching(changed) == KNOWN[name]


WORD = re.compile(r"\w{4,}|\d[\d.]*")
SAME = 0.5
"""The share of a subject's words that a question has at least."""


def is_asked(subject: str, questions: Sequence[str]) -> bool:
    """Whether a question is about a subject: it has the word that the subject quotes, or most of its words."""
    quoted = re.findall("`([^`]+)`", subject)
    words = [word.lower() for word in quoted or WORD.findall(subject)]
    return any(sum(word in question for word in words) >= SAME * len(words) for question in questions)


def test_a_preset_asks_what_the_export_leaves_open(case: Case, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["case"] in KNOWN:
        questions = [
            " ".join((found.field, *found.columns, found.why, *found.values)).lower()
            for findings in case.adopted.findings.values()
            for found in findings
            if found.state == "asked"
        ]
        subjects = [asked["about"] for asked in case.expected.get("asked", ())]
        assert [subject for subject in subjects if not is_asked(subject, questions)] == []
