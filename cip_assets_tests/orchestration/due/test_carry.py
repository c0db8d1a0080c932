"""Runs that carry tables from an older day: what they carry, and that nothing differs from computing everything."""

import random
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.ingest.in_step import last_write
from cip_assets.layers import TABLES
from cip_assets.orchestration.due import carry
from cip_assets.orchestration.due.up_to_date import state_of
from cip_assets.orchestration.runs import Platform, Report
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import date_earlier, files_of, land, rows_of

FIRST = date(2024, 2, 12)
"""The day that was computed last."""

CARRIED = tuple(table.contract.name for table in TABLES if table.carried)
WITH_FILES = (*CARRIED, "exports/kpi_trends", "exports/kpi_monthly_revenue")
SOME = ("features/split_orders", "features/purchases", "marts/kpi_monthly_revenue")
"""For tests of when a table is carried, which is decided for all tables in the same way."""


@pytest.fixture
def settings(healthy: Path) -> Settings:
    return Settings(healthy, ENGINE)


def opened(settings: Settings, rules: Rules | None = None, select: Collection[str] = WITH_FILES) -> Platform:
    return open_platform(settings, select=list(select), rules=rules)


def sold(settings: Settings, delivered: str, *lines: str) -> Path:
    """Land order lines: id, customer, amount and day."""
    rows = []
    for line in lines:
        number, customer, amount, day = line.split()
        rows.append(f"{number},{customer},P1,1,{amount},{amount},Cash,{day}\n")
    return land(settings.landing, f"transactions/dt={delivered}/{lines[0].split()[0]}.csv", "".join(rows))


def computed(platform: Platform, day: date, **how: Any) -> Report:
    report = platform.run(as_of=day, **how)
    assert (report.failures, report.skipped) == ([], [])
    return report


def carried_from(settings: Settings, day: date, names: Collection[str] = CARRIED) -> Mapping[str, str | None]:
    """The day that each table of a day was carried from, according to its commit."""
    found = {}
    for name in names:
        commits = delta.commits(settings.table_uri(*name.split("/")))
        written = next(commit for commit in commits if commit.audit.get("partition") == str(day))
        found[name] = written.audit.get("carried_from")
    return found


def due(platform: Platform, day: date) -> set[str]:
    tables = {key for key in platform.snapshot_assets if key.path[0] != "exports"}
    found = state_of(platform.settings, platform.graph, platform.instance, tables, day)
    return {key.to_user_string() for key in found.reasons}


def test_a_new_day_is_carried_and_leaves_the_days_before_up_to_date(settings: Settings) -> None:
    platform = opened(settings)
    sold(settings, "2024-02-14", "T4 C2 30.00 2024-02-14")
    with platform.instance:
        computed(platform, date(2024, 2, 14))
        assert carried_from(settings, date(2024, 2, 14)) == dict.fromkeys(CARRIED, "2024-02-12")
        assert due(platform, FIRST) == set()
    spent = {
        (row["customer_id"], row["as_of_date"].day): (row["monetary_value"], row["recency_days"])
        for row in rows_of(settings, "features/purchases")
    }
    assert {key: (str(value), days) for key, (value, days) in spent.items()} == {
        ("C1", 12): ("37.50", 1),
        ("C2", 12): ("12.50", 0),
        ("C1", 14): ("37.50", 3),
        ("C2", 14): ("42.50", 0),
    }


def test_a_table_is_carried_that_a_clock_dated_before_what_it_was_computed_from(settings: Settings) -> None:
    platform = opened(settings, select=SOME)
    codes = {key.to_user_string(): code for key, code in platform.graph.code_versions.items()}
    for name in SOME:
        date_earlier(settings.table_uri(*name.split("/")))
    with platform.instance as instance:
        # Not those that read what this test has written.
        table = carry.BY_NAME["features/split_orders"]
        assert carry.older_day(settings, instance, codes, table, FIRST + timedelta(days=1)) == FIRST


