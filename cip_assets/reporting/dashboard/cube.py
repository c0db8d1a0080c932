"""What the charts draw: sums by region, segment and cohort, so that the page can filter without any customer in it.

Every measure is a sum over customers, events or tenths of them, and every customer is in one cell; rates are divided
on the page, after the cells that are shown were added up. All cells together give the numbers of the marts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

from cip_assets.config.rules import Rules

OVER, NOT_OVER = "month over", "month not over"
"""What the page says of a month: what it counts of one that is not over is of a part of it."""

CELL = ("region", "segment", "cohort")
"""What the page filters by: region, RFM segment, and quarter of the first purchase."""

EVENTS = """
CREATE TEMP TABLE bought AS
  SELECT customer_id, product_id, transaction_id, transaction_date AS day, month, amount
  FROM transactions WHERE transaction_date <= $day;
CREATE TEMP TABLE starts AS
  SELECT customer_id, first, date_trunc('month', first)::DATE AS month,
    min(day) FILTER (WHERE day > first) AS second
  FROM (SELECT customer_id, day, min(day) OVER (PARTITION BY customer_id) AS first FROM bought)
  GROUP BY ALL;
CREATE TEMP TABLE visits AS
  SELECT customer_id, month, count(*) AS sessions FROM web_activity WHERE timestamp::DATE <= $day GROUP BY ALL;
"""

STRANGERS = """
CREATE TEMP TABLE strangers AS
  SELECT DISTINCT customer_id FROM (
    SELECT customer_id FROM returns UNION ALL SELECT customer_id FROM support_tickets
    UNION ALL SELECT customer_id FROM visits)
  WHERE customer_id NOT IN (SELECT customer_id FROM customer_360)
    AND customer_id NOT IN (SELECT customer_id FROM starts);
"""

PEOPLE = """
CREATE TEMP TABLE people AS
  SELECT customer_id, coalesce(region, 'Unknown') AS region, coalesce(rfm_segment, 'Unknown') AS segment,
    coalesce(year(first) || ' Q' || quarter(first), 'No purchase') AS cohort
  FROM customer_360 FULL JOIN starts USING (customer_id)
  UNION SELECT customer_id, 'Unknown', 'Unknown', 'No purchase' FROM strangers;
CREATE TEMP TABLE cells AS
  SELECT *, row_number() OVER (ORDER BY region, segment, cohort) - 1 AS cell
  FROM (SELECT DISTINCT region, segment, cohort FROM people);
CREATE TEMP TABLE cell_of AS
  SELECT customer_id, cell FROM people JOIN cells USING (region, segment, cohort);
"""
"""Who is in which cell: customers, buyers that customers does not know, and other strangers that came back or asked."""

MONTHLY = """
CREATE TEMP TABLE monthly AS
  SELECT cell, month, sum(amount) AS revenue, count(*) AS orders, count(DISTINCT customer_id) AS buyers
  FROM bought JOIN cell_of USING (customer_id) GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS tickets
  FROM support_tickets JOIN cell_of USING (customer_id) WHERE opened_date <= $day GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS returned
  FROM returns JOIN cell_of USING (customer_id) WHERE return_date <= $day GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS active
  FROM (SELECT customer_id, month FROM bought UNION SELECT customer_id, month FROM visits)
    JOIN cell_of USING (customer_id) GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS new_buyers,
    count(*) FILTER (WHERE second - first <= $within) AS second_orders
  FROM starts JOIN cell_of USING (customer_id) WHERE last_day(month) + $within::INT <= $day GROUP BY ALL;
