"""The measures, with the definitions of docs/metrics.md.

Money and counts are added up, and rates are quotients of sums, so they are right for any filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cip_assets.analytics.insights.answers import FEWEST, MOST

COUNT, MONEY, SHARE, PLAIN, DAY = "#,0", "#,0.00", "0.0%", "0.0", "yyyy-mm-dd"


@dataclass(frozen=True)
class Measure:
    """A measure of a table: its DAX, its format, and what it means.

    A description may name a rule, as in ``{rules.churn.window_days}``.
    """

    table: str
    name: str
    dax: str
    form: str
    description: str


def _total(table: str, column: str) -> str:
    return f"SUM ( {table}[{column}] )"


def _all_of(table: str, column: str) -> str:
    """The sum of amounts; blank if one of them is unknown."""
    return f"IF ( COUNTBLANK ( {table}[{column}] ) = 0, {_total(table, column)} )"


def _quotient(table: str, above: str, below: str) -> str:
    return f"DIVIDE ( {_total(table, above)}, {_total(table, below)} )"


def _weighted(table: str, value: str, weight: str) -> str:
    return f"DIVIDE ( SUMX ( {table}, {table}[{value}] * {table}[{weight}] ), {_total(table, weight)} )"


def _customers(condition: str) -> str:
    # The reader's filters stay in force.
    return f"CALCULATE ( COUNTROWS ( customer_360 ), KEEPFILTERS ( {condition} ) )"


MEASURES: Sequence[Measure] = (
    Measure(
        "customer_360",
        "Snapshot day",
        "MAX ( customer_360[as_of_date] )",
        DAY,
        "The day that the files describe",
    ),
    Measure(
        "customer_360", "Customers", "COUNTROWS ( customer_360 )", COUNT, "Customers as of the snapshot day"
    ),
    Measure(
        "customer_360",
        "Known buyers",
        _customers("customer_360[frequency] > 0"),
        COUNT,
        "Customers with at least one order; empty if no order names a customer",
    ),
    Measure(
        "customer_360",
        "Spend",
        _all_of("customer_360", "monetary_value"),
        MONEY,
        "Sum of the amounts of customers' orders, without orphans and guests; empty if one is unknown",
    ),
    Measure(
        "customer_360",
        "Net spend",
        _all_of("customer_360", "net_revenue"),
        MONEY,
        "Spend minus the customers' returned amounts; empty if one is unknown",
    ),
    Measure(
        "customer_360",
        "Share of spend",
        "DIVIDE ( [Spend], CALCULATE ( [Spend], REMOVEFILTERS ( customer_360[rfm_segment] ) ) )",
        SHARE,
        "Spend divided by the spend of all RFM segments",
    ),
    Measure(
        "customer_360",
        "Spend per order",
        f"DIVIDE ( [Spend], {_total('customer_360', 'frequency')} )",
        MONEY,
        "Spend divided by the customers' orders",
    ),
    Measure(
        "customer_360",
        "Customers at churn risk",
        _customers("customer_360[is_churn_risk] = TRUE ()"),
        COUNT,
        "Known buyers in the churn band High; empty if the forecasts are withheld",
    ),
    Measure(
        "customer_360",
        "Mean churn probability",
        "AVERAGE ( customer_360[churn_probability] )",
        SHARE,
        "Mean probability of no purchase within {rules.churn.window_days} days of the snapshot day; "
        "empty if the forecasts are withheld",
    ),
    Measure(
        "customer_360",
        "12-month CLV",
        _total("customer_360", "clv_12m"),
        MONEY,
        "Revenue expected over the next 12 months, discounted at {rules.clv.annual_discount_rate:.0%} a year; "
        "empty if the forecasts are withheld or an amount is unknown",
    ),
    Measure(
        "customer_360",
        "Open tickets",
        _total("customer_360", "open_tickets"),
        COUNT,
        "Unresolved support tickets of customers",
    ),
    Measure(
        "customer_360",
        "Invalid email addresses",
        # == since to = a missing address would be FALSE.
        _customers("customer_360[is_email_plausible] == FALSE ()"),
        COUNT,
        "Customers with an invalid email address",
    ),
    Measure(
        "kpi_monthly_revenue",
        "Revenue",
        _all_of("kpi_monthly_revenue", "monthly_revenue"),
        MONEY,
        "Sum of the amounts of all orders, including those of orphans and guests; empty if one is unknown or there are "
        "none",
    ),
    Measure(
        "kpi_monthly_revenue",
        "Order count",
        _total("kpi_monthly_revenue", "orders"),
        COUNT,
        "Number of orders, including those of orphans and guests; empty if there are none",
    ),
    *(
        Measure(
            "kpi_monthly_revenue",
            f"{name}, {months}",
            f"CALCULATE ( [{name}], KEEPFILTERS ( kpi_monthly_revenue[is_complete] = {is_complete} ) )",
            form,
            f"{name} of {which}",
        )
        for name, form, months, which, is_complete in (
            ("Revenue", MONEY, "complete months", "complete months", "TRUE ()"),
            ("Revenue", MONEY, "incomplete month", "the incomplete month, so far", "FALSE ()"),
            ("Order count", COUNT, "complete months", "complete months", "TRUE ()"),
        )
    ),
    Measure(
        "kpi_monthly_revenue",
        "Average order value",
        "DIVIDE ( [Revenue], [Order count] )",
        MONEY,
        "Revenue divided by orders, including those of orphans and guests",
    ),
    Measure(
        "kpi_totals",
        "Net revenue",
        _total("kpi_totals", "net_revenue"),
        MONEY,
        "Revenue minus returned amounts, including those of orphans and guests",
    ),
    Measure(
        "kpi_totals",
        "Orphan revenue",
        _total("kpi_totals", "orphan_revenue"),
        MONEY,
        "Revenue from buyers who are missing from the customers table",
    ),
    Measure(
        "kpi_totals",
        "Guest orders",
        _total("kpi_totals", "guest_orders"),
        COUNT,
        "Orders whose buyer the shop does not know",
    ),
    Measure(
        "kpi_trends",
        "Second-order rate",
        _quotient("kpi_trends", "second_orders", "new_buyers"),
        SHARE,
        "Share of first-time buyers who bought on another day within {rules.repeat.within_days} days; "
        "only months whose repeat window has closed",
    ),
    Measure(
        "kpi_trends",
        "Return ratio",
        _quotient("kpi_trends", "returns", "order_lines"),
        SHARE,
        "Returns divided by order lines",
    ),
    Measure("kpi_trends", "Tickets opened", _total("kpi_trends", "tickets"), COUNT, "Support tickets opened"),
    Measure(
        "kpi_trends",
        "Tickets per 100 active customers",
        f"100 * {_quotient('kpi_trends', 'tickets', 'active_customers')}",
        PLAIN,
        "Support tickets per 100 customers with a purchase or a session in the month",
    ),
    *(
        Measure(
            "insight_months",
            f"Churned buyers, {side}",
            f"CALCULATE ( {_weighted('insight_months', 'rate', 'weight')}, "
            f'KEEPFILTERS ( insight_months[part] = "{side}" ) ) / 100',
            SHARE,
            f"Share of the buyers with the {side} in the three months before who bought nothing in the "
            "{rules.churn.window_days} days that begin with the month; both sides are weighted to the same mix of "
            "recency and frequency",
        )
        for side in (FEWEST, MOST)
    ),
    Measure(
        "kpi_retention",
        "Retention rate",
        _weighted("kpi_retention", "retention_rate", "cohort_size"),
        SHARE,
        "Share of each cohort still buying k months later; complete months only",
    ),
    Measure(
        "model_calibration",
        "Predicted purchase rate",
        _weighted("model_calibration", "predicted", "customers"),
        SHARE,
        "Mean probability of a purchase within {rules.churn.window_days} days, as forecast in the last windows",
    ),
    Measure(
        "model_calibration",
        "Actual purchase rate",
        _weighted("model_calibration", "actual", "customers"),
        SHARE,
        "Share of these known buyers who bought in the window",
    ),
    Measure(
        "segment_migration",
        "Share of earlier segment",
        "DIVIDE ( SUM ( segment_migration[customers] ), "
        "CALCULATE ( SUM ( segment_migration[customers] ), REMOVEFILTERS ( segment_migration[to_segment] ) ) )",
        SHARE,
        "Share of the customers in a segment {rules.churn.window_days} days ago who are in the current segment",
    ),
    Measure(
        "kpi_activity", "Web sessions", _total("kpi_activity", "sessions"), COUNT, "Number of web sessions"
    ),
)
