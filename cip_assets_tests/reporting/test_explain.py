"""Why a customer's segment or churn band changed: the scores, the cut-points, and the source rows."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from cip_assets.__main__ import main
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.reporting.explain import explain
from cip_assets_tests.conftest import ENGINE

FIRST, LAST = date(2024, 2, 1), date(2024, 2, 12)


@pytest.fixture
def settings(healthy: Path) -> Settings:
    """The small folder, with a snapshot of an earlier day in which C1 had other values."""
    return with_an_earlier_day(Settings(healthy, ENGINE))


def with_an_earlier_day(settings: Settings) -> Settings:
    _earlier(settings, "features", "rfm_cut_points", {"p20": Decimal("99.00")}, "metric", "recency_days")
    was = {
        "rfm_segment": "Lost",
        "churn_band": "High",
        "churn_reasons": "complaints",
        "r_score": 1,
        "recency_days": 22,
        "m_score": 4,
    }
    _earlier(settings, "marts", "customer_360", was, "customer_id", "C1")
    return settings


def _earlier(settings: Settings, layer: str, table: str, other: dict[str, object], key: str, of: str) -> None:
    """Add a copy of the snapshot as of the first day, with other values in one row."""
    delta = DeltaTable(settings.table_uri(layer, table))
    now = delta.to_pyarrow_table()
    rows = [row | {"as_of_date": FIRST} | (other if row[key] == of else {}) for row in now.to_pylist()]
    write_deltalake(delta, pa.Table.from_pylist(rows, now.schema), mode="append")


def test_what_changed_and_why_with_the_rows_in_between(settings: Settings) -> None:
    found = explain(settings, "C1", FIRST, LAST)
    changed = {name: then for name, then, _ in found.changes}
    assert changed["rfm_segment"] == "Lost"
    assert changed["recency_days"] == 22
    now = {name: value for name, _, value in found.changes}
    assert f"r_score 1 -> {now['r_score']}: recency_days 22 -> 1" in found.reasons
    assert any(reason.startswith("  cut-points of r_score: 99.00, ") for reason in found.reasons)
    # The spend is the same on both days, so the score changed because of other customers.
    assert any(
        reason.startswith("m_score 4 -> ") and "but other customers' values changed" in reason
        for reason in found.reasons
    )
    assert "churn reason gone: complaints" in found.reasons
    # T1 was bought before the first day.
    assert [(event.day, event.text, event.source) for event in found.events] == [
        (date(2024, 2, 10), "W1 Page View", "web_activity.csv:2"),
        (date(2024, 2, 11), "T2 25.00", "transactions.csv:3"),
    ]


def test_an_unchanged_customer_is_reported_as_unchanged(settings: Settings) -> None:
    found = explain(settings, "C2", FIRST, LAST)
    assert found.changes == []
    assert any(reason.startswith("rfm_segment is ") for reason in found.reasons)


@pytest.mark.parametrize(
    ("customer", "first", "last", "message"),
    [
        (
            "C1",
            date(2024, 1, 31),
            LAST,
            "has no snapshot of 2024-01-31 .* Compute it with: cip run --as-of 2024-01-31",
        ),
        ("C9", FIRST, LAST, "unknown customer 'C9' on 2024-02-01. Check the id"),
        ("C1", LAST, FIRST, "--from 2024-02-12 must be before --to 2024-02-01"),
    ],
    ids=["no snapshot", "unknown customer", "days reversed"],
)
def test_an_error_says_what_to_do(
    settings: Settings, customer: str, first: date, last: date, message: str
) -> None:
    with pytest.raises(PlatformError, match=message):
        explain(settings, customer, first, last)


def test_the_command_shows_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CIP_ENGINE", ENGINE)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.argv", ["cip", "explain", "C1", "--from", str(FIRST), "--to", str(LAST)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "rfm_segment" in shown
    assert "transactions.csv:3" in shown
