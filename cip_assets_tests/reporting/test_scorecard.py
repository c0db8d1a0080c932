"""Issued forecasts are kept as they were, and judged by what happened since."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cip_assets.config.settings import Settings
from cip_assets.ingest.in_step import last_write
from cip_assets.layers import contract_of
from cip_assets.orchestration.runs import Platform
from cip_assets.reporting.scorecard import scorecard
from cip_assets.storage.issued import MODEL_TABLE, SCHEMA, TABLE, issue, issues
from cip_assets_tests.integration.helpers import LANDED, land

D = date(2024, 1, 31)
NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
AGO = {n: D + timedelta(days=n) for n in (0, 1, 30, 31, 90, 91, 365, 366)}

MONEY, RATIO = pa.decimal128(18, 2), pa.decimal128(18, 6)


def write(settings: Settings, name: str, rows: list[dict[str, Any]], schema: list[tuple[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=pa.schema(schema))
    day = ["as_of_date"] if "as_of_date" in table.column_names else None
    write_deltalake(settings.table_uri(*name.split("/")), table, mode="overwrite", partition_by=day)


def forecast(settings: Settings, day: date = D, **churn: str) -> None:
    """A snapshot in which each customer has this churn probability, and two purchases of 10.00 in the window."""
    rows: list[dict[str, Any]] = [
        {"as_of_date": day, "customer_id": name, "churn_probability": Decimal(p), "expected_orders": 2}
        | {"expected_spend": 20, "clv_12m": 80, "forecast_model": "bg_nbd"}
        for name, p in churn.items()
    ]
    rows.append({"as_of_date": day, "customer_id": "never bought"})
    columns = [("as_of_date", pa.date32()), ("customer_id", pa.string())]
    columns += [("churn_probability", RATIO), ("expected_orders", RATIO), ("expected_spend", MONEY)]
    columns += [("clv_12m", MONEY), ("forecast_model", pa.string())]
    write(settings, "marts/customer_360", rows, columns)


def bought(settings: Settings, *purchases: tuple[str | None, int, str | None]) -> None:
    """The facts of some purchases: who, how many days after D, and the amount."""
    rows = [
        {
            "customer_id": who,
            "transaction_date": D + timedelta(days=days),
            "amount": amount and Decimal(amount),
        }
        for who, days, amount in purchases
    ]
    columns = [("customer_id", pa.string()), ("transaction_date", pa.date32())]
    write(settings, "facts/order_days", rows, [*columns, ("amount", MONEY)])


def issued(settings: Settings, now: datetime = NOON, day: date = D) -> Path | None:
    return issue(settings, day, now, code="c0de", window_days=90, discount_rate=0.1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(tmp_path, "sail")
    forecast(found, ann="0.1", bob="0.2", cat="0.7")
    return found


# --- what is kept -------------------------------------------------------------------------------------------


def test_forecasts_are_issued_once_and_a_correction_is_an_issue_of_its_own(settings: Settings) -> None:
    first = issued(settings)
    assert first == settings.issued / "2024-01-31" / "2024-02-01T120000.000000Z.parquet"
    before = first.read_bytes()
    assert issued(settings, NOON + timedelta(days=1)) is None
    forecast(settings, ann="0.1", bob="0.2", cat="0.6")
    second = issued(settings, NOON + timedelta(days=2))
    assert second
    assert [found.path for found in issues(settings)] == [first, second]
    assert first.read_bytes() == before
    (_, newest) = issues(settings)
    assert (newest.as_of, newest.issued_at) == (D, NOON + timedelta(days=2))
    assert (newest.window_days, newest.discount_rate, newest.code) == (90, 0.1, "c0de")
    assert newest.rows().to_pylist()[2] == {
        "customer_id": "cat",
        "churn_probability": Decimal("0.600000"),
        "expected_orders": Decimal("2.000000"),
        "expected_spend": Decimal("20.00"),
        "clv_12m": Decimal("80.00"),
        "forecast_model": "bg_nbd",
    }


def test_without_a_forecast_nothing_is_issued(settings: Settings) -> None:
    forecast(settings)
    assert issued(settings) is None
    assert issues(settings) == []


def test_a_run_issues_its_forecasts_and_a_later_delivery_corrects_them(
    healthy: Path, platform_on: Callable[..., Platform]
) -> None:
    platform = platform_on(healthy, "exports/customer_360")
    (first,) = issues(platform.settings)
    assert first.as_of == date(2024, 2, 12)
    assert abs(datetime.now(UTC) - first.issued_at) < timedelta(hours=1)
    written = last_write(platform.settings, MODEL_TABLE, first.as_of)
    assert written
    assert first.code == written.code_version
    before = first.path.read_bytes()
    land(healthy / "landing", "transactions/late.csv", LANDED["transactions"].replace("T2,C1", "T2,C2"))
    assert platform.run().succeeded
    again, second = issues(platform.settings)
    assert (again.path.read_bytes(), second.as_of) == (before, first.as_of)
    assert second.rows() != first.rows()


# --- how it is judged ---------------------------------------------------------------------------------------


def test_an_issue_is_judged_by_what_came_since(settings: Settings) -> None:
    issued(settings)
    bought(
        settings,
        ("ann", 0, "500.00"),  # known when it was issued
        ("ann", 1, "6.00"),
        ("ann", 1, "4.00"),  # two orders of a day are one purchase day
        ("ann", 90, "5.00"),
        ("bob", 91, "100.00"),
        ("cat", 366, "900.00"),
        ("eve", 5, "70.00"),  # she had no forecast
        (None, 5, "30.00"),
    )
    (card,) = scorecard(settings, AGO[365])
    # ann bought with 0.9, bob did not with 0.8, and cat did not with 0.3.
    assert card.figures["brier"] == pytest.approx((0.1**2 + 0.8**2 + 0.3**2) / 3)
    assert card.figures["calibration_error"] == pytest.approx((0.1 + 0.8 + 0.3) / 3)
    assert (card.figures["expected_orders"], card.figures["came_orders"]) == (6, 2)
    assert card.figures["orders_bias"] == 2.0
    assert (card.figures["expected_spend"], card.figures["came_spend"]) == (60, 15)
    # Days 1, 90 and 91 are in the first and the third month.
    first, third = 1.1 ** (-0.5 / 12), 1.1 ** (-2.5 / 12)
    assert card.value_bias == pytest.approx(240 / (10 * first + 105 * third) - 1)


@pytest.mark.parametrize(
    ("last_day", "is_window_over", "is_year_over"),
    [(89, False, False), (90, True, False), (364, True, False), (365, True, True)],
)
def test_what_is_not_over_is_not_judged(
    settings: Settings, last_day: int, *, is_window_over: bool, is_year_over: bool
) -> None:
    issued(settings)
    bought(settings, ("ann", 1, "6.00"))
    (card,) = scorecard(settings, D + timedelta(days=last_day))
    assert (bool(card.figures), card.value_bias is not None) == (is_window_over, is_year_over)
    assert card.closes == AGO[90]


def test_an_unknown_amount_leaves_the_spend_open(settings: Settings) -> None:
    issued(settings)
    bought(settings, ("ann", 30, None), ("ann", 31, "6.00"))
    (card,) = scorecard(settings, AGO[365])
    assert (card.figures["expected_orders"], card.figures["came_orders"]) == (6, 2)
    assert (card.figures["came_spend"], card.figures["spend_bias"], card.value_bias) == (None, None, None)


def test_forecasts_that_were_issued_after_their_window_are_not_judged(settings: Settings) -> None:
    bought(settings, ("ann", 1, "6.00"))
    in_time = datetime(2024, 4, 30, 23, 59, tzinfo=UTC)
    issued(settings, in_time)
    forecast(settings, ann="0.0")
    issued(settings, in_time + timedelta(minutes=1))
    early, late = scorecard(settings, AGO[365])
    assert (early.is_late, late.is_late) == (False, True)
    assert early.figures["brier"] is not None
    assert (late.figures, late.value_bias) == ({}, None)


def test_the_backtest_of_the_same_window_is_beside_it(settings: Settings) -> None:
    issued(settings)
    bought(settings, ("ann", 1, "6.00"))

    def refitted() -> Any:
        (card,) = scorecard(settings, AGO[365])
        return card.refitted.get("brier")

    assert refitted() is None
    columns = [("model", pa.string()), ("is_used", pa.bool_()), ("segment", pa.string()), ("brier", RATIO)]
    columns += [("predicted_on", pa.date32()), ("as_of_date", pa.date32())]
    used = {"model": "bg_nbd", "is_used": True, "segment": "all", "predicted_on": D, "as_of_date": AGO[90]}
    others: list[dict[str, Any]] = [
        {"is_used": False},
        {"segment": "bought once"},
        {"predicted_on": AGO[1]},
        {"as_of_date": AGO[91]},
    ]
    rows = [{**used, "brier": Decimal("0.25")}, *({**used, "brier": 1, **other} for other in others)]
    write(settings, "marts/model_windows", rows, columns)
    assert refitted() == Decimal("0.250000")


def test_the_command_shows_each_issue(
    healthy: Path, cip_on: Callable[[Path], Callable[..., tuple[int, str, str]]]
) -> None:
    code, shown, _ = cip_on(healthy)("scorecard")
    assert code == 0
    assert "2024-02-12" in shown
    assert "issued after the end of the churn window" in shown
    for path in (healthy / "issued").rglob("*.parquet"):
        path.unlink()
    code, _, errors = cip_on(healthy)("scorecard")
    assert (code, "no forecasts have been issued" in errors) == (1, True)


def test_what_is_issued_are_columns_of_the_snapshot() -> None:
    assert set(SCHEMA.names) <= set(contract_of(*TABLE.split("/")).columns)
