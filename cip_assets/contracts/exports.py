"""The CSV files that people take away, each a projection of one mart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from cip_assets.contracts.table import contract_of
from cip_assets.contracts.text_formats import EMAIL

AS_MONTH = "strftime({0}, '%Y-%m') AS {0}"
"""A month as YYYY-MM."""

SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
"""A spreadsheet takes a cell that begins with one of these for a formula, the full-width ones too."""

AS_TEXT_CELL = (
    f"CASE WHEN regexp_matches({{0}}, '[\\t\\r\\n{SIGNS}]') THEN regexp_replace("
    f"regexp_replace({{0}}, '(^|[;\\t\\r\\n])(''*[{SIGNS}])', '\\1''\\2', 'g'), "
    "'^(''*[\\t\\r\\n])', '''\\1') ELSE {0} END AS {0}"
)
"""A text with an apostrophe before what a spreadsheet would take for a formula: at its beginning, and where a
semicolon or a line break begins a cell in countries that separate by semicolons. One more apostrophe where some are
there already, so that texts that differ stay different. The first look is for speed: few texts have a sign at all."""


@dataclass(frozen=True)
class Export:
    """One file.

    ``columns`` are SQL expressions over the mart; ``order_by`` makes the order of the rows fixed.
    """

    name: str
    mart: str
    columns: Sequence[str]
    order_by: Sequence[str]
    description: str

    def query(self, connection: duckdb.DuckDBPyConnection, personal_data: Mapping[str, str]) -> str:
        """The file's SQL over a view ``mart`` that holds one as-of day.

        Args:
            connection: has the view.
            personal_data: for each column that identifies a person whether it is shown, masked or hidden.

        """
        mart = contract_of("marts", self.mart)
        chosen = [
            _as_far_as_allowed(name, personal_data[name])
            if name in mart.columns and mart.is_pii(name)
            else name
            for name in self.columns
        ]
        return f"SELECT {', '.join(chosen)} FROM mart"


def _as_far_as_allowed(name: str, shown: str) -> str:
    """The SQL of a column that identifies a person."""
    if shown == "shown":
        return name
    if shown == "hidden":
        return f"NULL AS {name}"
    if name != "email":
        return f"regexp_replace({name}, '(?s)^(.).*', '\\1***') AS {name}"
    # Of anything but exactly one plain address, such as two of them or a name before one, nothing is known of what
    # stands where, so nothing is kept.
    plain = EMAIL.replace("'", "''")
    kept = f"regexp_replace({name}, '^(.)[^@]*', '\\1***')"
    return (
        f"CASE WHEN regexp_matches({name}, '{plain}') THEN {kept} WHEN {name} <> '' THEN '***' END AS {name}"
    )


class RetentionExport(Export):
    """Cohort retention, with a column for each month since the first purchase."""

    def query(self, connection: duckdb.DuckDBPyConnection, personal_data: Mapping[str, str]) -> str:
        (last,) = connection.execute("SELECT max(month_number) FROM mart").fetchone() or (None,)
        months = range(0 if last is None else last + 1)
        rates = [f"max(CASE WHEN month_number = {k} THEN retention_rate END) AS month_{k}" for k in months]
        return f"SELECT {', '.join([*self.columns, *rates])} FROM mart GROUP BY cohort_month, cohort_size"


def _all(mart: str, *, without: Sequence[str] = ("as_of_date",)) -> list[str]:
    return [name for name in contract_of("marts", mart).columns if name not in without]


def _months(columns: Sequence[str]) -> list[str]:
    return [AS_MONTH.format(name) if name == "month" else name for name in columns]


EXPORTS: Sequence[Export] = (
    Export(
        "customer_360",
        "customer_360",
        [*_all("customer_360"), "as_of_date"],
        ["customer_id"],
        "Everything known of each customer",
    ),
    Export(
        "customer_segments",
        "customer_360",
        ["customer_id", "rfm_segment", "value_segment", "customer_segment", "region", "is_churn_risk"],
        ["customer_id"],
        "Each customer's segments",
    ),
    Export(
        "customer_scores",
        "customer_360",
        [
            "customer_id",
            "r_score",
            "f_score",
            "m_score",
            "engagement_score",
            "recency_days",
            "is_churn_risk",
            "churn_probability",
            "churn_band",
            "churn_model",
            "churn_reasons",
        ],
        ["customer_id"],
        "Each customer's scores",
    ),
    Export(
        "kpi_clv",
        "customer_360",
        [
            "customer_id",
            "historic_value",
            "clv_12m",
            "expected_purchases_90",
            "p_alive",
            "monetary_value",
            "returned_amount",
            "frequency",
            "first_purchase_date",
        ],
        ["customer_id"],
        "Each customer's value so far, and what the purchase model expects",
    ),
    Export(
        "customer_kpis",
        "customer_360",
        [
            "customer_id",
            "frequency",
            "monetary_value",
            "avg_order_value",
            "net_revenue",
            "total_returns",
            "return_rate",
            "total_sessions",
            "active_days",
            "total_tickets",
            "open_tickets",
            "avg_resolution_days",
        ],
        ["customer_id"],
        "Each customer's key figures",
    ),
    Export("kpi_totals", "kpi_totals", _all("kpi_totals"), ["total_customers"], "The totals"),
    Export("kpi_activity", "kpi_activity", _all("kpi_activity"), ["activity_type"], "Web activity by type"),
    Export(
        "kpi_revenue_segment",
        "kpi_revenue_segment",
        _all("kpi_revenue_segment"),
        ["segmentation", "segment"],
        "Customers and revenue by segment",
    ),
    Export(
        "kpi_monthly_revenue",
        "kpi_monthly_revenue",
        _months(_all("kpi_monthly_revenue")),
        ["month"],
        "Revenue by month",
    ),
    Export("kpi_top_customers", "kpi_top_customers", _all("kpi_top_customers"), ["rank"], "Highest spend"),
    Export("kpi_top_products", "kpi_top_products", _all("kpi_top_products"), ["rank"], "Highest revenue"),
    RetentionExport(
        "kpi_retention",
        "cohort_retention",
        [AS_MONTH.format("cohort_month"), "cohort_size"],
        ["cohort_month"],
        "Share of each cohort that bought k months later; empty while a month is not over",
    ),
    Export(
        "model_backtest",
        "model_backtest",
        _all("model_backtest"),
        ["model"],
        "How good the predictions of a window ago were, beside baselines",
    ),
    Export(
        "model_calibration",
        "model_calibration",
        _all("model_calibration"),
        ["model", "decile"],
        "How many customers were said to buy, and how many did, by tenth",
    ),
    Export("insights", "insights", _all("insights"), ["question"], "The four questions answered"),
    Export(
        "segment_migration",
        "segment_migration",
        _all("segment_migration"),
        ["from_segment", "to_segment"],
        "How customers moved between segments over the last churn window",
    ),
    Export("kpi_trends", "kpi_trends", _months(_all("kpi_trends")), ["month"], "The four questions by month"),
)
"""Every file of ``final``, in the order they are written."""
