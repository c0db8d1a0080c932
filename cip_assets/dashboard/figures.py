"""Every number of the page, read from the tables as of one day: aggregates, and of customers the top ones' ids."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb

from cip_assets.contracts import SOURCE_TABLES
from cip_assets.io import delta
from cip_assets.settings import Settings

Rows = Sequence[Mapping[str, Any]]

MONTH = "strftime({0}, '%Y-%m-%d') AS {0}"

QUERIES: Mapping[str, str] = {
    "totals": "SELECT total_customers, buyers, total_revenue, net_revenue, avg_order_value FROM kpi_totals",
    "insights": "SELECT question, direction, answer, before, now, change, low, high, basis FROM insights",
    "months": f"""SELECT {MONTH.format("month")}, monthly_revenue, orders, buyers
        FROM kpi_monthly_revenue ORDER BY month""",
    "trends": f"""SELECT {MONTH.format("month")}, second_order_rate, return_ratio, complaints_per_100, tickets
        FROM kpi_trends WHERE is_complete ORDER BY month""",
    "engagement": f"""SELECT {MONTH.format("month")}, quarter, rate FROM (
          SELECT month, unnest(['least', 'second', 'third', 'most']) AS quarter,
            unnest([churn_rate_q1, churn_rate_q2, churn_rate_q3, churn_rate_q4]) AS rate FROM kpi_trends)
        WHERE rate IS NOT NULL ORDER BY ALL""",
    "retention": f"""SELECT {MONTH.format("cohort_month")}, month_number, retention_rate, cohort_size
        FROM cohort_retention WHERE retention_rate IS NOT NULL AND month_number > 0 ORDER BY ALL""",
    "segments": """SELECT segment, customers, revenue, revenue_share FROM kpi_revenue_segment
        WHERE segmentation = 'rfm_segment' ORDER BY revenue DESC, segment""",
    "regions": """SELECT segment AS region, customers, revenue FROM kpi_revenue_segment
        WHERE segmentation = 'region' ORDER BY revenue DESC, segment""",
    "migration": "SELECT from_segment, to_segment, customers, share FROM segment_migration ORDER BY ALL",
    "churn": """SELECT least(floor(churn_probability * 20)::INT, 19) * 5 AS from_percent, churn_band AS band,
        count(*) AS customers FROM customer_360 WHERE churn_probability IS NOT NULL GROUP BY ALL ORDER BY ALL""",
    "clv": """SELECT least(floor(clv_12m / 50)::INT, 20) * 50 AS from_money, count(*) AS customers
        FROM customer_360 WHERE clv_12m IS NOT NULL GROUP BY ALL ORDER BY ALL""",
    "calibration": "SELECT model, decile, customers, predicted, actual FROM model_calibration ORDER BY ALL",
    "backtest": """SELECT model, brier, auc, spearman, calibration_error, top_decile_spend_share
        FROM model_backtest ORDER BY brier""",
    "products": """SELECT rank, product_id, product_name, category, revenue, orders FROM kpi_top_products
        WHERE rank <= 10 ORDER BY rank""",
    "customers": """SELECT rank, customer_id, rfm_segment, monetary_value FROM kpi_top_customers
        WHERE rank <= 10 ORDER BY rank""",
    "activity": "SELECT activity_type, sessions, session_share FROM kpi_activity ORDER BY sessions DESC, activity_type",
    "categories": """SELECT coalesce(category, 'Unknown') AS category, sold, returned, returned / sold AS share FROM (
          SELECT category, count(*) AS sold, count(came_back.transaction_id) AS returned
          FROM transactions LEFT JOIN products USING (product_id)
            LEFT JOIN (SELECT DISTINCT transaction_id FROM returns WHERE return_date <= $day) AS came_back
              USING (transaction_id)
          WHERE transaction_date <= $day GROUP BY category) ORDER BY share DESC, category""",
}
"""The figures by name; tables stand for their rows of the day, cleaned ones for all."""

MARTS = (
    "cohort_retention",
    "customer_360",
    "insights",
    "kpi_activity",
    "kpi_monthly_revenue",
    "kpi_revenue_segment",
    "kpi_top_customers",
    "kpi_top_products",
    "kpi_totals",
    "kpi_trends",
    "model_backtest",
    "model_calibration",
    "segment_migration",
)
CLEANED = ("transactions", "returns", "products")


def figures(settings: Settings, as_of: date) -> Mapping[str, Rows]:
    """The rows of every figure, numbers as numbers and months as their first days.

    Raises:
        PlatformError: a table is not written yet.

    """
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        for table in MARTS:
            day = delta.open_table(settings.table_uri("marts", table)).to_pyarrow_dataset(
                file_pruning_predicate=[("as_of_date", "=", as_of.isoformat())]
            )
            connection.register(table, day)
        for table in CLEANED:
            connection.register(
                table, delta.open_table(settings.table_uri("cleaned", table)).to_pyarrow_dataset()
            )
        found: dict[str, Rows] = {}
        for name, query in QUERIES.items():
            result = connection.execute(query, {"day": as_of} if "$day" in query else {})
            columns = [column[0] for column in result.description or []]
            found[name] = [
                {column: _plain(value) for column, value in zip(columns, row, strict=True)}
                for row in result.fetchall()
            ]
        found["quality"] = [_quality(connection, settings, table) for table in SOURCE_TABLES]
    return found


def _quality(connection: duckdb.DuckDBPyConnection, settings: Settings, table: str) -> Mapping[str, Any]:
    """Of a source table: rows kept, kept out by reason, and the day of the newest event."""
    cleaned = delta.open_table(settings.table_uri("cleaned", table))
    connection.register(
        "kept_out", delta.open_table(settings.table_uri("quarantine", table)).to_pyarrow_dataset()
    )
    counted = connection.execute(
        "SELECT outcome, reasons, count(*) FROM kept_out GROUP BY ALL ORDER BY 3 DESC, 2"
    ).fetchall()
    event_date = SOURCE_TABLES[table].event_date
    newest = delta.last_day(settings.table_uri("cleaned", table), event_date) if event_date else None
    return {
        "table": table,
        "cleaned": delta.row_count(cleaned),
        "quarantined": sum(count for outcome, _, count in counted if outcome == "quarantined"),
        "superseded": sum(count for outcome, _, count in counted if outcome == "superseded"),
        "reasons": ", ".join(f"{why} {count}" for outcome, why, count in counted if outcome == "quarantined"),
        "newest": str(newest or ""),
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return value if value is None or isinstance(value, int | str | bool) else float(value)
