"""What the charts draw: sums by region, segment and cohort, so that the page can filter without any customer in it.

Every customer is in one cell, and every measure is a sum over customers, events or parts of them. The page adds up
the cells that it shows and then divides. All cells together give the figures of the marts. Which months are complete
and which windows have closed are read from the marts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isnan
from typing import Any

import duckdb

from cip_assets.config.rules import Rules
from cip_assets.layers.labels import GUEST, NO_PURCHASE, UNKNOWN

COMPLETE, INCOMPLETE = "Complete month", "Incomplete month"
TOP_PRODUCTS = 10
CHURN_STEP = 5
"""Percentage points of churn probability in a bar."""
CLV_STEP, CLV_LAST = 50, 1000
"""Currency units of expected spend in a bar; the last bar has no upper end."""

CELL = ("region", "segment", "cohort")
"""What the page filters by: region, RFM segment, and calendar quarter of the first purchase."""

_WITHOUT_PURCHASE = f"CASE WHEN EXISTS (FROM purchases) THEN '{NO_PURCHASE}' ELSE '{UNKNOWN}' END"

PEOPLE = f"""
CREATE TEMP TABLE people AS
  SELECT customer_id, coalesce(region, '{UNKNOWN}') AS region, coalesce(rfm_segment, '{UNKNOWN}') AS segment,
    coalesce(year(first) || ' Q' || quarter(first), {_WITHOUT_PURCHASE}) AS cohort
  FROM customer_360
    FULL JOIN (SELECT customer_id, first_purchase_date AS first FROM purchases) USING (customer_id);
INSERT INTO people
  SELECT DISTINCT customer_id, '{UNKNOWN}', '{UNKNOWN}', {_WITHOUT_PURCHASE} FROM (
    SELECT customer_id FROM returns WHERE return_date <= $day UNION ALL SELECT customer_id FROM support_tickets
    UNION ALL SELECT customer_id FROM session_days WHERE session_days.day <= $day)
  WHERE customer_id <> '' AND customer_id NOT IN (SELECT customer_id FROM people);
INSERT INTO people
  SELECT '', '{UNKNOWN}', '{GUEST}', '{GUEST}' WHERE
    EXISTS (FROM transactions WHERE transaction_date <= $day AND customer_id IS NULL)
    OR EXISTS (FROM returns WHERE return_date <= $day AND customer_id IS NULL);
CREATE TEMP TABLE cells AS
  SELECT *, row_number() OVER (ORDER BY region, segment, cohort) - 1 AS cell
  FROM (SELECT DISTINCT region, segment, cohort FROM people);
CREATE TEMP TABLE cell_of AS
  SELECT customer_id, row_number() OVER () AS person, cell FROM people JOIN cells USING (region, segment, cohort);
"""
"""The cell of each person: customers, orphan buyers, orphans who only returned, asked or visited, and guests, who have
the customer id ''. Their numbers are quicker to compare than their ids.
"""

EVENTS = """
CREATE TEMP TABLE sold AS
  SELECT person, cell, cell_of.customer_id = '' AS is_guest, product_id, order_id, transaction_id,
    transaction_date AS day, month, amount
  FROM transactions JOIN cell_of ON cell_of.customer_id = coalesce(transactions.customer_id, '')
  WHERE transaction_date <= $day;
CREATE TEMP TABLE bought AS SELECT DISTINCT person, cell, month, day FROM sold WHERE NOT is_guest;
CREATE TEMP TABLE given_back AS
  SELECT cell, transaction_id, month
  FROM returns JOIN cell_of ON cell_of.customer_id = coalesce(returns.customer_id, '') WHERE return_date <= $day;
CREATE TEMP TABLE starts AS
  SELECT person, cell, date_trunc('month', days[1])::DATE AS month, days[1] AS first, days[2] AS second
  FROM (SELECT person, cell, min(day, 2) AS days FROM bought GROUP BY ALL);