"""
"""What is counted by month, in rows of their own, which two facts add up."""


@dataclass(frozen=True)
class Fact:
    """What some charts draw: sums by cell and keys, and what is divided of them when they were added up.

    ``ratios`` are, by name, the sum above the line, the one below, and what the quotient is multiplied with.
    """

    keys: Sequence[str]
    sums: Sequence[str]
    query: str
    ratios: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)
    share: str | None = None


QUARTERS = """
  WITH judged AS (
    SELECT customer_id, month, coalesce(sessions, 0) AS sessions
    FROM (SELECT DISTINCT customer_id, month FROM bought WHERE last_day(month) + $window::INT <= $day)
      LEFT JOIN visits USING (customer_id, month)),
  ranked AS (
    SELECT month, sessions, sum(count(*)) OVER (PARTITION BY month ORDER BY sessions) AS reached,
      sum(count(*)) OVER (PARTITION BY month) AS size
    FROM judged GROUP BY month, sessions),
  cuts AS (
    SELECT month, min(sessions) FILTER (reached * 100 >= size * 25) AS q1,
      min(sessions) FILTER (reached * 100 >= size * 50) AS q2, min(sessions) FILTER (reached * 100 >= size * 75) AS q3
    FROM ranked GROUP BY month),
  back AS (
    SELECT DISTINCT judged.customer_id, judged.month FROM judged JOIN bought USING (customer_id)
    WHERE bought.day > last_day(judged.month) AND bought.day <= last_day(judged.month) + $window::INT)
  SELECT cell, month,
    ['least', 'second', 'third', 'most'][1 + (sessions > q1)::INT + (sessions > q2)::INT + (sessions > q3)::INT]
      AS quarter,
    count(*) AS customers, count(*) FILTER (WHERE back.customer_id IS NULL) AS stayed_away
  FROM judged JOIN cuts USING (month) JOIN cell_of USING (customer_id) LEFT JOIN back USING (customer_id, month)
  GROUP BY ALL
"""

CALIBRATION = """
  WITH said AS (
    SELECT customer_id, model, floor(p * 10000) / 10000 AS p, (came_days > 0)::INT AS came FROM (
      SELECT customer_id, came_days,
        unnest(['purchase_model', 'challenger']) AS model, unnest([p_purchase_model, p_challenger]) AS p
      FROM past_predictions)
    WHERE p IS NOT NULL),
  placed AS (
    SELECT model, p, 1 + least(floor((sum(count(*)) OVER below - count(*) / 2) * 10 / sum(count(*)) OVER model), 9)::INT
      AS decile
    FROM said GROUP BY model, p
    WINDOW model AS (PARTITION BY model), below AS (PARTITION BY model ORDER BY p))
  SELECT cell, model, decile, count(*) AS customers, sum(p) AS said_to_buy, sum(came) AS bought
  FROM said JOIN placed USING (model, p) JOIN cell_of USING (customer_id) GROUP BY ALL
