"""Facts add up to the events that they are made of, and snapshots read them instead of the events."""

import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyspark.sql.functions as F
import pytest
from pyspark.sql import SparkSession

from cip_assets.calc.orders import by_order
from cip_assets.contracts.contract import DeclarationError
from cip_assets.contracts.facts import facts
from cip_assets.layers import EVENT_TABLES, FACTS_OF, SOURCE_TABLES, TABLES, contract_of
from cip_assets.layers.facts import READ_LINES, WITHOUT_FACTS
from cip_assets.layers.facts.order_days import OrderDays, order_days
from cip_assets.layers.facts.session_days import SessionDays, session_days
from cip_assets.layers.features.purchases import purchases
from cip_assets.layers.features.split_orders import split_orders
from cip_assets_tests.layers.chain import orders_of
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of, landed, month_of, rows_of

# Order 1 has two lines on one day, one on another, and one of another customer; order 2 was paid in two ways and has a
# line without an amount; order 3 was converted in part; order 4 is of a guest, in two months.
TRANSACTIONS = """
transaction_id | order_id | customer_id | is_guest | amount | original_amount | charged | currency | payment_method | transaction_date
1-1            | 1        | ann         | false    | 10.00  |                 | 11.00   | EUR      | PayPal         | 2024-01-05
1-2            | 1        | ann         | false    | 5.50   |                 | 5.50    | EUR      | PayPal         | 2024-01-05
1-3            | 1        | ann         | false    | 1.00   |                 |         | EUR      | PayPal         | 2024-01-06
1-4            | 1        | bob         | false    | 2.00   |                 | 2.00    | EUR      | PayPal         | 2024-01-05
2-1            | 2        | bob         | false    | 8.00   |                 |         |          | Cash           | 2024-01-31
2-2            | 2        | bob         | false    |        |                 |         |          | Gift Card      | 2024-01-31
3-1            | 3        | ann         | false    | 12.00  | 10.00           | 13.00   | GBP      | PayPal         | 2024-01-07
3-2            | 3        | ann         | false    |        | 4.00            | 5.00    | GBP      | PayPal         | 2024-01-07
4-1            | 4        |             | true     | 3.00   |                 | 3.00    | EUR      | Cash           | 2024-01-31
4-2            | 4        |             | true     | 4.00   |                 | 4.00    | EUR      | Cash           | 2024-02-01
"""

# What is charged is in the currency of the amount, or of the original amount if there is no other.
ORDER_DAYS = """
order_id | customer_id | is_guest | transaction_date | payment_method | currency | is_converted | month      | lines | amount | charged | amount_in_currency | charged_in_currency
1        | ann         | false    | 2024-01-05       | PayPal         | EUR      | false        | 2024-01-01 | 2     | 15.50  | 16.50   | 15.50              | 16.50
1        | ann         | false    | 2024-01-06       | PayPal         | EUR      | false        | 2024-01-01 | 1     | 1.00   |         | 1.00               |
1        | bob         | false    | 2024-01-05       | PayPal         | EUR      | false        | 2024-01-01 | 1     | 2.00   | 2.00    | 2.00               | 2.00
2        | bob         | false    | 2024-01-31       | Cash           |          | false        | 2024-01-01 | 1     | 8.00   |         | 8.00               |
2        | bob         | false    | 2024-01-31       | Gift Card      |          | false        | 2024-01-01 | 1     |        |         |                    |
3        | ann         | false    | 2024-01-07       | PayPal         | GBP      | true         | 2024-01-01 | 1     | 12.00  | 13.00   | 10.00              |
3        | ann         | false    | 2024-01-07       | PayPal         | GBP      | false        | 2024-01-01 | 1     |        |         | 4.00               | 5.00
4        |             | true     | 2024-01-31       | Cash           | EUR      | false        | 2024-01-01 | 1     | 3.00   | 3.00    | 3.00               | 3.00
4        |             | true     | 2024-02-01       | Cash           | EUR      | false        | 2024-02-01 | 1     | 4.00   | 4.00    | 4.00               | 4.00
"""


@pytest.mark.engine
def test_order_days(spark: SparkSession) -> None:
    contract = order_days.contract
    lines = frame_of(spark, transactions_schema(), landed("transactions", TRANSACTIONS))
    found = by_key(collected(order_days(lines)), contract.key)
    assert found == by_key(rows_of(contract, ORDER_DAYS), contract.key)


@pytest.mark.engine
def test_session_days(spark: SparkSession) -> None:
    sessions = """
session_id | customer_id | activity_type | timestamp
s1         | ann         | Search        | 2024-01-31T23:59:59
s2         | ann         | Search        | 2024-01-31T00:00:00
s3         | ann         | Checkout      | 2024-01-31T10:00:00
s4         | ann         | Search        | 2024-02-01T00:00:00
s5         | bob         |               | 2024-01-31T00:00:00
"""
    expected = """
customer_id | day        | activity_type | month      | sessions
ann         | 2024-01-31 | Search        | 2024-01-01 | 2
ann         | 2024-01-31 | Checkout      | 2024-01-01 | 1
ann         | 2024-02-01 | Search        | 2024-02-01 | 1
bob         | 2024-01-31 |               | 2024-01-01 | 1
"""
    contract = session_days.contract
    cleaned = contract_of("cleaned", "web_activity").spark_schema
    found = collected(session_days(frame_of(spark, cleaned, landed("web_activity", sessions))))
    assert by_key(found, contract.key) == by_key(rows_of(contract, expected), contract.key)


