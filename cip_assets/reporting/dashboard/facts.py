"""What the charts draw: sums by region, segment and cohort, so that the page can filter without any customer in it.

Every customer is in one cell, and every measure is a column of a mart that adds up over cells or customers. The page
adds up the cells that it shows and then divides. All cells together give the figures of the other marts. Which months
are complete and which windows have closed are read from these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isnan
from typing import Any

import duckdb

from cip_assets.layers.labels import GUEST, NO_PURCHASE, UNKNOWN

COMPLETE, INCOMPLETE = "Complete month", "Incomplete month"
CHURN_STEP = 5
"""Percentage points of churn probability in a bar."""
CLV_STEP, CLV_LAST = 50, 1000
"""Currency units of expected spend in a bar; the last bar has no upper end."""

CELL = ("region", "segment", "cohort")
"""What the page filters by: region, RFM segment, and calendar quarter of the first purchase."""


def _cohort(segment: str, first: str) -> str:
    """The quarter of the first purchase, or why there is none."""
    has_buyers = "EXISTS (FROM cell_months WHERE cohort_month IS NOT NULL)"
    return f"""CASE WHEN {segment} = '{GUEST}' THEN '{GUEST}' WHEN {first} IS NOT NULL
      THEN year({first}) || ' Q' || quarter({first}) WHEN {has_buyers} THEN '{NO_PURCHASE}' ELSE '{UNKNOWN}' END"""


CELLS = f"""
CREATE TEMP TABLE people AS
  SELECT customer_id, coalesce(region, '{UNKNOWN}') AS region, rfm_segment AS segment,
    {_cohort("rfm_segment", "first_purchase_date")} AS cohort, monetary_value, churn_probability, churn_band, clv_12m
  FROM customer_360;
CREATE TEMP TABLE months AS SELECT *, {_cohort("segment", "cohort_month")} AS cohort FROM cell_months;
CREATE TEMP TABLE goods AS SELECT *, {_cohort("segment", "cohort_month")} AS cohort FROM cell_products;
CREATE TEMP TABLE cells AS
  SELECT *, row_number() OVER (ORDER BY region, segment, cohort) - 1 AS cell
  FROM ({" UNION ".join(f"SELECT {', '.join(CELL)} FROM {rows}" for rows in ("people", "months", "goods"))});
CREATE TEMP VIEW cell_of AS SELECT customer_id, cell FROM people JOIN cells USING ({", ".join(CELL)});
"""
"""The rows of the marts, and the cell of each: quarters in place of the months of ``cell_months``."""

_OF_CELLS = f"JOIN cells USING ({', '.join(CELL)})"


def _all_of(measure: str) -> str:
    """The sum of a column; NaN if a value is unknown, which no sum makes a number of again."""
    return f"CASE WHEN count({measure}) = count(*) THEN sum({measure})::DOUBLE ELSE 'nan'::DOUBLE END AS {measure}"


RETENTION = f"""
  WITH bought AS (SELECT cell, cohort_month, month, buyers FROM months {_OF_CELLS})
  SELECT sizes.cell, mart.cohort_month, month_number, sizes.buyers AS cohort_size, active.buyers AS active_buyers
  FROM bought AS sizes JOIN cohort_retention AS mart USING (cohort_month)
    LEFT JOIN bought AS active ON active.cell = sizes.cell AND active.cohort_month = mart.cohort_month
      AND active.month = (mart.cohort_month + to_months(month_number))::DATE
  WHERE sizes.month = mart.cohort_month AND mart.retention_rate IS NOT NULL AND month_number > 0
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
        f"SELECT cell, count(*) AS customers FROM people {_OF_CELLS} GROUP BY ALL",
    ),
    "months": Fact(
        ("month", "state"),
        ("revenue", "orders", "buyers", "tickets"),
        f"""
        SELECT cell, month, CASE WHEN is_complete THEN '{COMPLETE}' ELSE '{INCOMPLETE}' END AS state,
          {", ".join(_all_of(name) for name in ("revenue", "orders", "buyers", "tickets"))}
        FROM months {_OF_CELLS} JOIN (SELECT month, is_complete FROM kpi_trends) USING (month) GROUP BY ALL
        """,
    ),
    "trends": Fact(
        ("month",),
        ("order_lines", "returns", "tickets", "active_customers", "new_buyers", "second_orders"),
        f"FROM months {_OF_CELLS} WHERE month IN (SELECT month FROM kpi_trends WHERE is_complete)",
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
        SELECT cell, segment, count(*) AS customers, {_all_of("revenue")}
        FROM (SELECT *, monetary_value AS revenue FROM people {_OF_CELLS}) GROUP BY ALL
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
        FROM people {_OF_CELLS} WHERE churn_probability IS NOT NULL GROUP BY ALL
        """,
    ),
    "clv": Fact(
        ("clv_from",),
        ("customers",),
        f"""
        SELECT cell, least(floor(clv_12m / {CLV_STEP}) * {CLV_STEP}, {CLV_LAST})::INT AS clv_from,
          count(*) AS customers
        FROM people {_OF_CELLS} WHERE clv_12m IS NOT NULL GROUP BY ALL
        """,
    ),
    "categories": Fact(
        ("category",),
        ("order_lines", "returned_lines"),
        f"FROM goods {_OF_CELLS}",
        {"returned_share": ("returned_lines", "order_lines", 1)},
    ),
    "products": Fact(
        ("product",),
        ("revenue", "orders"),
        f"""
        SELECT cell, product_name || ' (' || product_id || ')' AS product, goods.revenue, goods.orders
        FROM goods {_OF_CELLS} JOIN kpi_top_products USING (product_id)
        """,
    ),
}
"""The facts by name. A mart stands for its rows of the day."""


def cube(connection: duckdb.DuckDBPyConnection) -> Mapping[str, Any]:
    """The cells, and the columns of each fact: keys as numbers that count into lists of their values, and sums."""
    connection.execute(CELLS)
    cells = connection.execute(f"SELECT {', '.join(CELL)} FROM cells ORDER BY cell").fetchall()
    return {
        "by": CELL,
        "cells": cells,
        "facts": {name: _columns(fact, connection) for name, fact in FACTS.items()},
    }


def _columns(fact: Fact, connection: duckdb.DuckDBPyConnection) -> Mapping[str, Any]:
    """A fact as columns, with what the page computes from them."""
    sums = ", ".join(f"coalesce(sum({name}), 0)::DOUBLE AS {name}" for name in fact.sums)
    names = ["cell", *fact.keys]
    query = f"SELECT {', '.join([*names, sums])} FROM ({fact.query}) GROUP BY ALL ORDER BY ALL"
    rows = connection.execute(query).fetchall()
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