"""

FACTS: Mapping[str, Fact] = {
    "customers": Fact(
        (),
        ("customers",),
        "SELECT cell, count(*) AS customers FROM customer_360 JOIN cell_of USING (customer_id) GROUP BY ALL",
    ),
    "months": Fact(
        ("month", "state"),
        ("revenue", "orders", "buyers", "tickets"),
        f"""
        SELECT monthly.*, CASE WHEN is_complete THEN '{OVER}' ELSE '{NOT_OVER}' END AS state
        FROM monthly JOIN kpi_monthly_revenue USING (month)
        """,
    ),
    "trends": Fact(
        ("month",),
        ("orders", "returned", "tickets", "active", "new_buyers", "second_orders"),
        "FROM monthly WHERE month IN (SELECT month FROM kpi_trends WHERE is_complete)",
        {
            "second_order_rate": ("second_orders", "new_buyers", 1),
            "return_ratio": ("returned", "orders", 1),
            "complaints_per_100": ("tickets", "active", 100),
        },
    ),
    "engagement": Fact(
        ("month", "quarter"),
        ("customers", "stayed_away"),
        QUARTERS,
        {"rate": ("stayed_away", "customers", 1)},
    ),
    "retention": Fact(
        ("cohort_month", "month_number"),
        ("cohort_size", "active_buyers"),
        """
        WITH sizes AS (
          SELECT cell, month AS cohort_month, count(*) AS cohort_size
          FROM starts JOIN cell_of USING (customer_id) GROUP BY ALL),
        came AS (
          SELECT cell, starts.month AS cohort_month, datediff('month', starts.month, bought.month) AS month_number,
            count(DISTINCT customer_id) AS active_buyers
          FROM starts JOIN bought USING (customer_id) JOIN cell_of USING (customer_id) GROUP BY ALL)
        SELECT cell, cohort_month, month_number, sizes.cohort_size, coalesce(came.active_buyers, 0) AS active_buyers
        FROM sizes JOIN cohort_retention AS over USING (cohort_month)
          LEFT JOIN came USING (cell, cohort_month, month_number)
        WHERE over.retention_rate IS NOT NULL AND month_number > 0
        """,
        {"retention_rate": ("active_buyers", "cohort_size", 1)},
    ),
    "segments": Fact(
        ("segment",),
        ("customers", "revenue"),
        """
        SELECT cell, rfm_segment AS segment, count(*) AS customers, sum(monetary_value) AS revenue
        FROM customer_360 JOIN cell_of USING (customer_id) GROUP BY ALL
        """,
        share="revenue",
    ),
    "churn": Fact(
        ("from_percent", "band"),
        ("customers",),
        """
        SELECT cell, least(floor(churn_probability * 20)::INT, 19) * 5 AS from_percent, churn_band AS band,
          count(*) AS customers
        FROM customer_360 JOIN cell_of USING (customer_id) WHERE churn_probability IS NOT NULL GROUP BY ALL
        """,
    ),
    "clv": Fact(
        ("from_money",),
        ("customers",),
        """
        SELECT cell, least(floor(clv_12m / 50), 20)::INT * 50 AS from_money, count(*) AS customers
        FROM customer_360 JOIN cell_of USING (customer_id) WHERE clv_12m IS NOT NULL GROUP BY ALL
        """,
    ),
    "calibration": Fact(
        ("model", "decile"),
        ("customers", "said_to_buy", "bought"),
        CALIBRATION,
        {"predicted": ("said_to_buy", "customers", 1), "actual": ("bought", "customers", 1)},
    ),
    "categories": Fact(
        ("category",),
        ("sold", "returned"),
        """
        SELECT cell, coalesce(category, 'Unknown') AS category, count(*) AS sold, count(back.transaction_id) AS returned
        FROM bought JOIN cell_of USING (customer_id) LEFT JOIN products USING (product_id)
          LEFT JOIN (SELECT DISTINCT transaction_id FROM returns WHERE return_date <= $day) AS back
            USING (transaction_id)
        GROUP BY ALL
        """,
        {"share": ("returned", "sold", 1)},
    ),
    "products": Fact(
        ("product",),
        ("revenue", "orders"),
        """
        SELECT cell, product_name || ' (' || product_id || ')' AS product, sum(amount) AS revenue, count(*) AS orders
        FROM bought JOIN cell_of USING (customer_id) JOIN kpi_top_products USING (product_id) WHERE rank <= 10
        GROUP BY ALL
        """,
    ),
}
"""The facts by name. Tables stand for their rows of the day, cleaned ones for all."""


def cube(connection: duckdb.DuckDBPyConnection, as_of: date, rules: Rules) -> Mapping[str, Any]:
    """The cells, and of each fact its columns: whole numbers that count into lists of the distinct keys, and sums."""
    given = {"day": as_of, "within": rules.repeat.within_days, "window": rules.churn.window_days}

    def run(query: str) -> duckdb.DuckDBPyConnection:
        return connection.execute(
            query, {name: value for name, value in given.items() if f"${name}" in query}
        )

    for statement in f"{EVENTS}{STRANGERS}{PEOPLE}{MONTHLY}".split(";")[:-1]:
        run(statement)
    cells = run(f"SELECT {', '.join(CELL)} FROM cells ORDER BY cell").fetchall()
    return {
        "by": CELL,
        "cells": cells,
        "facts": {name: _columns(fact, run) for name, fact in FACTS.items()},
    }


def _columns(fact: Fact, run: Callable[[str], duckdb.DuckDBPyConnection]) -> Mapping[str, Any]:
    """A fact as columns, with what the page does to them."""
    sums = ", ".join(f"coalesce(sum({name}), 0)::DOUBLE AS {name}" for name in fact.sums)
    names = ["cell", *fact.keys]
    rows = run(f"SELECT {', '.join([*names, sums])} FROM ({fact.query}) GROUP BY ALL ORDER BY ALL").fetchall()
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in (*names, *fact.sums)]
    cell, keys, added = columns[0], columns[1 : len(names)], columns[len(names) :]
    return {
        "cell": cell,
        "keys": {name: _encoded(values) for name, values in zip(fact.keys, keys, strict=True)},
        "sums": {
            name: [_short(value) for value in values] for name, values in zip(fact.sums, added, strict=True)
        },
        "ratios": fact.ratios,
        "share": fact.share,
    }


def _encoded(column: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
    """The distinct values, dates as text, and for each row which of them it has."""
    values = sorted(set(column))
    place = {value: number for number, value in enumerate(values)}
    return {
        "values": [str(value) if isinstance(value, date) else value for value in values],
        "codes": [place[value] for value in column],
    }


def _short(value: float) -> float:
    return int(value) if value.is_integer() else round(value, 4)