def transactions_schema() -> Any:
    return contract_of("cleaned", "transactions").spark_schema


FIRST, DAYS = date(2024, 1, 20), 40


def random_lines(seed: int) -> list[Row]:
    """Lines of few orders and customers, so that many orders have several days, months, customers or ways to pay."""
    chance = random.Random(seed)
    lines = []
    for number in range(200):
        day = FIRST + timedelta(days=chance.randrange(DAYS))
        lines.append(
            {
                "transaction_id": f"t{number}",
                "order_id": f"o{chance.randrange(90)}",
                "customer_id": chance.choice(["ann", "bob", "cat", "dan", None]),
                "is_guest": False,
                "payment_method": chance.choice(["Cash", "PayPal"]),
                "amount": None if chance.random() < 0.01 else Decimal(chance.randrange(3000)) / 100,
                "transaction_date": day,
                "month": month_of(day),
            }
        )
    return lines


def bought_by(lines: list[Row], day: date) -> Mapping[str, tuple[int, int, Decimal | None, date]]:
    """Orders, purchase days, spend and last purchase of each customer by a day, counted one line after the other."""
    orders: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for line in lines:
        if line["customer_id"] and line["transaction_date"] <= day:
            orders[line["customer_id"], line["order_id"]].append(line)
    found = {}
    for who in {who for who, _ in orders}:
        own = [found for (customer, _), found in orders.items() if customer == who]
        first_days = {min(line["transaction_date"] for line in order) for order in own}
        amounts = [line["amount"] for order in own for line in order]
        spend = None if None in amounts else sum(amounts, Decimal(0))
        found[who] = (len(own), len(first_days), spend, max(first_days))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_orders_of_several_days_and_customers_count_as_their_lines_do(spark: SparkSession, seed: int) -> None:
    lines = random_lines(seed)
    # Those of the last day are split for every day; more of them than needed do no harm.
    orders = orders_of(frame_of(spark, transactions_schema(), lines), FIRST + timedelta(days=DAYS))
    customers = frame_of(spark, contract_of("cleaned", "customers").spark_schema, [])
    for day in (date(2024, 1, 31), date(2024, 2, 9), date(2024, 2, 29)):
        found = {
            row["customer_id"]: (
                row["frequency"],
                row["purchase_days"],
                row["monetary_value"],
                row["last_purchase_date"],
            )
            for row in collected(purchases(**orders, customers=customers, as_of=day))
        }
        assert found == bought_by(lines, day)


@pytest.mark.engine
def test_split_orders(spark: SparkSession) -> None:
    days = order_days(frame_of(spark, transactions_schema(), landed("transactions", TRANSACTIONS)))

    def split_on(day: date) -> dict[str, int]:
        return {row["order_id"]: row["parts"] for row in collected(split_orders(order_days=days, as_of=day))}

    assert split_on(date(2024, 1, 5)) == {"1": 2}
    assert split_on(date(2024, 1, 31)) == {"1": 3, "2": 2, "3": 2}
    assert split_on(date(2024, 2, 1)) == {"1": 3, "2": 2, "3": 2, "4": 2}


@pytest.mark.parametrize("split", ["as they are", "all", "each named twice"])
def test_orders_are_counted_once_whichever_others_are_said_to_be_split(
    spark: SparkSession, split: str
) -> None:
    rows = spark.createDataFrame(
        [("1", "a", 1), ("1", "a", 2), ("1", "b", 4), ("2", "a", 8)], "order_id string, who string, n int"
    )
    named = {"as they are": ["1"], "all": ["1", "2"], "each named twice": ["1", "1"]}[split]
    orders = spark.createDataFrame([(name,) for name in named], "order_id string")
    found = by_order(rows, orders, ["who", "order_id"], n=F.sum)
    assert sorted((row["who"], row["order_id"], row["n"]) for row in collected(found)) == [
        ("a", "1", 3),
        ("a", "2", 8),
        ("b", "1", 4),
    ]
    assert by_order(rows, orders, ["who", "order_id"]).count() == 3


# --- who reads what ----------------------------------------------------------------------------------------


def readers_of_events() -> set[tuple[str, str]]:
    """The tables of a snapshot that read cleaned events, each with the table of the events."""
    return {
        (table.contract.name, read.table)
        for table in TABLES
        for read in table.reads.values()
        if read.layer == "cleaned" and read.table in EVENT_TABLES
    }


def test_snapshots_read_facts_and_not_events_except_where_a_reason_is_given() -> None:
    allowed = {(name, "transactions") for name in READ_LINES}
    allowed |= {(name, table) for name, table in readers_of_events() if table in WITHOUT_FACTS}
    assert readers_of_events() == allowed
    assert WITHOUT_FACTS.keys() | FACTS_OF.keys() == set(EVENT_TABLES)


# --- incorrect declarations --------------------------------------------------------------------------------


def test_facts_of_a_table_without_events_are_refused() -> None:
    with pytest.raises(DeclarationError, match="facts/order_days: customers has no events"):
        facts(OrderDays, SOURCE_TABLES["customers"], day="signup_date", sums={})


def test_a_column_that_is_neither_key_nor_sum_is_refused() -> None:
    class Other(SessionDays):
        """Sessions."""

    Other.__module__ = "cip_assets.layers.facts.other"
    with pytest.raises(
        DeclarationError, match="facts/other: 'sessions' is not in the key or among the sums of Other"
    ):
        facts(Other, SOURCE_TABLES["web_activity"], day="day", sums={})
