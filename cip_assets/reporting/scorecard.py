"""The scorecard: the forecasts as they were issued, judged by what happened since.

``marts/model_backtest`` judges models that are fitted again on the past, by today's code. The scorecard judges what was
published. Both measure the purchase probability alike (``analytics/forecasting/scores.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from cip_assets.analytics.forecasting.discounting import DAYS_PER_MONTH
from cip_assets.analytics.forecasting.scores import brier, calibration_error
from cip_assets.config.settings import Settings
from cip_assets.storage import delta, questions
from cip_assets.storage.issued import Issue, issues

ORDER_DAYS, MONEY_DAYS = 90, 365
"""The days that the expected purchases and spend, and the value of a customer, look ahead."""


@dataclass(frozen=True)
class Sums:
    """What was expected of all customers with a forecast, and what happened."""

    expected: Decimal
    actual: Decimal

    @property
    def bias(self) -> float | None:
        """The relative error of the sum: 0.1 if 10% too much was expected; None if nothing happened."""
        return float(self.expected / self.actual) - 1 if self.actual else None


@dataclass(frozen=True)
class Card:
    """How one issue did. A figure is None if its time is not over, or the issue has no such forecast.

    ``closes`` is the last day of the churn window. ``is_late`` says that the forecasts were issued after it, so they are
    not judged. ``refitted_brier`` and ``refitted_calibration`` are those of the backtest for the same day and model, if
    the snapshot of ``closes`` was computed.
    """

    as_of: date
    issued_at: datetime
    churn_model: str
    purchase_model: str
    customers: int
    closes: date
    is_late: bool
    brier: float | None = None
    calibration_error: float | None = None
    refitted_brier: Decimal | None = None
    refitted_calibration: Decimal | None = None
    orders: Sums | None = None
    spend: Sums | None = None
    value: Sums | None = None


def scorecard(settings: Settings, last_day: date) -> list[Card]:
    """Judge all issues, by snapshot day and time of the issue.

    Args:
        settings: the data folder.
        last_day: the last day on which all purchases are known.

    """
    return [_card(settings, issue, last_day) for issue in issues(settings)]


def _card(settings: Settings, issue: Issue, last_day: date) -> Card:
    with questions.connection() as connection:
        connection.register("issue", issue.rows())
        closes = issue.as_of + timedelta(days=issue.window_days)
        card = {
            "as_of": issue.as_of,
            "issued_at": issue.issued_at,
            **{name: _models(connection, name) for name in ("churn_model", "purchase_model")},
            "customers": len(issue.rows()),
            "closes": closes,
            "is_late": issue.issued_at.date() > closes,
        }
        if card["is_late"]:
            return Card(**card)
        connection.register("order_days", delta.dataset(settings.table_uri("facts", "order_days")))
        connection.execute("CREATE TEMP TABLE came AS " + CAME, [issue.as_of, issue.as_of])
        if closes <= last_day:
            card |= _churn(connection, issue) | _refitted(settings, closes, card["churn_model"])
        if issue.as_of + timedelta(days=ORDER_DAYS) <= last_day:
            days = f"days <= {ORDER_DAYS}"
            card["orders"] = _sums(connection, "expected_purchases_90", f"count(*) FILTER ({days})")
            card["spend"] = _sums(connection, "expected_spend_90", _all_known("amount", days))
        if issue.as_of + timedelta(days=MONEY_DAYS) <= last_day:
            month = f"ceil(days / {DAYS_PER_MONTH}) - 0.5"
            discounted = f"amount * ({1 + issue.discount_rate} ^ (-({month}) / 12))"
            card["value"] = _sums(connection, "clv_12m", _all_known(discounted, f"days <= {MONEY_DAYS}"))
    return Card(**card)


CAME = """
SELECT customer_id, date_diff('day', ?::DATE, transaction_date) AS days,
  CASE WHEN count(amount) = count(*) THEN sum(amount) END AS amount
FROM order_days WHERE customer_id IS NOT NULL AND transaction_date > ?::DATE GROUP BY ALL
"""
"""The purchase days of each customer after a day, with the spend; empty if an amount is unknown."""


def _models(connection: duckdb.DuckDBPyConnection, column: str) -> str:
    """The models of an issue, of which there is usually one."""
    rows = connection.execute(f"SELECT DISTINCT {column} FROM issue WHERE {column} IS NOT NULL ORDER BY ALL")
    return ", ".join(name for (name,) in rows.fetchall())


def _churn(connection: duckdb.DuckDBPyConnection, issue: Issue) -> dict[str, float]:
    """The accuracy of the probability to buy in the churn window, to four places as in the backtest."""
    counts = [
        (float(p), n, bought)
        for p, n, bought in connection.execute(
            f"""
            SELECT round(1 - churn_probability, 4) AS p, count(*), count(*) FILTER (bought) FROM issue
            LEFT JOIN (SELECT DISTINCT customer_id, true AS bought FROM came WHERE days <= {issue.window_days})
              USING (customer_id)
            WHERE churn_probability IS NOT NULL GROUP BY p ORDER BY p
            """
        ).fetchall()
    ]
    return {"brier": brier(counts), "calibration_error": calibration_error(counts)} if counts else {}


def _refitted(settings: Settings, day: date, model: str) -> Mapping[str, Decimal]:
    """The figures of the backtest of a day, for the model that was issued."""
    uri = settings.table_uri("marts", "model_backtest")
    if not delta.exists(uri) or day not in delta.slices(uri, "as_of_date"):
        return {}
    rows: list[dict[str, Any]] = delta.dataset(uri, day=str(day)).to_table().to_pylist()
    found = (row for row in rows if row["model"] == model)
    return next(
        ({"refitted_brier": r["brier"], "refitted_calibration": r["calibration_error"]} for r in found), {}
    )


def _sums(connection: duckdb.DuckDBPyConnection, forecast: str, actual: str) -> Sums | None:
    """A forecast and the actual figure, summed over the customers with the forecast; None if one is unknown."""
    expected, came = connection.execute(
        f"""
        SELECT sum({forecast}), (SELECT {actual} FROM came SEMI JOIN
          (FROM issue WHERE {forecast} IS NOT NULL) USING (customer_id)) FROM issue
        """
    ).fetchone() or (None, None)
    return None if expected is None or came is None else Sums(Decimal(expected), Decimal(str(came)))


def _all_known(amount: str, days: str) -> str:
    """SQL for the sum of an amount over some days; empty if one is unknown, and 0 if there is none."""
    return (
        f"CASE WHEN count(amount) FILTER ({days}) = count(*) FILTER ({days}) "
        f"THEN coalesce(sum({amount}) FILTER ({days}), 0) END"
    )
