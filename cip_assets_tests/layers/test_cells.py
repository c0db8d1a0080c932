"""What each cell did, by hand. The page's tests compare all cells together with the other marts."""

from datetime import date

import pytest
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES, contract_of
from cip_assets.layers.cells import CELL
from cip_assets.layers.facts.session_days import session_days
from cip_assets.layers.marts.cell_months import cell_months
from cip_assets.layers.marts.cell_products import cell_products
from cip_assets_tests.layers.chain import orders_of
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of, landed, rows_of

D = date(2024, 6, 20)

# ann and bob are in one cell, zoe is an orphan, order o2 has two days, o4 is of a guest, and o6 is after D.
LINES = """
transaction_id | order_id | customer_id | product_id | amount | transaction_date
t1             | o1       | ann         | lamp       | 10.00  | 2024-01-05
t2             | o1       | ann         | pan        | 5.00   | 2024-01-05
t3             | o2       | ann         | lamp       | 4.00   | 2024-02-04
t8             | o2       | ann         | lamp       | 6.00   | 2024-02-05
t4             | o3       | bob         | lamp       | 10.00  | 2024-01-20
t5             | o4       |             | gone       | 7.00   | 2024-02-10
t6             | o5       | zoe         | lamp       | 4.00   | 2024-02-11
t7             | o6       | ann         | lamp       | 9.00   | 2024-06-21
"""
RETURNS = """
return_id | transaction_id | customer_id | return_date
r1        | t1             | ann         | 2024-02-01
r2        | t1             | ann         | 2024-02-02
r3        | t5             |             | 2024-02-12
r4        | t4             | bob         | 2024-06-21
"""
TICKETS = "ticket_id | customer_id | opened_date\ns1 | bob | 2024-02-03\ns2 | bob | 2024-06-21"
SESSIONS = (
    "session_id | customer_id | timestamp\nw1 | cat | 2024-02-20T10:00:00\nw2 | ann | 2024-02-21T10:00:00"
)
PRODUCTS = "product_id | category\nlamp | Home\npan | Kitchen"
TOP = "rank | product_id\n1 | lamp\n11 | pan"
CUSTOMERS = """
customer_id | region | rfm_segment
ann         | North  | Loyal
bob         | North  | Loyal
cat         |        | No purchase
"""
FIRSTS = """
customer_id | first_purchase_date
ann         | 2024-01-05
bob         | 2024-01-20
zoe         | 2024-02-11
"""

# ann bought again 30 days after her first purchase. The returns of t1 are two, of one line.
MONTHS = """
region  | segment     | cohort_month | month      | revenue | orders | order_lines | buyers | new_buyers | second_orders | returns | tickets | active_customers
North   | Loyal       | 2024-01-01   | 2024-01-01 | 25.00   | 2      | 3           | 2      | 2          | 1             | 0       | 0       | 2
North   | Loyal       | 2024-01-01   | 2024-02-01 | 10.00   | 1      | 2           | 1      |            |               | 2       | 1       | 1
Unknown | Unknown     | 2024-02-01   | 2024-02-01 | 4.00    | 1      | 1           | 1      | 1          | 0             | 0       | 0       | 1
Unknown | Guest       |              | 2024-02-01 | 7.00    | 1      | 1           | 0      |            |               | 1       | 0       | 0
Unknown | No purchase |              | 2024-02-01 | 0.00    | 0      | 0           | 0      |            |               | 0       | 0       | 1
"""
GOODS = """
region  | segment | cohort_month | category | product_id | order_lines | returned_lines | revenue | orders
North   | Loyal   | 2024-01-01   | Home     | lamp       | 4           | 1              | 30.00   | 3
North   | Loyal   | 2024-01-01   | Kitchen  |            | 1           | 0              |         |
Unknown | Unknown | 2024-02-01   | Home     | lamp       | 1           | 0              | 4.00    | 1
Unknown | Guest   |              | Unknown  |            | 1           | 1              |         |
"""


def source(spark: SparkSession, table: str, text: str) -> DataFrame:
    rows = landed(table, text) if text else []
    return frame_of(spark, SOURCE_TABLES[table].cleaned.spark_schema, rows)


def of_day(spark: SparkSession, name: str, text: str) -> DataFrame:
    contract = contract_of(*name.split("/"))
    return frame_of(spark, contract.spark_schema, rows_of(contract, text) if text else [])


def months(
    spark: SparkSession, rules: Rules, lines: str, customers: str, firsts: str, day: date
) -> list[Row]:
    found = cell_months(
        **orders_of(source(spark, "transactions", lines), day),
        returns=source(spark, "returns", RETURNS if lines else ""),
        support_tickets=source(spark, "support_tickets", TICKETS),
        session_days=session_days(source(spark, "web_activity", SESSIONS)),
        purchases=of_day(spark, "features/purchases", firsts),
        customer_360=of_day(spark, "marts/customer_360", customers),
        as_of=day,
        rules=rules,
    )
    return collected(found.drop("as_of_date"))


@pytest.mark.engine
def test_what_the_customers_of_a_cell_did_by_month(spark: SparkSession, rules: Rules) -> None:
    found = months(spark, rules, LINES, CUSTOMERS, FIRSTS, D)
    key = [*CELL, "month"]
    assert by_key(found, key) == by_key(rows_of(cell_months.contract, MONTHS), key)


def test_new_buyers_are_counted_when_the_repeat_window_of_all_of_them_is_over(
    spark: SparkSession, rules: Rules
) -> None:
    found = months(spark, rules, LINES, CUSTOMERS, FIRSTS, date(2024, 4, 30))
    assert rules.repeat.within_days == 84  # those of January are over on 24 April
    assert [(row["month"].month, row["new_buyers"]) for row in found if row["new_buyers"] is not None] == [
        (1, 2)
    ]


def test_what_comes_from_orders_is_empty_without_any(spark: SparkSession, rules: Rules) -> None:
    found = months(spark, rules, "", CUSTOMERS, "", D)
    of_orders = ("cohort_month", "revenue", "orders", "order_lines", "buyers", "new_buyers", "second_orders")
    assert {row[name] for row in found for name in of_orders} == {None}
    assert sorted((row["segment"], row["tickets"], row["active_customers"]) for row in found) == [
        ("Loyal", 1, 1),
        ("No purchase", 0, 1),
    ]


@pytest.mark.engine
def test_what_the_customers_of_a_cell_bought_and_gave_back(spark: SparkSession) -> None:
    key = [*CELL, "category", "product_id"]
    found = cell_products(
        transactions=source(spark, "transactions", LINES),
        returns=source(spark, "returns", RETURNS),
        products=source(spark, "products", PRODUCTS),
        kpi_top_products=of_day(spark, "marts/kpi_top_products", TOP),
        purchases=of_day(spark, "features/purchases", FIRSTS),
        customer_360=of_day(spark, "marts/customer_360", CUSTOMERS),
        as_of=D,
    )
    expected = by_key(rows_of(cell_products.contract, GOODS), key)
    assert by_key(collected(found.drop("as_of_date")), key) == expected
