"""The scorecard: the forecasts as they were issued, judged by what happened since.

``marts/model_backtest`` judges models that are fitted again on the past, by today's code. The scorecard judges what was
published. Both measure the purchase probability alike (``analytics/forecasting/scores.py``).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from cip_assets.analytics.forecasting.discounting import DAYS_PER_MONTH
from cip_assets.analytics.forecasting.scores import brier, calibration_error
from cip_assets.config.settings import Settings
from cip_assets.storage import delta, questions
from cip_assets.storage.issued import Issue, issues

ORDER_DAYS, VALUE_DAYS = 90, 365
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

    ``closes`` is the last day of the churn window. ``is_late`` says that the forecasts were issued after it, so they
    are not judged. ``refitted_brier`` and ``refitted_calibration`` are those of the backtest for the same day and
    model, if the snapshot of ``closes`` was computed.
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
    def is_over(days: int) -> bool:
        return issue.as_of + timedelta(days=days) <= last_day

    rows, closes = issue.rows(), issue.as_of + timedelta(days=issue.window_days)
    with questions.connection() as connection:
        connection.register("issue", rows)
        churn_model, purchase_model = (_models(connection, f"{of}_model") for of in ("churn", "purchase"))
        is_late = issue.issued_at.date() > closes
        card = Card(issue.as_of, issue.issued_at, churn_model, purchase_model, len(rows), closes, is_late)
        if is_late:
            return card
        connection.register("order_days", delta.dataset(settings.table_uri("facts", "order_days")))
        connection.execute(CAME, [issue.as_of, issue.as_of])
        if is_over(issue.window_days):
            card = _with_churn(connection, issue, _with_backtest(settings, card))
        if is_over(ORDER_DAYS):
            days = f"days <= {ORDER_DAYS}"
            orders = _sums(connection, "expected_purchases_90", f"count(*) FILTER ({days})")
            spend = _sums(connection, "expected_spend_90", _all_known("amount", days))
            card = replace(card, orders=orders, spend=spend)
        if is_over(VALUE_DAYS):
            month = f"ceil(days / {DAYS_PER_MONTH}) - 0.5"
            discounted = f"amount * ({1 + issue.discount_rate} ^ (-({month}) / 12))"
            value = _sums(connection, "clv_12m", _all_known(discounted, f"days <= {VALUE_DAYS}"))
            card = replace(card, value=value)
    return card


CAME = """
CREATE TEMP TABLE came AS SELECT customer_id, date_diff('day', ?::DATE, transaction_date) AS days,
  CASE WHEN count(amount) = count(*) THEN sum(amount) END AS amount
FROM order_days WHERE customer_id IS NOT NULL AND transaction_date > ?::DATE GROUP BY ALL
"""
"""Makes ``came``: the purchase days of each customer after a day, with the spend; empty if an amount is unknown."""


def _models(connection: duckdb.DuckDBPyConnection, column: str) -> str:
    """The models of an issue, of which there is usually one."""
    rows = connection.execute(f"SELECT DISTINCT {column} FROM issue WHERE {column} IS NOT NULL ORDER BY ALL")
    return ", ".join(name for (name,) in rows.fetchall())


def _with_churn(connection: duckdb.DuckDBPyConnection, issue: Issue, card: Card) -> Card:
    """The card with the accuracy of the probability to buy in the churn window, to four places as in the backtest."""
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
    if not counts:
        return card
    return replace(card, brier=brier(counts), calibration_error=calibration_error(counts))


def _with_backtest(settings: Settings, card: Card) -> Card:
    """The card with the figures of the backtest for the model that was issued, if its day was computed."""
    uri = settings.table_uri("marts", "model_backtest")
    if not delta.exists(uri) or card.closes not in delta.slices(uri, "as_of_date"):
        return card
    rows: list[dict[str, Any]] = delta.dataset(uri, day=str(card.closes)).to_table().to_pylist()
    row = next((row for row in rows if row["model"] == card.churn_model), None)
    if row is None:
        return card
    return replace(card, refitted_brier=row["brier"], refitted_calibration=row["calibration_error"])


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
