"""The code version of a table follows the code that decides its content, and no other."""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from cip_assets.config.rules import Rules
from cip_assets.orchestration.assets import code_version as versions
from cip_assets.orchestration.graph import Graph
from cip_assets_tests.graph import GRAPH


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is kept of what modules were before an edit."""
    versions._digest.cache_clear()
    yield
    versions._digest.cache_clear()


def changed_by(
    monkeypatch: pytest.MonkeyPatch, rules: Rules, module: ModuleType, pattern: str, replacement: str
) -> set[str]:
    """The assets whose code version is another one after an edit of a module."""
    before = GRAPH.code_versions
    code_of = versions._code_of

    def code(of: ModuleType) -> CodeType:
        if of is not module:
            return code_of(of)
        edited, count = re.subn(pattern, replacement, inspect.getsource(of), count=1, flags=re.MULTILINE)
        assert count == 1
        path = str(of.__file__)
        return versions.WithoutDocstrings(of.__name__, path).source_to_code(edited, path)

    versions._digest.cache_clear()
    monkeypatch.setattr(versions, "_code_of", code)
    after = Graph.of(rules).code_versions
    return {key.to_user_string() for key in before if before[key] != after[key]}


LANDED = ("customers", "products", "transactions", "returns", "support_tickets", "web_activity")
RAW = {"landing/manifest", *(f"raw/{table}" for table in LANDED)}
CLEANED = {f"{layer}/{table}" for layer in ("cleaned", "quarantine") for table in LANDED}
HISTORIES = {"cleaned/customers_history", "cleaned/products_history"}
FITTED = {"features/forecast_model", "features/forecast"}

FACTS = {"facts/order_days", "facts/session_days"}

EDITS = {
    "the parser of landing files": (
        "ingest.csv_lines",
        "^import numpy as np$",
        "import numpy as N",
        RAW | HISTORIES,
    ),
    "a format of texts": (
        "contracts.text_formats",
        "^NO_YEAR = .*$",
        'NO_YEAR = "0001"',
        RAW | CLEANED | HISTORIES,
    ),
    "how lines are judged": (
        "layers.cleaned.judge",
        "^REASON_SEPARATOR = .*$",
        "REASON_SEPARATOR = 1",
        CLEANED | HISTORIES,
    ),
    "a column of one table": (
        "layers.cleaned.customers",
        "EARLIEST_DAY",
        "LATEST_DAY",
        {"cleaned/customers", "quarantine/customers", "cleaned/customers_history"},
    ),
    "a purchase process": (
        "analytics.forecasting.bg_nbd",
        "^import numpy as np$",
        "import numpy as N",
        FITTED,
    ),
    "how forecasts are judged": (
        "analytics.forecasting.judgment",
        "^STANDARD_ERRORS = 3.0$",
        "STANDARD_ERRORS = 4.0",
        {"features/forecast_model"},
    ),
    "how facts add up": ("contracts.facts", '"month", \\*by', '*by, "month"', FACTS),
    "one mart": ("layers.marts.kpi_activity", '"all_sessions"', '"sessions_in_all"', {"marts/kpi_activity"}),
    "a comment": ("layers.cleaned.judge", "^(REASON_SEPARATOR = .*)$", r"\1  # a comment", set()),
    "a docstring": ("calc.exact", '^"""', '"""Another text. ', set()),
}
"""For each kind of edit the module, what is replaced, by what, and the tables that are out of date then.

What comes after them is out of date too, as soon as they are written again.
"""


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_makes_out_of_date_what_it_decides(
    monkeypatch: pytest.MonkeyPatch, edited: None, rules: Rules, edit: str
) -> None:
    name, pattern, replacement, changed = EDITS[edit]
    found = changed_by(monkeypatch, rules, sys.modules[f"cip_assets.{name}"], pattern, replacement)
    assert {key for key in found if not key.startswith("exports/")} == changed


def test_what_was_compiled_is_kept_and_compiled_again_after_an_edit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module = ModuleType("some")
    source = tmp_path / "some.py"
    module.__file__ = str(source)

    def constants(text: str) -> Sequence[object]:
        source.write_text(f'"""A docstring."""\n{text}\n', "utf-8")
        return versions._code_of(module).co_consts

    assert 17 in constants("A = 17")
    assert [path.name for path in tmp_path.rglob("*.pyc")] == [
        f"some.{sys.implementation.cache_tag}.opt-2.pyc"
    ]
    assert "A docstring." not in constants("A = 1234")
    assert 1234 in versions._code_of(module).co_consts


def test_rules_of_tables_count_and_those_of_operations_do_not(rules: Rules) -> None:
    def versions_by(**changed: object) -> dict[str, str]:
        by = rules.model_copy(update=changed)
        return {key.to_user_string(): version for key, version in Graph.of(by).code_versions.items()}

    before = versions_by()
    assert versions_by(operations=rules.operations.model_copy(update={"keep_versions_days": 1})) == before
    assert versions_by(top_n=7)["marts/kpi_top_products"] != before["marts/kpi_top_products"]


def test_two_rule_sets_live_in_one_process(rules: Rules) -> None:
    early = rules.calendar.model_copy(update={"first_month": rules.calendar.first_month.replace(year=1997)})
    one, other = Graph.of(rules), Graph.of(rules.model_copy(update={"calendar": early}))
    first = [graph.partitions.days.get_first_partition_key() for graph in (one, other)]
    assert first == [str(rules.calendar.first_month), str(early.first_month)]
    assert one.code != other.code
