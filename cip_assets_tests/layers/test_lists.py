"""The lists to work from, by hand."""

from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from cip_assets.analytics.forecasting.reasons import WORDS
from cip_assets.analytics.rises import Counted, certain
from cip_assets.config.rules import Rules
from cip_assets.layers import contract_of
from cip_assets.layers.labels import UNKNOWN
from cip_assets.layers.marts.list_at_risk import ANSWERS, list_at_risk
from cip_assets.layers.marts.list_returned_orders import list_returned_orders
from cip_assets.layers.marts.list_returns import list_returns
from cip_assets.layers.marts.list_second_order import list_second_order
from cip_assets.layers.marts.lists import LISTS, lists
from cip_assets_tests.layers.chain import stored
from cip_assets_tests.layers.frames import Row, collected, frame_of, landed, rows_of
from cip_assets_tests.layers.ten_customers import PRODUCTS, D

Tables = dict[str, list[Row]]


def frame(spark: SparkSession, name: str, text: str) -> DataFrame:
    layer, table = name.split("/")
    contract = contract_of(layer, table)
    rows = landed(table, text) if layer == "cleaned" else rows_of(contract, text)
    return frame_of(spark, contract.spark_schema, rows)


def shown(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in sorted(rows, key=lambda row: row["rank"])]


# --- marketing ----------------------------------------------------------------------------------------------

# bob has no margin. dan's value is too small for a contact, eve's risk is low, and fay's value is unknown.
AT_RISK = """
customer_id | churn_band | churn_probability | clv_12m_margin | clv_12m_net | is_worth_contacting | churn_reasons | last_purchase_date | rfm_segment
ann         | High       | 0.812345          | 100.00         | 300.00      | true                | visits; complaints | 2024-05-21 | At Risk
bob         | Medium     | 0.500000          |                | 162.47      | true                | complaints         | 2024-04-21 | At Risk
cat         | Medium     | 0.500000          | 162.46         |             | true                | visits; returns    | 2024-06-20 | Lost
dan         | High       | 0.900000          | 1.00           | 2.00        | false               |                    | 2024-05-01 | Lost
eve         | Low        | 0.100000          | 9000.00        | 9000.00     | true                |                    | 2024-06-19 | Champions
fay         | High       | 0.900000          |                |             |                     |                    | 2024-02-20 | Lost
"""
EFFECTS = """
reason     | buyers | churned_share | effect | z_score
visits     | 50     | 0.5           | 0.3    | 1.99
complaints | 50     | 0.5           | 0.6    | 2.00
"""
# cat's older ticket is closed on D, and the newer one after it.
TICKETS = """
ticket_id | customer_id | ticket_category | priority | status   | opened_date | resolved_date
k1        | cat         | Billing         | Low      | Resolved | 2024-06-01  | 2024-06-20
k2        | cat         | Delivery        | Low      | Resolved | 2024-06-10  | 2024-06-21
k3        | cat         | Account         | Low      | Open     | 2024-06-10  |
"""
# Both of ann's last categories have the same amount; p9 is not in products, and the category of p8 is unknown.
LAST_LINES = """
transaction_id | customer_id | product_id | quantity | amount | payment_method | transaction_date
a1             | ann         | p2         | 1        | 10.00  | Cash           | 2024-05-21
a2             | ann         | p1         | 1        | 10.00  | Cash           | 2024-05-21
a3             | ann         | p2         | 1        | 99.00  | Cash           | 2024-05-20
b1             | bob         | p9         | 1        | 10.00  | Cash           | 2024-04-21
b2             | bob         | p8         | 1        | 10.00  | Cash           | 2024-04-21
"""


@pytest.mark.engine
def test_customers_worth_most_at_risk_and_what_to_do_first(spark: SparkSession, rules: Rules) -> None:
    _, rows = stored(
        list_at_risk(
            customer_360=frame(spark, "marts/customer_360", AT_RISK),
            reason_effects=frame(spark, "marts/reason_effects", EFFECTS),
            support_tickets=frame(spark, "cleaned/support_tickets", TICKETS),
            transactions=frame(spark, "cleaned/transactions", LAST_LINES),
            products=frame(
                spark, "cleaned/products", f"{PRODUCTS.rstrip()}\np8 | Vase | {UNKNOWN} | Acme | 1.00 | 2.00"
            ),
            as_of=D,
            rules=rules,
        ),
        list_at_risk.contract,
    )
    # bob: 0.5 x 162.47 = 81.235, half up. A tie of ann and cat goes to ann.
    assert shown(rows, "customer_id", "value_at_risk", "held_reason", "first_action") == [
        ("bob", Decimal("81.24"), "complaints", "Call about the complaints"),
        ("ann", Decimal("81.23"), "complaints", "Call about the complaints; last bought: Home"),
        ("cat", Decimal("81.23"), None, "Solve ticket k2 (Delivery), open for 10 days"),
        ("dan", Decimal("0.90"), None, "Ask what is missing"),
    ]


