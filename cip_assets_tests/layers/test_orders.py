"""Orders of several lines, and orders of guests: what is counted by order, and where guests are."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets_tests.layers.chain import Sources, snapshot
from cip_assets_tests.layers.frames import Row, collected, landed
from cip_assets_tests.layers.lines import lines_of

D = date(2024, 3, 31)

# ann has two orders, the first of three lines and with two equal ones; bob has one, whose line
# says wrongly that he is a guest; the guests have two.
TRANSACTIONS = """
transaction_id | order_id | customer_id | is_guest | product_id | quantity | price | amount | payment_method | transaction_date
1-1            | 1        | ann         | false    | p1         | 1        | 10.00 | 10.00  | PayPal         | 2024-01-05
1-2            | 1        | ann         | false    | p1         | 1        | 10.00 | 10.00  | PayPal         | 2024-01-05
1-3            | 1        | ann         | false    | p2         | 2        | 20.00 | 40.00  | PayPal         | 2024-01-05
2-1            | 2        | ann         | false    | p1         | 1        | 12.00 | 12.00  | Cash           | 2024-02-05
3-1            | 3        | bob         | true     | p2         | 1        | 20.00 | 20.00  | PayPal         | 2024-02-06
4-1            | 4        |             | true     | p1         | 1        | 8.00  | 8.00   | Cash           | 2024-01-02
4-2            | 4        |             | true     | p2         | 1        | 20.00 | 20.00  | Cash           | 2024-01-02
5-1            | 5        |             | true     | p1         | 1        | 8.00  | 8.00   | Cash           | 2024-02-02
"""

# One of ann's returns names a line of order 1, another one the whole of it; a guest's names order 4.
RETURNS = """
return_id | transaction_id | order_id | customer_id | is_guest | product_id | amount | return_reason | return_date
r1        | 1-2            |          | ann         | false    | p1         | 10.00  | Other         | 2024-01-20
r2        |                | 1        | ann         | false    |            | 5.00   | Other         | 2024-01-21
r3        |                | 4        |             | true     |            | 8.00   | Other         | 2024-01-22
"""

CUSTOMERS = """
customer_id | signup_date
ann         | 2024-01-01
bob         | 2024-01-01
"""

PRODUCTS = """
product_id | product_name | category
p1         | Tea          | Kitchen
p2         | Pot          | Kitchen
"""

SOURCES: Sources = {
    "customers": landed("customers", CUSTOMERS),
    "products": landed("products", PRODUCTS),
    "transactions": landed("transactions", TRANSACTIONS),
    "returns": landed("returns", RETURNS),
    "support_tickets": [],
    "web_activity": [],
}

Tables = dict[str, list[Row]]


@pytest.fixture(scope="module")
def tables(spark: SparkSession, rules: Rules) -> Tables:
    wanted = (
        "marts/customer_360",
        "marts/kpi_totals",
        "marts/kpi_monthly_revenue",
        "marts/kpi_top_products",
        "marts/kpi_trends",
        "marts/kpi_top_customers",
    )
    return snapshot(spark, SOURCES, D, rules, wanted)


@pytest.mark.engine
def test_customers_are_counted_by_order_and_guests_are_no_customers(tables: Tables) -> None:
    found = {
        row["customer_id"]: (
            row["frequency"],
            row["monetary_value"],
            row["avg_order_value"],
            row["return_rate"],
        )
        for row in tables["marts/customer_360"]
    }
    # ann: 60 in order 1, 12 in order 2; both of her returns are of order 1.
    assert found == {
        "ann": (2, Decimal("72.00"), Decimal("36.00"), Decimal("0.500000")),
        "bob": (1, Decimal("20.00"), Decimal("20.00"), Decimal("0.000000")),
    }
    assert {row["customer_id"] for row in tables["features/purchases"]} == {"ann", "bob"}
    assert {row["customer_id"] for row in tables["features/returns"]} == {"ann"}
    assert {row["customer_id"] for row in tables["marts/kpi_top_customers"]} == {"ann", "bob"}


@pytest.mark.engine
def test_the_favorite_payment_method_is_the_one_of_most_orders(tables: Tables) -> None:
    # ann paid three lines by PayPal, but one order each way, and Cash comes first in alphabetical order.
    assert {row["customer_id"]: row["payment_method"] for row in tables["features/preferences"]} == {
        "ann": "Cash",
        "bob": "PayPal",
    }


@pytest.mark.engine
def test_guest_orders_are_in_the_totals(tables: Tables) -> None:
    (totals,) = tables["marts/kpi_totals"]
    assert {name: totals[name] for name in totals if name != "as_of_date"} == {
        "total_customers": 2,
        "buyers": 2,
        "orders": 5,
        "order_lines": 8,
        "guest_orders": 2,
        "first_order_day": date(2024, 1, 2),
        "last_order_day": date(2024, 2, 6),
        "currency": None,
        "total_revenue": Decimal("128.00"),
        "charged": None,
        "net_revenue": Decimal("105.00"),
        "returned_amount": Decimal("23.00"),
        "refunded": Decimal("23.00"),
        "avg_order_value": Decimal("25.60"),
        "orphan_revenue": Decimal("0.00"),
        "guest_revenue": Decimal("36.00"),
    }


@pytest.mark.engine
def test_months_and_products_count_orders_and_guests_are_no_buyers(tables: Tables) -> None:
    months = {
        row["month"]: (row["orders"], row["buyers"], row["monthly_revenue"])
        for row in tables["marts/kpi_monthly_revenue"]
    }
    assert months == {
        date(2024, 1, 1): (2, 1, Decimal("88.00")),
        date(2024, 2, 1): (3, 2, Decimal("40.00")),
        date(2024, 3, 1): (0, 0, Decimal("0.00")),
    }
    products = {
        row["product_id"]: (row["orders"], row["units"], row["buyers"])
        for row in tables["marts/kpi_top_products"]
    }
    assert products == {"p1": (4, 5, 1), "p2": (3, 4, 2)}
    trends = {
        row["month"]: (row["order_lines"], row["returns"], row["active_customers"])
        for row in tables["marts/kpi_trends"]
    }
    assert trends[date(2024, 1, 1)] == (5, 3, 1)
    assert trends[date(2024, 2, 1)] == (3, 0, 2)


FILES = {
    "transactions/with.csv": (
        "transaction_id,order_id,customer_id,is_guest,product_id,quantity,price,amount,payment_method,transaction_date\n"
        "t1,o1,ann,,p1,1,10,10,Cash,2024-01-05\n"
        "t2,o1,ann,false,p1,1,10,10,Cash,2024-01-05\n"
        "t3,o2,,true,p1,1,10,10,Cash,2024-01-05\n"
        "t4,o3,,,p1,1,10,10,Cash,2024-01-05\n"
    ),
    "transactions/without.csv": (
        "transaction_id,customer_id,product_id,quantity,price,amount,payment_method,transaction_date\n"
        "t5,bob,p1,1,10,10,Cash,2024-01-05\n"
        "t6,,p1,1,10,10,Cash,2024-01-05\n"
    ),
}


@pytest.mark.engine
def test_a_file_may_name_orders_and_guests(spark: SparkSession, rules: Rules, tmp_path: Path) -> None:
    lines = lines_of(spark, rules, tmp_path, FILES, date(2024, 1, 1))
    cleaned = {
        row["transaction_id"]: (row["order_id"], row["customer_id"], row["is_guest"])
        for row in collected(lines.cleaned)
    }
    assert cleaned == {
        "t1": ("o1", "ann", False),
        "t2": ("o1", "ann", False),
        "t3": ("o2", None, True),
        "t5": ("t5", "bob", False),
    }
    kept_out = {row["transaction_id"]: (row["reasons"], row["raw_text"]) for row in collected(lines.kept_out)}
    assert kept_out == {
        "t4": ("customer_id:missing", "t4,,p1,1,10,10,Cash,2024-01-05,o3,"),
        "t6": ("customer_id:missing", "t6,,p1,1,10,10,Cash,2024-01-05"),
    }
