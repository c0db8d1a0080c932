"""The names of columns and models as readers see them, on the dashboard and in Power BI."""

from collections.abc import Mapping

LABELS: Mapping[str, str] = {
    "activity_type": "Activity",
    "actual": "Actual purchase rate",
    "auc": "AUC",
    "avg_order_value": "Average order value",
    "bg_nbd": "BG/NBD",
    "bg_nbd_carried": "BG/NBD, level carried",
    "bg_nbd_seasonal": "BG/NBD, level seasonal",
    "brier": "Brier score",
    "carry_forward": "Last window carried forward",
    "charged": "Charged in all",
    "churn_from": "Churn probability from, %",
    "cleaned": "Cleaned rows",
    "clv_12m": "12-month CLV",
    "clv_from": "12-month CLV from",
    "complaints_per_100": "Tickets per 100 active customers",
    "customer_id": "Customer",
    "frequency": "Orders",
    "from_segment": "Earlier segment",
    "high": "Upper bound",
    "hurdle": "Hurdle model",
    "hurdle_carried": "Hurdle model, level carried",
    "hurdle_seasonal": "Hurdle model, level seasonal",
    "is_used": "Used",
    "last_purchase_date": "Last purchase",
    "low": "Lower bound",
    "monetary_value": "Spend",
    "month_number": "Months after the first purchase",
    "newest": "Newest event",
    "orders_bias": "Bias of orders",
    "pooled_rate_carried": "Pooled rate, level carried",
    "pooled_rate_seasonal": "Pooled rate, level seasonal",
    "predicted": "Predicted purchase rate",
    "product_id": "Product",
    "quarantined": "Quarantined lines",
    "reasons": "Quarantine reasons",
    "refunded": "Refunded in all",
    "returned_lines": "Returned order lines",
    "returned_share": "Share returned",
    "rfm_segment": "RFM segment",
    "rmse_orders": "Error of orders (RMSE)",
    "second_order_rate": "Second-order rate",
    "session_share": "Share of sessions",
    "spend_bias": "Bias of spend",
    "state": "Status",
    "superseded": "Superseded lines",
    "to_segment": "Current segment",
    "top_decile_spend_share": "Spend share of the top decile",
    "total_customers": "Customers",
    "total_revenue": "Revenue",
    "z_score": "Effect in standard errors",
}
"""Those that do not follow from the name itself."""


def label(name: str) -> str:
    """A noun with a capital: ``churn_band`` is "Churn band"."""
    return LABELS.get(name) or name.replace("_", " ").capitalize()