CREATE TEMP TABLE visits AS
  SELECT person, cell, month, sum(sessions) AS sessions
  FROM session_days JOIN cell_of USING (customer_id) WHERE session_days.day <= $day GROUP BY ALL;
"""
"""The events until the day. ``bought`` has the purchase days of customers, without those of guests."""


def _all_of(money: str) -> str:
    """The sum of a money column; NaN if an amount is unknown, which no sum makes a number of again."""
    return f"CASE WHEN count({money}) = count(*) THEN sum({money})::DOUBLE ELSE 'nan'::DOUBLE END"


_UNKNOWN_WITHOUT_ORDERS = "CASE WHEN NOT EXISTS (FROM sold) THEN 'nan'::DOUBLE END"

MONTHLY = f"""
CREATE TEMP TABLE monthly AS
  SELECT cell, month, {_all_of("amount")} AS revenue, count(DISTINCT order_id) AS orders, count(*) AS order_lines,
    CASE WHEN EXISTS (FROM bought) THEN count(DISTINCT CASE WHEN NOT is_guest THEN person END)
      ELSE 'nan'::DOUBLE END AS buyers
  FROM sold GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS tickets,
    {", ".join(f"{_UNKNOWN_WITHOUT_ORDERS} AS {name}" for name in ("revenue", "orders", "order_lines", "buyers"))}
  FROM support_tickets JOIN cell_of USING (customer_id) WHERE opened_date <= $day GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS returns
  FROM given_back GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS active_customers
  FROM (SELECT person, cell, month FROM bought UNION SELECT person, cell, month FROM visits) GROUP BY ALL
  UNION ALL BY NAME SELECT cell, month, count(*) AS new_buyers,
    count(*) FILTER (WHERE second - first <= $within) AS second_orders
  FROM starts
  WHERE month IN (SELECT month FROM kpi_trends WHERE new_buyers IS NOT NULL) GROUP BY ALL;
"""
"""What is counted by month, each count in rows of its own; two facts add them up. Without orders, their counts are
unknown in the months of tickets.
"""

RETENTION = """
  WITH sizes AS (
    SELECT cell, month AS cohort_month, count(*) AS cohort_size
    FROM starts GROUP BY ALL),
  active AS (
    SELECT cell, starts.month AS cohort_month, datediff('month', starts.month, bought.month) AS month_number,
      count(DISTINCT person) AS active_buyers
    FROM starts JOIN bought USING (person, cell) GROUP BY ALL)
  SELECT cell, cohort_month, month_number, sizes.cohort_size, coalesce(active.active_buyers, 0) AS active_buyers
  FROM sizes JOIN cohort_retention AS mart USING (cohort_month)
    LEFT JOIN active USING (cell, cohort_month, month_number)
  WHERE mart.retention_rate IS NOT NULL AND month_number > 0
