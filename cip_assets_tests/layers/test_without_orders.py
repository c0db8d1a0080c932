"""Tickets or web activity alone: what only orders can tell is empty, and never 0."""

from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers.labels import NO_PURCHASE, UNKNOWN
from cip_assets_tests.layers.chain import Sources, snapshot
from cip_assets_tests.layers.frames import Row, by_key, landed

D = date(2024, 3, 31)

CUSTOMERS = """
customer_id | signup_date
ann         | 2024-01-01
bob         | 2024-01-01
dan         | 2024-01-01
"""

# Bob's second ticket is still open, and one of eve's, who is in no table of customers.
TICKETS = """
ticket_id | customer_id | ticket_category | priority | status   | opened_date | resolved_date
s1        | bob         | Billing         | High     | Resolved | 2024-01-05  | 2024-01-07
s2        | bob         | Billing         | High     | Open     | 2024-03-05  |
s3        | eve         | General         | Low      | Open     | 2024-03-06  |
"""

VISITS = """
session_id | customer_id | activity_type | product_id | timestamp
w1         | ann         | Search        |            | 2024-02-01 10:00:00
w2         | ann         | Checkout      |            | 2024-03-01 10:00:00
w3         | eve         | Search        |            | 2024-03-02 11:00:00
"""

RETURNS = """
return_id | customer_id | is_guest | amount | return_reason | return_date
r1        | ann         | false    | 10.00  | Other         | 2024-02-20
"""

NOTHING: Sources = dict.fromkeys(
    ("customers", "products", "transactions", "returns", "support_tickets", "web_activity"), ()
)
WANTED = (
    "marts/customer_360",
    "marts/insights",
    "marts/kpi_activity",
    "marts/kpi_currencies",
    "marts/kpi_monthly_revenue",
    "marts/kpi_revenue_segment",
    "marts/kpi_top_customers",
    "marts/kpi_top_products",
    "marts/kpi_totals",
    "marts/kpi_trends",
    "marts/segment_migration",
    "marts/cohort_retention",
)
OF_ORDERS = (
    "recency_days",
    "frequency",
    "monetary_value",
    "avg_order_value",
    "purchase_days",
    "is_churn_risk",
)
OF_OTHERS = ("return_rate", "net_revenue", "historic_value", "r_score", "clv_12m", "churn_reasons")

Tables = dict[str, list[Row]]


@pytest.fixture(scope="module")
def tickets(spark: SparkSession, rules: Rules) -> Tables:
    return snapshot(
        spark, {**NOTHING, "support_tickets": landed("support_tickets", TICKETS)}, D, rules, WANTED
    )


@pytest.fixture(scope="module")
def visits(spark: SparkSession, rules: Rules) -> Tables:
    sources = {
        **NOTHING,
        "web_activity": landed("web_activity", VISITS),
        "customers": landed("customers", CUSTOMERS),
    }
    return snapshot(spark, sources, D, rules, WANTED)


def test_everyone_known_from_tickets_is_a_customer(tickets: Tables) -> None:
    found = by_key(tickets["marts/customer_360"], ["customer_id"])
    assert {customer: (row["total_tickets"], row["open_tickets"]) for customer, row in found.items()} == {
        "bob": (2, 1),
        "eve": (1, 1),
    }
    unknown = (*OF_ORDERS, *OF_OTHERS, "total_returns", "total_sessions", "engagement_score")
    assert {row[name] for row in found.values() for name in unknown} == {None}
    assert {(row["rfm_segment"], row["value_segment"]) for row in found.values()} == {(UNKNOWN, UNKNOWN)}


def test_the_totals_of_tickets_alone_are_unknown(tickets: Tables) -> None:
    (totals,) = tickets["marts/kpi_totals"]
    known = {name: value for name, value in totals.items() if value is not None}
    assert known == {"as_of_date": D, "total_customers": 2}
    for mart in ("kpi_monthly_revenue", "kpi_currencies", "kpi_top_customers", "kpi_top_products"):
        assert tickets[f"marts/{mart}"] == [], mart
    segments = tickets["marts/kpi_revenue_segment"]
    figures = {
        (row["segment"], row["customers"], row["buyers"], row["revenue"], row["revenue_share"])
        for row in segments
    }
    assert figures == {(UNKNOWN, 2, None, None, None)}
    (moved,) = tickets["marts/segment_migration"]
    assert (moved["from_segment"], moved["to_segment"], moved["customers"]) == (UNKNOWN, UNKNOWN, 2)