def test_each_churn_reason_has_an_answer() -> None:
    assert ANSWERS.keys() == set(WORDS.values())


# The window is 84 days: ann's ends on D, bob's in 14 days, cat's in 15, and dan's ended yesterday.
FIRST_ORDERS = """
customer_id | purchase_days | first_purchase_date | monetary_value
ann         | 1             | 2024-03-28          | 10.00
bob         | 1             | 2024-04-11          | 20.00
cat         | 1             | 2024-04-12          | 30.00
dan         | 1             | 2024-03-27          | 40.00
eve         | 2             | 2024-04-01          | 50.00
fay         | 1             | 2024-04-01          |
"""


@pytest.mark.engine
def test_new_customers_whose_second_order_is_due(spark: SparkSession, rules: Rules) -> None:
    customers = frame(spark, "marts/customer_360", FIRST_ORDERS)
    _, rows = stored(
        list_second_order(customer_360=customers, as_of=D, rules=rules), list_second_order.contract
    )
    assert shown(rows, "rank", "customer_id", "days_left") == [(1, "bob", 14), (2, "ann", 0), (3, "fay", 4)]


# --- product ------------------------------------------------------------------------------------------------


def lines_and_returns() -> tuple[str, str]:
    """In the window: 100 lines of p1, 40 of them returned, and 100 of p2. Before it: 200 of each, 10 of p1 returned,
    and 2 of p2. The first day of the window is 23 March; 22 March is the last one before it.
    """
    lines = ["transaction_id|customer_id|product_id|quantity|amount|payment_method|transaction_date"]
    returns = ["return_id|transaction_id|customer_id|product_id|amount|return_reason|return_date"]
    for product, day, sold, back in (
        ("p1", "2024-03-22", 200, 10),
        ("p1", "2024-03-23", 100, 40),
        ("p2", "2024-03-22", 200, 2),
        ("p2", "2024-06-20", 100, 2),
        ("p2", "2023-12-23", 50, 50),  # before both windows
    ):
        reason = "Damaged" if product == "p1" else "Other"
        lines += [f"{product}{day}{n}|ann|{product}|1|5.00|Cash|{day}" for n in range(sold)]
        returns += [f"{product}{day}{n}|x|ann|{product}|3.00|{reason}|{day}" for n in range(back)]
    return "\n".join(lines), "\n".join(returns)


@pytest.mark.engine
def test_products_behind_rising_returns_and_their_orders(spark: SparkSession, rules: Rules) -> None:
    lines, returned = lines_and_returns()
    returns = frame(spark, "cleaned/returns", returned)
    products = frame(spark, "cleaned/products", PRODUCTS)
    listed, rows = stored(
        list_returns(
            transactions=frame(spark, "cleaned/transactions", lines),
            returns=returns,
            products=products,
            as_of=D,
            rules=rules,
        ),
        list_returns.contract,
    )
    # Extra refunds: of p1, 40 x 3 less 10 x 3 x 100 / 200; of p2, 2 x 3 less 2 x 3 x 100 / 200.
    assert shown(
        rows, "kind", "value", "name", "is_certain", "returns", "lines_before", "per_100", "extra_refunds"
    ) == [
        ("category", "Home", "Home", True, 40, 200, Decimal(40), Decimal(105)),
        ("product", "p1", "Lamp", True, 40, 200, Decimal(40), Decimal(105)),
        ("reason", "Damaged", "Damaged", True, 40, 400, Decimal(20), Decimal(105)),
        ("category", "Kitchen", "Kitchen", False, 2, 200, Decimal(2), Decimal(3)),
        ("product", "p2", "Kettle", False, 2, 200, Decimal(2), Decimal(3)),
        ("reason", "Other", "Other", False, 2, 400, Decimal(1), Decimal(3)),
    ]
    _, orders = stored(
        list_returned_orders(returns=returns, products=products, list_returns=listed, as_of=D, rules=rules),
        list_returned_orders.contract,
    )
    assert len(orders) == 40
    assert set(shown(orders, "product_name", "behind")) == {("Lamp", "product; category; reason")}


