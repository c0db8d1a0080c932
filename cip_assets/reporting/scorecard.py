"""The scorecard: the forecasts as they were issued, judged by what happened since.

``marts/model_windows`` judges models that are fitted again on the past, by today's code. The scorecard judges what was
published. Both measure alike (``analytics/forecasting/scores.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow.compute as pc

from cip_assets.analytics.forecasting.discounting import DAYS_PER_MONTH
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.scores import Judged, figures
from cip_assets.config.settings import Settings
from cip_assets.storage import delta, questions
from cip_assets.storage.issued import Issue, issues

VALUE_DAYS = 365
"""The days that the value of a customer looks ahead."""


@dataclass(frozen=True)
class Card:
    """How one issue did. A figure is None if its time is not over, or if something is unknown.

    ``closes`` is the last day of the churn window. ``is_late`` says that the forecasts were issued after it, so they
    are not judged. ``orders_bias``, ``spend_bias`` and ``value_bias`` are what was expected of all customers with a
    forecast, divided by what came, minus 1: orders and spend within the window, value within 12 months. ``refitted``
    are the same figures of the backtest for the same day and window, if the snapshot of ``closes`` was computed.
    """

    as_of: date
    issued_at: datetime
    forecast_model: str
    customers: int
    closes: date
    is_late: bool
    figures: Mapping[str, float | None] = field(default_factory=dict)
    refitted: Mapping[str, float | None] = field(default_factory=dict)
    value_bias: float | None = None


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
    models = ", ".join(sorted(set(rows["forecast_model"].to_pylist())))
    is_late = issue.issued_at.date() > closes
    card = Card(issue.as_of, issue.issued_at, models, len(rows), closes, is_late)
    if is_late or not is_over(issue.window_days):
        return card
    with questions.connection() as connection:
        connection.register("issue", rows)
        connection.register("order_days", delta.dataset(settings.table_uri("facts", "order_days")))
        connection.execute(CAME, [issue.as_of, issue.as_of])
        card = replace(card, figures=_figures(connection, issue), refitted=_refitted(settings, card))
        return replace(card, value_bias=_value_bias(connection, issue)) if is_over(VALUE_DAYS) else card


CAME = """
CREATE TEMP TABLE came AS SELECT customer_id, date_diff('day', ?::DATE, transaction_date) AS days,
  CASE WHEN count(amount) = count(*) THEN sum(amount) END AS amount
FROM order_days WHERE customer_id IS NOT NULL AND transaction_date > ?::DATE GROUP BY ALL
"""
"""Makes ``came``: the purchase days of each customer after a day, with the spend; empty if an amount is unknown."""


def _figures(connection: duckdb.DuckDBPyConnection, issue: Issue) -> Mapping[str, float | None]:
    """The figures of the window, as in the backtest."""
    rows = connection.execute(
        f"""
        SELECT 1 - churn_probability AS p, expected_orders, expected_spend,
          count(days) AS days,
          CASE WHEN count(days) = 0 THEN 0 WHEN count(amount) = count(days) THEN sum(amount) END AS spend
        FROM issue LEFT JOIN (FROM came WHERE days <= {issue.window_days}) USING (customer_id)
        GROUP BY customer_id, churn_probability, expected_orders, expected_spend ORDER BY customer_id
        """
    ).fetchnumpy()
    columns: list[Floats] = [
        np.ma.filled(np.ma.asarray(column, dtype=float), np.nan) for column in rows.values()
    ]
    p, orders, spend, days, came_spend = columns
    return figures(Judged(p, orders, spend, p, days, came_spend))


def _refitted(settings: Settings, card: Card) -> Mapping[str, float | None]:
    """The figures of the backtest for the day of an issue, by the model that is used today."""
    uri = settings.table_uri("marts", "model_windows")
    if not delta.exists(uri) or card.closes not in delta.slices(uri, "as_of_date"):
        return {}
    chosen = pc.field("is_used") & (pc.field("segment") == "all") & (pc.field("predicted_on") == card.as_of)
    rows: list[dict[str, Any]] = delta.dataset(uri, day=str(card.closes)).to_table(filter=chosen).to_pylist()
    return rows[0] if rows else {}


def _value_bias(connection: duckdb.DuckDBPyConnection, issue: Issue) -> float | None:
    """The bias of the 12-month value: the months discounted from their middle, as in the forecast."""
    month = f"ceil(days / {DAYS_PER_MONTH}) - 0.5"
    expected, came = connection.execute(
        f"""
        SELECT CASE WHEN count(clv_12m) = count(*) THEN sum(clv_12m) END,
          (SELECT CASE WHEN count(amount) = count(*)
             THEN coalesce(sum(amount * ({1 + issue.discount_rate} ^ (-({month}) / 12))), 0) END
           FROM came SEMI JOIN issue USING (customer_id) WHERE days <= {VALUE_DAYS})
        FROM issue
        """
    ).fetchone() or (None, None)
    return float(expected) / float(came) - 1 if expected is not None and came else None
