"""`cip status --plan` says what `cip run` then does."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.layers import TABLES
from cip_assets.orchestration.due.foreseen import Foreseen, Look, Step
from cip_assets.orchestration.runs import Platform
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.integration.helpers import land

CARRIED = {table.contract.name for table in TABLES if table.carried}
NEW_DAY = "T4,C2,P1,1,12.50,12.50,Cash,2024-02-14\n"


@pytest.fixture
def platform(healthy: Path) -> Iterator[Platform]:
    made = open_platform(Settings(healthy, ENGINE))
    with made.instance:
        yield made


def foreseen(platform: Platform, as_of: date | None = None) -> Foreseen:
    look = Look(platform.graph, platform.settings, platform.instance)
    return look.foreseen(as_of)


def steps(found: Foreseen) -> dict[str, Step]:
    return {step.asset: step for step in found.steps}


def test_after_a_run_nothing_is_to_be_done(platform: Platform) -> None:
    found = foreseen(platform)
    assert (found.as_of, found.steps) == (date(2024, 2, 12), [])
    assert found.up_to_date == len(platform.snapshot_assets)


def test_a_run_does_what_the_plan_says(platform: Platform) -> None:
    land(platform.settings.landing, "transactions/dt=2024-02-14/new.csv", NEW_DAY)
    found = foreseen(platform)
    planned = steps(found)
    assert found.as_of == date(2024, 2, 14)
    assert planned["facts/order_days"].partition == "2024-02"
    assert planned["facts/order_days"].reason == "files changed"
    assert planned["features/purchases"].reason == "new"
    assert {name for name, step in planned.items() if step.carried_from} == CARRIED
    assert {step.carried_from for step in found.steps} == {None, date(2024, 2, 12)}
    # One step writes cleaned and quarantine.
    assert [step.asset for step in found.steps if not step.seconds] == ["quarantine/transactions"]
    assert found.seconds
    assert found.seconds > 0
    report = platform.run()
    assert report.as_of == found.as_of
    assert {*report.rows, "exports/dashboard"} - {"landing/manifest"} == set(planned)
    assert report.carried == dict.fromkeys(CARRIED, "2024-02-12")
    assert foreseen(platform).steps == []


@pytest.mark.parametrize(
    ("name", "line", "older"),
    [
        ("dt=2024-02-28/late.csv", "T9,C2,P1,1,12.50,12.50,Cash,2024-01-31\n", None),
        ("dt=2024-02-28/late.csv", "T9,C2,P1,1,12.50,12.50,Cash,2024-02-12\n", None),
        ("dt=2024-02-28/late.csv", "T9,C2,P1,1,12.50,12.50,Cash,2024-02-13\n", date(2024, 2, 12)),
    ],
)
def test_a_late_line_is_carried_from_a_day_before_its_own(
    platform: Platform, name: str, line: str, older: date | None
) -> None:
    land(platform.settings.landing, f"transactions/{name}", line)
    planned = steps(foreseen(platform, date(2024, 2, 20)))
    assert planned["features/purchases"].carried_from == older


def test_a_day_that_was_corrected_says_from_when(platform: Platform) -> None:
    land(
        platform.settings.landing,
        "transactions/dt=2024-02-28/late.csv",
        "T9,C2,P1,1,9.00,9.00,Cash,2024-02-11\n",
    )
    bought = open_platform(platform.settings, platform.instance, select=["features/purchases"])
    bought.run(as_of=date(2024, 2, 28))
    why = steps(foreseen(platform, date(2024, 2, 12)))["features/purchases"].reason
    assert why == "facts/order_days changed from 2024-02-11 on"


def test_rules_that_changed_are_told_from_code(healthy: Path, rules: Rules) -> None:
    other = rules.model_copy(update={"top_n": rules.top_n + 1})
    made = open_platform(Settings(healthy, ENGINE), rules=other)
    with made.instance:
        assert {step.reason for step in foreseen(made).steps} == {"rules changed"}
    uri = made.settings.table_uri("features", "purchases")
    code = str(next(delta.commits(uri)).audit["code_version"])
    log = max(Path(uri, "_delta_log").glob("*.json"))
    log.write_text(log.read_text("utf-8").replace(code, f"older-{code.split('-')[1]}"), "utf-8")
    same = open_platform(Settings(healthy, ENGINE))
    with same.instance:
        assert steps(foreseen(same))["features/purchases"].reason == "code changed"


def test_the_plan_starts_no_engine_and_writes_nothing_and_the_run_says_the_same(
    healthy: Path, cip_on: Callable[[Path], Cip], monkeypatch: pytest.MonkeyPatch
) -> None:
    land(healthy / "landing", "transactions/dt=2024-02-14/new.csv", NEW_DAY)
    before = sorted(path for path in (healthy / "lake").rglob("*") if path.is_file())
    cip = cip_on(healthy)
    monkeypatch.setenv("CIP_ENGINE", "none")
    code, shown, _ = cip("status", "--plan")
    assert code == 0
    assert "2024-02, files changed: raw/transactions, " in shown
    assert "2024-02-14, new, carried from 2024-02-12: " in shown
    assert "landing: 7 files, 1 new since the last run, 0 removed" in shown
    assert "to compute" in shown
    assert sorted(path for path in (healthy / "lake").rglob("*") if path.is_file()) == before
    monkeypatch.setenv("CIP_ENGINE", ENGINE)
    code, shown, _ = cip("run", "--select", "features/purchases")
    assert code == 0
    assert "files changed: 1 computed" in shown
    assert "new: 2 computed" in shown
    assert "2 tables were carried from 2024-02-12" in shown


def test_before_the_first_run_everything_is_new(data_dir: Path) -> None:
    land(data_dir / "landing", "transactions.csv", NEW_DAY)
    made = open_platform(Settings(data_dir, ENGINE))
    with made.instance:
        found = foreseen(made)
    assert found.as_of == date(2024, 2, 14)
    assert {step.reason for step in found.steps} == {"new"}
    assert found.seconds is None