def test_a_rise_is_certain_among_the_rates_that_are_tested_with_it() -> None:
    # 8 of 8 events in the later half of the exposure: by chance once in 256.
    eight = Counted(0, 100, 8, 100)
    same = Counted(4, 100, 4, 100)
    assert certain([eight], 0.95) == [True]
    assert certain([eight, *[same] * 11], 0.95) == [True, *[False] * 11]  # 12 / 256 = 0.047
    assert certain([eight, *[same] * 12], 0.95) == [False] * 13  # 13 / 256 = 0.051
    assert certain([], 0.95) == []


@pytest.mark.parametrize(
    ("rate", "rose"),
    [
        (Counted(1, 10, 2, 19), True),
        (Counted(1, 10, 2, 20), False),
        (Counted(0, 10, 1, 10), True),
        (Counted(0, 0, 1, 10), False),
        (Counted(0, 10, 1, 0), False),
    ],
)
def test_what_was_not_sold_before_has_not_risen(rate: Counted, rose: bool) -> None:
    assert rate.rose == rose


# --- support ------------------------------------------------------------------------------------------------


def test_tickets_that_are_open_too_long(tables: Tables) -> None:
    # k3 is open for five days; k12 is of zoe, whom nobody knows.
    assert shown(tables["marts/list_open_tickets"], "ticket_id", "open_days", "monetary_value") == [
        ("k12", 139, None),
        ("k9", 111, Decimal("300.02")),
        ("k13", 51, Decimal("1000.00")),
        ("k2", 10, Decimal("0.00")),
    ]


def test_customers_who_complained_again(tables: Tables) -> None:
    # eve's two tickets are older than the window, which begins on 23 March.
    assert shown(
        tables["marts/list_repeated_complaints"], "customer_id", "ticket_category", "tickets", "open_tickets"
    ) == [("dan", "General", 3, 0), ("dan", "Billing", 2, 1)]


def test_complaints_per_order(tables: Tables) -> None:
    # Orders from 23 March to 20 June: a6 to a10, b5, c1 and e4. From 24 December to 22 March: a1 to a5, b1 to b4,
    # e1 to e3, f1, f2, g1, z1 and z2.
    found = shown(
        tables["marts/list_complaints"], "ticket_category", "tickets", "tickets_before", "orders", "per_100"
    )
    assert found == [
        ("General", 3, 0, 8, Decimal("37.5")),
        ("Billing", 2, 0, 8, Decimal(25)),
        ("Account", 2, 1, 8, Decimal(25)),
        ("Delivery", 1, 0, 8, Decimal("12.5")),
        ("Returns", 0, 2, 8, Decimal(0)),
    ]
    (before,) = {row["orders_before"] for row in tables["marts/list_complaints"]}
    assert before == 17


# --- all of them --------------------------------------------------------------------------------------------


def test_each_list_has_its_rule_its_rows_and_its_money(tables: Tables, rules: Rules) -> None:
    found = {row["list_name"]: row for row in tables["marts/lists"]}
    assert list(found) == [each.table.name for each in LISTS]
    # zoe's spend is unknown, so the sum is, too; dan's tickets count once.
    assert (found["list_open_tickets"]["row_count"], found["list_open_tickets"]["money"]) == (4, None)
    repeated = found["list_repeated_complaints"]
    assert (repeated["row_count"], repeated["money"]) == (2, Decimal("0.00"))
    assert repeated["rule"] == "Customers with 2 or more tickets of one category in the last 90 days."
    for name, row in found.items():
        assert row["row_count"] == len(tables[f"marts/{name}"])


def test_a_list_is_unknown_if_what_it_needs_is_missing(spark: SparkSession, rules: Rules) -> None:
    inputs = {name: frame_of(spark, contract.spark_schema, []) for name, contract in lists.reads.items()}
    inputs["customer_360"] = frame(spark, "marts/customer_360", "customer_id | total_tickets\nann | 1")
    found = {row["list_name"]: row["row_count"] for row in collected(lists(**inputs, as_of=D, rules=rules))}
    of_support = {each.table.name for each in LISTS if each.team == "support"}
    assert found == {name: 0 if name in of_support else None for name in found}