"""


@dataclass(frozen=True)
class Fact:
    """What one or more charts draw: sums by cell and keys, and what the page divides after it has added them up.

    ``ratios`` are, by name, the sum above the line, the one below, and the factor of the quotient. ``share`` is the
    sum of which each row also gets its share of all rows.
    """

    keys: Sequence[str]
    sums: Sequence[str]
    query: str
    ratios: Mapping[str, tuple[str, str, int]] = field(default_factory=dict)
    share: str | None = None


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
        SELECT monthly.*, CASE WHEN is_complete THEN '{COMPLETE}' ELSE '{INCOMPLETE}' END AS state
        FROM monthly JOIN kpi_trends USING (month)
        """,
    ),
    "trends": Fact(
        ("month",),
        ("order_lines", "returns", "tickets", "active_customers", "new_buyers", "second_orders"),
        "FROM monthly WHERE month IN (SELECT month FROM kpi_trends WHERE is_complete)",
        {
            "second_order_rate": ("second_orders", "new_buyers", 1),
            "return_ratio": ("returns", "order_lines", 1),
            "complaints_per_100": ("tickets", "active_customers", 100),
        },
    ),
    "retention": Fact(
        ("cohort_month", "month_number"),
        ("cohort_size", "active_buyers"),
        RETENTION,
        {"retention_rate": ("active_buyers", "cohort_size", 1)},
    ),
    "segments": Fact(
        ("segment",),
        ("customers", "revenue"),
        f"""
        SELECT cell, rfm_segment AS segment, count(*) AS customers, {_all_of("monetary_value")} AS revenue
        FROM customer_360 JOIN cell_of USING (customer_id) GROUP BY ALL
        """,
        share="revenue",
    ),
    "churn": Fact(
        ("churn_from", "churn_band"),
        ("customers",),
        f"""
        SELECT cell, least(floor(churn_probability * {100 // CHURN_STEP}) * {CHURN_STEP}, {100 - CHURN_STEP})::INT
            AS churn_from,
          churn_band, count(*) AS customers
        FROM customer_360 JOIN cell_of USING (customer_id) WHERE churn_probability IS NOT NULL GROUP BY ALL
        """,
    ),
    "clv": Fact(
        ("clv_from",),
        ("customers",),
        f"""
        SELECT cell, least(floor(clv_12m / {CLV_STEP}) * {CLV_STEP}, {CLV_LAST})::INT AS clv_from,
          count(*) AS customers
        FROM customer_360 JOIN cell_of USING (customer_id) WHERE clv_12m IS NOT NULL GROUP BY ALL
        """,
    ),
    "categories": Fact(
        ("category",),
        ("order_lines", "returned_lines"),
        f"""
        SELECT cell, coalesce(category, '{UNKNOWN}') AS category, count(*) AS order_lines,
          count(back.transaction_id) AS returned_lines
        FROM sold LEFT JOIN products USING (product_id)
          LEFT JOIN (SELECT DISTINCT transaction_id FROM given_back) AS back USING (transaction_id)
        GROUP BY ALL
        """,
        {"returned_share": ("returned_lines", "order_lines", 1)},
    ),
    "products": Fact(
        ("product",),
        ("revenue", "orders"),
        f"""
        SELECT cell, product_name || ' (' || product_id || ')' AS product, {_all_of("amount")} AS revenue,
          count(DISTINCT order_id) AS orders
        FROM sold JOIN kpi_top_products USING (product_id)
        WHERE rank <= {TOP_PRODUCTS} GROUP BY ALL
        """,
    ),
}
"""The facts by name. A table stands for its rows of the day, one of events or facts for all its rows."""


def cube(connection: duckdb.DuckDBPyConnection, as_of: date, rules: Rules) -> Mapping[str, Any]:
    """The cells, and the columns of each fact: keys as numbers that count into lists of their values, and sums."""
    given = {"day": as_of, "within": rules.repeat.within_days}

    def run(query: str) -> duckdb.DuckDBPyConnection:
        return connection.execute(
            query, {name: value for name, value in given.items() if f"${name}" in query}
        )

    for statement in f"{PEOPLE}{EVENTS}{MONTHLY}".split(";")[:-1]:
        run(statement)
    cells = run(f"SELECT {', '.join(CELL)} FROM cells ORDER BY cell").fetchall()
    return {
        "by": CELL,
        "cells": cells,
        "facts": {name: _columns(fact, run) for name, fact in FACTS.items()},
    }


def _columns(fact: Fact, run: Callable[[str], duckdb.DuckDBPyConnection]) -> Mapping[str, Any]:
    """A fact as columns, with what the page computes from them."""
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
    """The distinct values, dates as text, and for each row the place of its value among them."""
    values = sorted(set(column))
    place = {value: number for number, value in enumerate(values)}
    return {
        "values": [str(value) if isinstance(value, date) else value for value in values],
        "codes": [place[value] for value in column],
    }


def _short(value: float) -> float | None:
    """The number in few digits; None if it is unknown."""
    if isnan(value):
        return None
    return int(value) if value.is_integer() else round(value, 4)
