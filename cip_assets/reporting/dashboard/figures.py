"""Every number of the page, read from the tables of one day: aggregates, and the ids of the top customers only."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from cip_assets.config.settings import Settings
from cip_assets.layers import SOURCE_TABLES
from cip_assets.reporting.dashboard.facts import cube
from cip_assets.storage import delta
from cip_assets.storage.quarantine import tables_of_quarantine
from cip_assets.storage.views import view

Rows = Sequence[Mapping[str, Any]]

QUERIES: Mapping[str, str] = {
    "totals": """SELECT total_customers, buyers, orders, currency, total_revenue, net_revenue, avg_order_value
        FROM kpi_totals""",
    "currencies": """SELECT currency, orders, total_revenue, charged, returned_amount, refunded, net_revenue
        FROM kpi_currencies ORDER BY currency""",
    "insights": "SELECT question, direction, answer, strongest, measure FROM insights",
    "proofs": """SELECT question, part, strftime(month, '%Y-%m-%d') AS month, unit, rate, expected_rate
        FROM insight_months ORDER BY ALL""",
    "migration": "SELECT from_segment, to_segment, customers, share FROM segment_migration ORDER BY ALL",
    "forecast": "SELECT forecast_model, error_band FROM forecast_model",
    "windows": """SELECT strftime(predicted_on, '%Y-%m-%d') AS predicted_on, expected_orders, came_orders,
          expected_spend, came_spend
        FROM model_windows WHERE is_used AND segment = 'all' ORDER BY predicted_on""",
    "calibration": "SELECT decile, customers, predicted, actual FROM model_calibration WHERE is_used ORDER BY decile",
    "backtest": """SELECT CASE WHEN is_used THEN 'used' ELSE '' END AS is_used, model, log_loss, brier, auc,
          orders_bias, spend_bias, rmse_orders, top_decile_spend_share
        FROM model_backtest ORDER BY log_loss, model""",
    "reason_effects": "SELECT reason, buyers, churned_share, effect, z_score FROM reason_effects ORDER BY reason",
    "customers": """SELECT rank, customer_id, top.rfm_segment, region, top.monetary_value, top.frequency, clv_12m,
          churn_band, cell
        FROM kpi_top_customers AS top JOIN customer_360 USING (customer_id) JOIN cell_of USING (customer_id)
        ORDER BY rank""",
    "activity": "SELECT activity_type, sessions, session_share FROM kpi_activity ORDER BY sessions DESC, activity_type",
}
"""The tables of the page by name; a mart stands for its rows of the day."""

FEATURES = ("forecast_model",)
MARTS = (
    "cell_months",
    "cell_products",
    "cohort_retention",
    "customer_360",
    "insight_months",
    "insights",
    "kpi_activity",
    "kpi_currencies",
    "kpi_top_customers",
    "kpi_top_products",
    "kpi_totals",
    "kpi_trends",
    "model_backtest",
    "model_calibration",
    "model_windows",
    "reason_effects",
    "segment_migration",
)


@dataclass(frozen=True)
class Figures:
    """The rows of each table of the page, and what its charts draw, by region, segment and cohort."""

    tables: Mapping[str, Rows]
    cube: Mapping[str, Any]


def figures(settings: Settings, as_of: date) -> Figures:
    """Read the figures of a day: numbers as numbers, months as their first days.

    Raises:
        PlatformError: a table is not written yet.

    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        duckdb.connect(config={"memory_limit": "1GB", "temp_directory": scratch}) as connection,
    ):
        for layer, tables in (("features", FEATURES), ("marts", MARTS)):
            for table in tables:
                day = delta.dataset(settings.table_uri(layer, table), day=as_of.isoformat())
                view(connection, table, day)
        drawn = cube(connection)
        found = {name: _rows(connection, query) for name, query in QUERIES.items()}
    quality = [quality_of(settings, table) for table in SOURCE_TABLES]
    return Figures({**found, "quality": quality}, drawn)


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    result = connection.execute(query)
    columns = [column[0] for column in result.description or []]
    return [
        {column: _plain(value) for column, value in zip(columns, row, strict=True)}
        for row in result.fetchall()
    ]


def quality_of(settings: Settings, table: str) -> Mapping[str, Any]:
    """The lines of a source table that passed and that did not, by reason, and its newest event."""
    cleaned = settings.table_uri("cleaned", table)
    counted = list(tables_of_quarantine(settings, [table]))
    event_date = SOURCE_TABLES[table].event_date
    newest = delta.last_day(cleaned, event_date) if event_date else None
    return {
        "table": table,
        "cleaned": delta.row_count(delta.open_table(cleaned)),
        "quarantined": sum(count for _, outcome, _, count in counted if outcome == "quarantined"),
        "superseded": sum(count for _, outcome, _, count in counted if outcome == "superseded"),
        "reasons": ", ".join(
            f"{why} {count}" for _, outcome, why, count in counted if outcome == "quarantined"
        ),
        "newest": str(newest or ""),
    }


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    return value if value is None or isinstance(value, int | str | bool) else float(value)