def test_the_months_of_tickets_begin_with_the_first_one(tickets: Tables) -> None:
    months = by_key(tickets["marts/kpi_trends"], ["month"])
    assert {month: row["tickets"] for month, row in months.items()} == {
        date(2024, 1, 1): 1,
        date(2024, 2, 1): 0,
        date(2024, 3, 1): 2,
    }
    others = set(next(iter(months.values()))) - {"month", "tickets", "is_complete", "as_of_date"}
    assert {row[name] for row in months.values() for name in others} == {None}
    answers = by_key(tickets["marts/insights"], ["question"])
    assert {row["direction"] for row in answers.values()} == {"no data"}


@pytest.mark.engine
def test_web_activity_alone_with_a_table_of_customers(visits: Tables) -> None:
    found = by_key(visits["marts/customer_360"], ["customer_id"])
    assert {customer: row["total_sessions"] for customer, row in found.items()} == {
        "ann": 2,
        "bob": 0,
        "dan": 0,
    }
    assert {row[name] for row in found.values() for name in (*OF_ORDERS, "total_tickets")} == {None}
    (totals,) = visits["marts/kpi_totals"]
    assert {name for name, value in totals.items() if value is not None} == {"as_of_date", "total_customers"}
    # Without orders, the active customers are those with a session.
    months = by_key(visits["marts/kpi_trends"], ["month"])
    assert {month: (row["sessions"], row["active_customers"]) for month, row in months.items()} == {
        date(2024, 2, 1): (1, 1),
        date(2024, 3, 1): (2, 2),
    }


@pytest.mark.engine
def test_tickets_per_active_customer_need_no_orders_if_there_is_web_activity(
    spark: SparkSession, rules: Rules
) -> None:
    sources = {
        **NOTHING,
        "support_tickets": landed("support_tickets", TICKETS),
        "web_activity": landed("web_activity", VISITS),
        "returns": landed("returns", RETURNS),
    }
    tables = snapshot(
        spark, sources, D, rules, ("marts/kpi_trends", "marts/kpi_totals", "marts/kpi_currencies")
    )
    months = by_key(tables["marts/kpi_trends"], ["month"])
    assert months[date(2024, 3, 1)]["complaints_per_100"] == Decimal("100.000000")
    assert (months[date(2024, 2, 1)]["returns"], months[date(2024, 2, 1)]["return_ratio"]) == (1, None)
    # Ann returned something, so those who asked or looked are no customers by that alone.
    (totals,) = tables["marts/kpi_totals"]
    assert (totals["total_customers"], totals["returned_amount"], totals["net_revenue"]) == (
        1,
        Decimal("10.00"),
        None,
    )
    (currency,) = tables["marts/kpi_currencies"]
    assert (currency["orders"], currency["order_lines"], currency["total_revenue"]) == (None, None, None)
    assert currency["returned_amount"] == Decimal("10.00")


def test_orders_that_name_nobody_say_nothing_of_the_customers(spark: SparkSession, rules: Rules) -> None:
    lines = """
    transaction_id | order_id | is_guest | quantity | amount | payment_method | transaction_date
    1-1            | 1        | true     | 1        | 10.00  | Cash           | 2024-01-05
    """
    sources = {
        **NOTHING,
        "transactions": landed("transactions", lines),
        "customers": landed("customers", CUSTOMERS),
    }
    tables = snapshot(spark, sources, D, rules, ("marts/customer_360", "marts/kpi_totals"))
    assert {
        (row["frequency"], row["monetary_value"], row["rfm_segment"]) for row in tables["marts/customer_360"]
    } == {(None, None, UNKNOWN)}
    (totals,) = tables["marts/kpi_totals"]
    assert (totals["orders"], totals["total_revenue"], totals["buyers"]) == (1, Decimal("10.00"), None)


def test_a_customer_without_a_purchase_beside_others_has_none(spark: SparkSession, rules: Rules) -> None:
    lines = """
    transaction_id | order_id | customer_id | is_guest | quantity | amount | payment_method | transaction_date
    1-1            | 1        | ann         | false    | 1        | 10.00  | Cash           | 2024-01-05
    """
    sources = {
        **NOTHING,
        "transactions": landed("transactions", lines),
        "customers": landed("customers", CUSTOMERS),
    }
    found = by_key(
        snapshot(spark, sources, D, rules, ("marts/customer_360",))["marts/customer_360"], ["customer_id"]
    )
    assert (found["bob"]["frequency"], found["bob"]["monetary_value"]) == (0, Decimal("0.00"))
    assert (found["bob"]["rfm_segment"], found["bob"]["is_churn_risk"]) == (NO_PURCHASE, False)
