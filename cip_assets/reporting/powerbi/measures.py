"""The measures. Their definitions are those of docs/metrics.md.

Money and counts are added up, and rates are quotients of sums, so that they hold for any filter. A few have only
what is already averaged to go by; their descriptions say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

COUNT, MONEY, SHARE, PLAIN, DAY = "#,0", "#,0.00", "0.0%", "0.0", "yyyy-mm-dd"


@dataclass(frozen=True)
class Measure:
    """A measure of a table: its DAX, how it is shown, and what it means."""

    table: str
    name: str
    dax: str
    form: str
    description: str


def _total(table: str, column: str) -> str:
    return f"SUM ( {table}[{column}] )"


def _quotient(table: str, above: str, below: str) -> str:
    return f"DIVIDE ( {_total(table, above)}, {_total(table, below)} )"


def _weighted(table: str, value: str, weight: str) -> str:
    return f"DIVIDE ( SUMX ( {table}, {table}[{value}] * {table}[{weight}] ), {_total(table, weight)} )"


def _customers(condition: str) -> str:
    # What the reader filters by stays in force.
    return f"CALCULATE ( COUNTROWS ( customer_360 ), KEEPFILTERS ( {condition} ) )"


MEASURES: Sequence[Measure] = (
    Measure(
        "customer_360", "As of", "MAX ( customer_360[as_of_date] )", DAY, "The day that everything is as of"
    ),
    Measure("customer_360", "Customers", "COUNTROWS ( customer_360 )", COUNT, "Known customers"),
    Measure(
        "customer_360",
        "Buyers",
        _customers("customer_360[frequency] > 0"),
        COUNT,
        "Known customers with a purchase",
    ),
    Measure(
        "customer_360",
        "Spend",
        _total("customer_360", "monetary_value"),
        MONEY,
        "What known customers spent; what others spent is the orphan revenue",
    ),
    Measure(
        "customer_360",
        "Spend after returns",
        _total("customer_360", "net_revenue"),
        MONEY,
        "What known customers spent less what they were paid back",
    ),
    Measure(
        "customer_360",
        "Share of spend",
        "DIVIDE ( [Spend], CALCULATE ( [Spend], REMOVEFILTERS ( customer_360[rfm_segment] ) ) )",
        SHARE,
        "Of the spend of the customers of all RFM segments",
    ),
    Measure(
        "customer_360",
        "Spend per order",
        _quotient("customer_360", "monetary_value", "frequency"),
        MONEY,
        "Spend / transactions, of known customers",
    ),
    Measure(
        "customer_360",
        "Customers at risk",
        _customers("customer_360[is_churn_risk] = TRUE ()"),
        COUNT,
        "Buyers that have been silent for longer than the rules allow",
    ),
    Measure(
        "customer_360",
        "Mean churn probability",
        "AVERAGE ( customer_360[churn_probability] )",
        SHARE,
        "Of the buyers that have one; empty where it is withheld",
    ),
    Measure(
        "customer_360",
        "Expected value of 12 months",
        _total("customer_360", "clv_12m"),
        MONEY,
        "What the customers are expected to spend over the next 12 months, discounted",
    ),
    Measure(
        "customer_360",
        "Open tickets",
        _total("customer_360", "open_tickets"),
        COUNT,
        "Support tickets of known customers that are not resolved",
    ),
    Measure(
        "customer_360",
        "Implausible e-mails",
        # == since to =, an e-mail that is not there would be FALSE.
        _customers("customer_360[is_email_plausible] == FALSE ()"),
        COUNT,
        "Customers whose e-mail cannot be one",
    ),
    Measure(
        "kpi_monthly_revenue",
        "Revenue",
        _total("kpi_monthly_revenue", "monthly_revenue"),
        MONEY,
        "Sum of the amounts, orphans included",
    ),
    Measure(
        "kpi_monthly_revenue",
        "Order count",
        _total("kpi_monthly_revenue", "orders"),
        COUNT,
        "Transactions, orphans included",
    ),
    *(
        Measure(
            "kpi_monthly_revenue",
            f"{name} of {months}",
            f"CALCULATE ( [{name}], KEEPFILTERS ( kpi_monthly_revenue[is_complete] = {is_complete} ) )",
            form,
            f"{name} of {which}",
        )
        for name, form, months, is_complete, which in (
            ("Revenue", MONEY, "complete months", "TRUE ()", "the months that are over"),
            ("Revenue", MONEY, "the running month", "FALSE ()", "the month that is not over, so far"),
            ("Order count", COUNT, "complete months", "TRUE ()", "the months that are over"),
        )
    ),
    Measure(
        "kpi_monthly_revenue",
        "Mean order",
        "DIVIDE ( [Revenue], [Order count] )",
        MONEY,
        "Revenue / transactions, orphans included",
    ),
    Measure(
        "kpi_totals",
        "Revenue after returns",
        _total("kpi_totals", "net_revenue"),
        MONEY,
        "Sum of the amounts less what was paid back, orphans included",
    ),
    Measure(
        "kpi_totals",
        "Orphan revenue",
        _total("kpi_totals", "orphan_revenue"),
        MONEY,
        "Revenue of buyers that customers lacks",
    ),
    Measure(
        "kpi_trends",
        "Second order rate",
        _quotient("kpi_trends", "second_orders", "new_buyers"),
        SHARE,
        "Of who first bought in a month, the share that soon bought again; of months whose time for it is over",
    ),
    Measure(
        "kpi_trends",
        "Return ratio",
        _quotient("kpi_trends", "returns", "transactions"),
        SHARE,
        "Returns / transactions",
    ),
    Measure("kpi_trends", "Tickets opened", _total("kpi_trends", "tickets"), COUNT, "Support tickets opened"),
    Measure(
        "kpi_trends",
        "Complaints per 100",
        f"100 * {_quotient('kpi_trends', 'tickets', 'active_customers')}",
        PLAIN,
        "Support tickets per 100 customers active in a month",
    ),
    *(
        Measure(
            "kpi_trends",
            f"Churn, {which} engaged",
            f"AVERAGE ( kpi_trends[churn_rate_q{quarter}] )",
            SHARE,
            f"Of a month's buyers in the {which} engaged quarter, the share that then stayed away; "
            "of several months the mean",
        )
        for quarter, which in enumerate(("least", "less", "more", "most"), 1)
    ),
    Measure(
        "kpi_retention",
        "Retention",
        _weighted("kpi_retention", "retention_rate", "cohort_size"),
        SHARE,
        "Of cohorts, the share that bought so many months later; of cohorts whose month is over",
    ),
    Measure(
        "model_calibration",
        "Said to buy",
        _weighted("model_calibration", "predicted", "customers"),
        SHARE,
        "Mean probability to buy, as said one churn window ago",
    ),
    Measure(
        "model_calibration",
        "Bought",
        _weighted("model_calibration", "actual", "customers"),
        SHARE,
        "Share that bought in that window",
    ),
    Measure(
        "segment_migration",
        "Share moved",
        "DIVIDE ( SUM ( segment_migration[customers] ), "
        "CALCULATE ( SUM ( segment_migration[customers] ), REMOVEFILTERS ( segment_migration[to_segment] ) ) )",
        SHARE,
        "Of the customers in a segment one churn window ago, the share that is in the other now",
    ),
    Measure("kpi_activity", "Web sessions", _total("kpi_activity", "sessions"), COUNT, "Web sessions"),
)
