"""Export files that show only part of a mart: selected columns per customer, and retention as a matrix."""

from collections.abc import Sequence

from cip_assets.contracts.csv_file import CsvFile, Spread
from cip_assets.layers.marts.cohort_retention import cohort_retention
from cip_assets.layers.marts.customer_360 import customer_360

PROJECTIONS: Sequence[CsvFile] = (
    CsvFile(
        "customer_segments",
        customer_360.contract,
        ["customer_id", "rfm_segment", "value_segment", "customer_segment", "region", "is_churn_risk"],
        ["customer_id"],
        "Each customer's segments",
    ),
    CsvFile(
        "customer_scores",
        customer_360.contract,
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
    CsvFile(
        "kpi_clv",
        customer_360.contract,
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
        "Each customer's value so far, and the value expected by the purchase model",
    ),
    CsvFile(
        "customer_kpis",
        customer_360.contract,
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
    CsvFile(
        "kpi_retention",
        cohort_retention.contract,
        ["cohort_month", "cohort_size"],
        ["cohort_month"],
        "Share of each cohort that bought in the k-th month after its first; empty until that month is complete",
        months=["cohort_month"],
        spread=Spread(by="month_number", value="retention_rate", prefix="month_"),
    ),
)
