"""The measures: what each is in DAX, and the same in SQL over the files, by which it is checked.

The definitions are those of docs/metrics.md: money and counts are added up, and rates are quotients of sums, so that
they hold for any filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure of a table: its DAX, how it is shown, what it means, and its value by SQL over the files."""

    table: str
    name: str
    dax: str
    form: str
    description: str
    sql: str


COUNT, MONEY, SHARE, PLAIN = "#,0", "#,0.00", "0.0%", "0.0"

MEASURES: Sequence[Measure] = (
    Measure(
        "customer_360",
        "Customers",
        "COUNTROWS ( customer_360 )",
        COUNT,
        "Known customers",
        "SELECT count(*) FROM customer_360",
    ),
    Measure(
        "customer_360",
        "Buyers",
        "CALCULATE ( COUNTROWS ( customer_360 ), KEEPFILTERS ( customer_360[frequency] > 0 ) )",
        COUNT,
        "Known customers with a purchase",
        "SELECT count(*) FROM customer_360 WHERE frequency > 0",
    ),
    Measure(
        "customer_360",
        "Spend",
        "SUM ( customer_360[monetary_value] )",
        MONEY,
        "What the customers spent; purchases of unknown customers are in kpi_totals[orphan_revenue]",
        "SELECT sum(monetary_value) FROM customer_360",
    ),
    Measure(
        "customer_360",
        "Net revenue",
        "SUM ( customer_360[net_revenue] )",
        MONEY,
        "What the customers spent less what they were given back",
        "SELECT sum(net_revenue) FROM customer_360",
    ),
    Measure(
        "customer_360",
        "Mean order value",
        "DIVIDE ( SUM ( customer_360[monetary_value] ), SUM ( customer_360[frequency] ) )",
        MONEY,
        "Spend per purchase",
        "SELECT sum(monetary_value) / nullif(sum(frequency), 0) FROM customer_360",
    ),
    Measure(
        "customer_360",
        "Customers at risk",
        "CALCULATE ( COUNTROWS ( customer_360 ), KEEPFILTERS ( customer_360[is_churn_risk] = TRUE () ) )",
        COUNT,
        "Buyers that have been silent for longer than the rules allow",
        "SELECT count(*) FROM customer_360 WHERE is_churn_risk",
    ),
    Measure(
        "customer_360",
        "Expected value of 12 months",
        "SUM ( customer_360[clv_12m] )",
        MONEY,
        "What the purchase model expects the customers to spend, discounted",
        "SELECT sum(clv_12m) FROM customer_360",
    ),
    Measure(
        "customer_360",
        "Mean churn probability",
        "AVERAGE ( customer_360[churn_probability] )",
        SHARE,
        "Of buyers whose probability is not withheld",
        "SELECT avg(churn_probability) FROM customer_360",
    ),
    Measure(
        "kpi_monthly_revenue",
        "Revenue",
        "SUM ( kpi_monthly_revenue[monthly_revenue] )",
        MONEY,
        "Sum of the amounts, of unknown customers too",
        "SELECT sum(monthly_revenue) FROM kpi_monthly_revenue",
    ),
    Measure(
        "kpi_monthly_revenue",
        "Total orders",
        "SUM ( kpi_monthly_revenue[orders] )",
        COUNT,
        "Transactions",
        "SELECT sum(orders) FROM kpi_monthly_revenue",
    ),
    Measure(
        "kpi_trends",
        "Second order rate",
        "DIVIDE ( SUM ( kpi_trends[second_orders] ), SUM ( kpi_trends[new_buyers] ) )",
        SHARE,
        "Of who first bought, the share that bought again soon; of months whose time is over",
        "SELECT sum(second_orders) / nullif(sum(new_buyers), 0) FROM kpi_trends",
    ),
    Measure(
        "kpi_trends",
        "Return ratio",
        "DIVIDE ( SUM ( kpi_trends[returns] ), SUM ( kpi_trends[transactions] ) )",
        SHARE,
        "Returns per transaction",
        "SELECT sum(returns) / nullif(sum(transactions), 0) FROM kpi_trends",
    ),
    Measure(
        "kpi_trends",
        "Total tickets",
        "SUM ( kpi_trends[tickets] )",
        COUNT,
        "Support tickets",
        "SELECT sum(tickets) FROM kpi_trends",
    ),
    Measure(
        "kpi_trends",
        "Complaints per 100",
        "DIVIDE ( 100 * SUM ( kpi_trends[tickets] ), SUM ( kpi_trends[active_customers] ) )",
        PLAIN,
        "Support tickets per 100 customers that were active in a month",
        "SELECT 100 * sum(tickets) / nullif(sum(active_customers), 0) FROM kpi_trends",
    ),
    Measure(
        "kpi_retention",
        "Retention",
        "DIVIDE ( SUMX ( kpi_retention, kpi_retention[retention_rate] * kpi_retention[cohort_size] ), "
        "SUM ( kpi_retention[cohort_size] ) )",
        SHARE,
        "Of the cohorts, the share that bought so many months later",
        "SELECT sum(retention_rate * cohort_size) / nullif(sum(cohort_size), 0) FROM kpi_retention "
        "WHERE retention_rate IS NOT NULL",
    ),
    Measure(
        "kpi_trends",
        "Churn, least engaged",
        "AVERAGE ( kpi_trends[churn_rate_q1] )",
        SHARE,
        "Of the quarter of a month's buyers with the fewest sessions, the share that did not buy within the churn "
        "window; the mean of the months",
        "SELECT avg(churn_rate_q1) FROM kpi_trends",
    ),
    Measure(
        "kpi_trends",
        "Churn, most engaged",
        "AVERAGE ( kpi_trends[churn_rate_q4] )",
        SHARE,
        "The same of the quarter with the most sessions",
        "SELECT avg(churn_rate_q4) FROM kpi_trends",
    ),
    Measure(
        "kpi_activity",
        "Total sessions",
        "SUM ( kpi_activity[sessions] )",
        COUNT,
        "Sessions on the web",
        "SELECT sum(sessions) FROM kpi_activity",
    ),
    Measure(
        "segment_migration",
        "Customers moved",
        "SUM ( segment_migration[customers] )",
        COUNT,
        "Customers that were in one segment a churn window ago and are in another, or the same, now",
        "SELECT sum(customers) FROM segment_migration",
    ),
    Measure(
        "model_calibration",
        "Said to buy",
        "DIVIDE ( SUMX ( model_calibration, model_calibration[predicted] * model_calibration[customers] ), "
        "SUM ( model_calibration[customers] ) )",
        SHARE,
        "Of the customers of a tenth, the share that a model said would buy",
        "SELECT sum(predicted * customers) / nullif(sum(customers), 0) FROM model_calibration",
    ),
    Measure(
        "model_calibration",
        "Bought",
        "DIVIDE ( SUMX ( model_calibration, model_calibration[actual] * model_calibration[customers] ), "
        "SUM ( model_calibration[customers] ) )",
        SHARE,
        "Of the customers of a tenth, the share that did buy",
        "SELECT sum(actual * customers) / nullif(sum(customers), 0) FROM model_calibration",
    ),
)