def test_a_late_correction_invalidates_the_days_from_its_own_on(settings: Settings) -> None:
    platform = opened(settings, select=SOME)
    days = [date(2024, 2, 14), date(2024, 2, 15)]
    with platform.instance:
        sold(settings, "2024-02-14", "T4 C2 30.00 2024-02-14")
        for day in days:
            computed(platform, day)
        sold(settings, "2024-02-16", "T4 C2 31.00 2024-02-14")
        computed(platform, date(2024, 2, 16))
        assert due(platform, FIRST) == set()
        assert all(set(SOME) <= due(platform, day) for day in days)
        assert carried_from(settings, date(2024, 2, 16), SOME) == dict.fromkeys(SOME, "2024-02-12")
        # The day before, which nobody computed again, is carried from the same day when somebody does.
        computed(platform, days[1])
        assert carried_from(settings, days[1], SOME) == dict.fromkeys(SOME, "2024-02-12")


def test_other_rules_and_all_carry_nothing_and_neither_does_a_day_after_a_quarter(
    settings: Settings, rules: Rules
) -> None:
    day, late = FIRST + timedelta(days=1), FIRST + timedelta(days=94)
    other = rules.model_copy(update={"repeat": rules.repeat.model_copy(update={"within_days": 10})})
    for platform, computes, how in (
        (opened(settings, other, SOME), day, {}),
        (opened(settings, select=SOME), day, {"everything": True}),
        (opened(settings, select=SOME), late, {}),
    ):
        with platform.instance:
            computed(platform, computes, **how)
        assert set(carried_from(settings, computes, SOME).values()) == {None}


def test_a_table_that_other_code_wrote_is_not_carried(settings: Settings) -> None:
    """Also if only the table that it is computed from was written by other code."""
    platform = opened(settings)
    written = last_write(settings, "features/split_orders", FIRST)
    assert written
    assert written.code_version
    uri = settings.table_uri("features", "split_orders")
    for log in Path(uri, "_delta_log").glob("*.json"):
        log.write_text(log.read_text("utf-8").replace(written.code_version, "older"), "utf-8")
    with platform.instance:
        computed(platform, FIRST + timedelta(days=1))
    assert carried_from(settings, FIRST + timedelta(days=1)) == {
        name: None if name != "marts/kpi_monthly_revenue" else str(FIRST) for name in CARRIED
    }


@pytest.mark.parametrize("seed", [1])  # half a minute each
def test_whatever_arrives_in_whatever_order_nothing_differs_from_computing_everything(
    settings: Settings, seed: int
) -> None:
    """Random new lines, late corrections, withdrawn files and new customers, and random days."""
    chance, platform = random.Random(seed), opened(settings)
    landed: list[Path] = []
    carried = 0
    with platform.instance:
        for step in range(4):
            today = FIRST + timedelta(days=5 * step + 1)
            if chance.random() < 0.3 and landed:
                landed.pop(chance.randrange(len(landed))).unlink()
            else:
                late = chance.random() < 0.4
                day = FIRST - timedelta(days=chance.randrange(40)) if late else today
                number = f"T{chance.randrange(1, 9)}" if late else f"N{step}"
                line = f"{number} {chance.choice(['C1', 'C2', 'C3'])} {chance.randrange(1, 90)}.00 {day}"
                landed.append(sold(settings, str(today), line))
            if chance.random() < 0.3:
                rows = "".join(f"C{n},A,B,,,,2024-01-0{n},,\n" for n in (1, 2, 3))
                land(settings.landing, f"customers/dt={today}/c.csv", rows)
            snapshot = today - timedelta(days=chance.choice([0, 0, 0, 1, 7]))
            computed(platform, snapshot)
            carried += sum(day is not None for day in carried_from(settings, snapshot).values())
            found = {name: rows_of(settings, name) for name in CARRIED}, files_of(settings)
            platform.snapshot(Report(), snapshot, everything=True)
            assert set(carried_from(settings, snapshot).values()) == {None}
            again = {name: rows_of(settings, name) for name in CARRIED}, files_of(settings)
            assert found == again, (step, snapshot)
    assert carried >= len(CARRIED)
