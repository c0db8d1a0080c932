"""Money in several currencies, amounts that are unknown, and orders that name no customer."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import CONTRACTS, SOURCE_TABLES
from cip_assets.orchestration.checks.counts import broken_rules
from cip_assets_tests.layers.chain import Sources, snapshot
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of, landed
from cip_assets_tests.layers.lines import lines_of

D = date(2024, 6, 30)

# ann and cat bought in EUR only, bob also in GBP, which was not converted; dan's amount cannot be told.
SEVERAL = """
transaction_id | order_id | customer_id | is_guest | product_id | quantity | amount | currency | original_amount | charged | amount_unknown | payment_method | transaction_date
1-1            | 1        | ann         | false    | p1         | 1        | 10.00  | EUR      |                 | 12.00   | false          | PayPal         | 2024-01-05
1-2            | 1        | ann         | false    | p2         | 2        | 20.00  | EUR      |                 | 22.00   | false          | PayPal         | 2024-01-05
2-1            | 2        | bob         | false    | p1         | 1        | 5.00   | EUR      |                 | 5.00    | false          | PayPal         | 2024-01-06
3-1            | 3        | bob         | false    | p1         | 1        |        | GBP      | 18.00           | 20.00   | false          | PayPal         | 2024-05-07
4-1            | 4        | cat         | false    | p2         | 1        | 40.00  | EUR      |                 | 40.00   | false          | Cash           | 2024-06-20
5-1            | 5        |             | true     | p1         | 1        |        | GBP      | 4.00            | 4.00    | false          | Cash           | 2024-02-02
6-1            | 6        | dan         | false    |            | 1        |        |          |                 | 9.00    | true           | Cash           | 2024-05-08
"""

SEVERAL_RETURNS = """
return_id | transaction_id | customer_id | amount | currency | original_amount | refunded | return_reason | return_date
r1        | 3-1            | bob         |        | GBP      | 9.00            | 11.00    | Other         | 2024-05-20
r2        | 1-2            | ann         | 20.00  | EUR      |                 |          | Other         | 2024-02-20
"""

TABLES = (
    "marts/customer_360",
    "marts/kpi_totals",
    "marts/kpi_currencies",
    "marts/kpi_monthly_revenue",
    "marts/kpi_revenue_segment",
    "marts/kpi_top_customers",
    "marts/kpi_top_products",
    "marts/kpi_trends",
    "marts/insights",
    "marts/model_backtest",
    "marts/segment_migration",
)

MONEY = ("total_revenue", "charged", "returned_amount", "refunded", "net_revenue")


def sources(transactions: str, returns: str = "return_id | return_date") -> Sources:
    return {
        "customers": [],
        "products": [],
        "transactions": landed("transactions", transactions),
        "returns": landed("returns", returns),
        "support_tickets": [],
        "web_activity": [],
    }


def money(*amounts: str) -> tuple[Decimal | None, ...]:
    """Amounts; an empty text is an unknown one."""
    return tuple(Decimal(amount) if amount else None for amount in amounts)


def shown(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def totals_of(tables: dict[str, list[Row]]) -> tuple[Any, ...]:
    (totals,) = tables["marts/kpi_totals"]
    return (totals["currency"], *shown(totals, MONEY))


def currencies_of(tables: dict[str, list[Row]]) -> dict[str, tuple[Any, ...]]:
    rows = by_key(tables["marts/kpi_currencies"], ["currency"])
    return {code: shown(row, ("orders", "order_lines", *MONEY)) for code, row in rows.items()}


@pytest.fixture(scope="module")
def several(spark: SparkSession, rules: Rules) -> dict[str, list[Row]]:
    return snapshot(spark, sources(SEVERAL, SEVERAL_RETURNS), D, rules, TABLES)


@pytest.mark.engine
def test_a_total_over_several_currencies_is_unknown_and_given_by_currency(
    several: dict[str, list[Row]],
) -> None:
    assert totals_of(several) == ("mixed", *money("", "", "", "", ""))
    (totals,) = several["marts/kpi_totals"]
    assert (totals["orders"], totals["order_lines"], totals["guest_orders"]) == (6, 7, 1)
    assert shown(totals, ("avg_order_value", "guest_revenue", "orphan_revenue")) == money("", "", "0.00")
    # EUR: 10 + 20 + 5 + 40 = 75 for goods, 12 + 22 + 5 + 40 = 79 in all; r2 says only what was refunded for goods.
    assert currencies_of(several) == {
        "EUR": (3, 4, *money("75.00", "79.00", "20.00", "20.00", "55.00")),
        "GBP": (2, 2, *money("22.00", "24.00", "9.00", "11.00", "13.00")),
        "Unknown": (1, 1, *money("", "", "0.00", "0.00", "")),
    }


@pytest.mark.engine
def test_the_money_of_a_customer_is_unknown_if_one_of_their_amounts_is(
    several: dict[str, list[Row]],
) -> None:
    customers = by_key(several["marts/customer_360"], ["customer_id"])
    names = (
        "frequency",
        "monetary_value",
        "avg_order_value",
        "returned_amount",
        "net_revenue",
        "historic_value",
    )
    assert {customer: shown(row, names) for customer, row in customers.items()} == {
        "ann": (1, *money("30.00", "30.00", "20.00", "10.00", "10.00")),
        "bob": (2, *money("", "", "", "", "")),
        "cat": (1, *money("40.00", "40.00", "0.00", "40.00", "40.00")),
        "dan": (1, *money("", "", "0.00", "", "")),
    }
    preferred = {customer: row["top_category"] for customer, row in customers.items()}
    assert preferred == {"ann": "Unknown", "bob": None, "cat": "Unknown", "dan": None}


@pytest.mark.engine
def test_what_compares_or_forecasts_spend_is_unknown_for_all(several: dict[str, list[Row]]) -> None:
    customers = several["marts/customer_360"]
    assert {row["m_score"] for row in customers} == {None}
    assert {row["clv_12m"] for row in customers} == {None}
    assert None not in {row["r_score"] for row in customers} | {row["f_score"] for row in customers}
    assert all(row["churn_probability"] > 0 and row["expected_purchases_90"] > 0 for row in customers)
    assert {row["metric"] for row in several["features/rfm_cut_points"]} == {"recency_days", "frequency"}
    (model,) = several["features/forecast_model"]
    assert (model["forecast_model"], model["value_model"], model["spend_bias"]) == ("pooled_rate", None, None)
    assert several["marts/kpi_top_customers"] == several["marts/kpi_top_products"] == []
    assert {row["revenue_share"] for row in several["marts/kpi_revenue_segment"]} == {None}
    # Whether someone buys is predicted without any amount.
    assert all(row["expected_orders"] > 0 for row in several["features/forecast"])
    assert {row["expected_spend"] for row in several["features/forecast"]} == {None}


@pytest.mark.engine
def test_a_segment_is_unknown_only_if_it_depends_on_an_unknown_spend(several: dict[str, list[Row]]) -> None:
    # With their recency and frequency, any spend leads to these segments. min_frequency of the rules decides the others.
    found = {
        row["customer_id"]: (row["r_score"], row["f_score"], row["rfm_segment"], row["value_segment"])
        for row in several["marts/customer_360"]
    }
    assert found == {
        "ann": (2, 1, "About To Sleep", "Regular"),
        "bob": (3, 4, "Loyal", "Regular"),
        "cat": (5, 1, "New", "Regular"),
        "dan": (4, 1, "New", "Regular"),
    }


@pytest.mark.engine
def test_a_month_is_unknown_only_if_one_of_its_amounts_is(several: dict[str, list[Row]]) -> None:
    months = {
        row["month"].month: (row["orders"], row["monthly_revenue"])
        for row in several["marts/kpi_monthly_revenue"]
    }
    assert months == {
        1: (2, Decimal("35.00")),
        2: (1, None),
        3: (0, Decimal("0.00")),
        4: (0, Decimal("0.00")),
        5: (2, None),
        6: (1, Decimal("40.00")),
    }


def test_unknown_amounts_keep_every_contract(spark: SparkSession, several: dict[str, list[Row]]) -> None:
    broken = {
        name: found
        for name, rows in several.items()
        if (found := broken_rules(frame_of(spark, CONTRACTS[name].spark_schema, rows), CONTRACTS[name]))
    }
    assert broken == {}


ONE = """
transaction_id | order_id | customer_id | amount | currency | charged | transaction_date
1-1            | 1        | ann         | 10.00  | EUR      | 12.00   | 2024-01-05
2-1            | 2        | bob         | 20.00  | {code}   | 25.00   | 2024-01-06
"""
ONE_RETURN = """
return_id | customer_id | amount | currency | refunded | return_date
r1        | ann         | 6.00   | EUR      | 8.00     | 2024-02-05
"""


@pytest.mark.parametrize("code", ["EUR", pytest.param("", marks=pytest.mark.engine)])
def test_one_currency_adds_up_also_if_some_lines_do_not_name_it(
    spark: SparkSession, rules: Rules, code: str
) -> None:
    given = sources(ONE.format(code=code), ONE_RETURN)
    tables = snapshot(spark, given, D, rules, ["marts/kpi_totals", "marts/kpi_currencies"])
    assert totals_of(tables) == ("EUR", *money("30.00", "37.00", "6.00", "8.00", "24.00"))
    expected = {"EUR": (2, 2, *money("30.00", "37.00", "6.00", "8.00", "24.00"))}
    if not code:
        expected = {
            "EUR": (1, 1, *money("10.00", "12.00", "6.00", "8.00", "4.00")),
            "Unknown": (1, 1, *money("20.00", "25.00", "0.00", "0.00", "20.00")),
        }
    assert currencies_of(tables) == expected


CONVERTED = """
transaction_id | customer_id | amount | currency | original_amount | charged | transaction_date
1              | ann         | 10.00  | EUR      | 10.00           | 12.00   | 2024-01-05
2              | bob         | 12.00  | GBP      | 10.00           | 13.00   | 2024-01-06
"""


@pytest.mark.engine
def test_converted_amounts_add_up_in_the_reporting_currency(spark: SparkSession, rules: Rules) -> None:
    tables = snapshot(
        spark,
        sources(CONVERTED),
        D,
        rules,
        ["marts/kpi_totals", "marts/kpi_currencies", "features/rfm"],
    )
    assert totals_of(tables) == ("EUR", *money("22.00", "25.00", "", "", ""))
    assert currencies_of(tables) == {
        "EUR": (1, 1, *money("10.00", "12.00", "", "", "")),
        "GBP": (1, 1, *money("10.00", "", "", "", "")),  # what was charged is known in EUR only
    }
    assert None not in {row["m_score"] for row in tables["features/rfm"]}


UNKNOWN = """
transaction_id | customer_id | amount | original_amount | currency | transaction_date
1              | ann         |        | 100.00          |          | 2024-01-05
2              | bob         |        | 40.00           | {code}   | 2024-01-06
"""


@pytest.mark.parametrize(("code", "currency"), [("", None), ("EUR", "mixed")])
def test_amounts_in_unknown_currencies_are_not_added_up(
    spark: SparkSession, rules: Rules, code: str, currency: str | None
) -> None:
    tables = snapshot(
        spark, sources(UNKNOWN.format(code=code)), D, rules, ["marts/kpi_totals", "marts/kpi_currencies"]
    )
    assert totals_of(tables) == (currency, *money("", "", "", "", ""))
    assert currencies_of(tables)["Unknown"][2] is None


GUESTS = """
transaction_id | is_guest | product_id | amount | transaction_date
1              | true     | p1         | 10.00  | 2024-01-05
2              | true     | p1         | 20.00  | 2024-02-05
"""


def test_if_no_order_names_a_customer_the_buyers_are_unknown(spark: SparkSession, rules: Rules) -> None:
    marts = (
        "customer_360",
        "insights",
        "kpi_monthly_revenue",
        "kpi_top_products",
        "kpi_totals",
        "kpi_trends",
    )
    tables = snapshot(spark, sources(GUESTS), D, rules, [f"marts/{mart}" for mart in marts])
    (totals,) = tables["marts/kpi_totals"]
    names = ("orders", "buyers", "guest_orders", "total_customers")
    assert shown(totals, names) == (2, None, None, 0)
    assert shown(totals, ("total_revenue", "guest_revenue")) == money("30.00", "30.00")
    assert tables["marts/customer_360"] == tables["features/purchases"] == []
    assert {row["buyers"] for row in tables["marts/kpi_monthly_revenue"]} == {None}
    assert {(row["orders"], row["buyers"]) for row in tables["marts/kpi_top_products"]} == {(2, None)}
    counted = ("buyers", "returning_buyers", "active_customers", "repeat_rate")
    assert {shown(row, counted) for row in tables["marts/kpi_trends"]} == {(None,) * 4}
    answers = {row["question"]: row["answer"] for row in tables["marts/insights"]}
    assert answers["repeat_purchases"] == "No data: no purchases of known customers were delivered"


def test_the_money_of_a_shop_without_orders_is_unknown(spark: SparkSession, rules: Rules) -> None:
    nothing = sources("transaction_id | transaction_date")
    tables = snapshot(
        spark, nothing, D, rules, ["marts/kpi_totals", "marts/kpi_currencies", "marts/kpi_trends"]
    )
    (totals,) = tables["marts/kpi_totals"]
    assert shown(totals, ("orders", "buyers", "guest_orders")) == (None, None, None)
    assert totals_of(tables) == (None, *money("", "", "", "", ""))
    assert tables["marts/kpi_currencies"] == []
    assert {row["buyers"] for row in tables["marts/kpi_trends"]} == {None}


FILES = {
    "transactions/with.csv": (
        "transaction_id,customer_id,quantity,amount,transaction_date,product_id,price,payment_method,"
        "currency,original_amount,charged,amount_unknown\n"
        "t1,ann,1,10,2024-01-05,,,Cash,EUR,,12.5,\n"
        "t2,ann,1,,2024-01-05,,,Cash,GBP,8,9,\n"
        "t3,ann,1,,2024-01-05,,,Cash,,,,true\n"
        "t4,ann,1,,2024-01-05,,,Cash,EUR,,9,\n"
        "t5,ann,1,10,2024-01-05,,,Cash,eur,,,\n"
        "t6,ann,1,,2024-01-05,,,Cash,GBP,-8,x,false\n"
        "t7,ann,1,1e3,2024-01-05,,,Cash,GBP,8,,\n"
    ),
    "transactions/without.csv": (
        "transaction_id,customer_id,product_id,quantity,price,amount,payment_method,transaction_date\n"
        "t8,bob,p1,1,10,,Cash,2024-01-05\n"
        "t9,bob,p1,1,10,10,Cash,2024-01-05\n"
    ),
}


@pytest.mark.engine
def test_an_amount_may_be_missing_only_if_the_line_says_why(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    lines = lines_of(spark, rules, tmp_path, FILES, date(2024, 1, 1))
    names = ("amount", "currency", "original_amount", "charged", "amount_unknown")
    cleaned = {row["transaction_id"]: shown(row, names) for row in collected(lines.cleaned)}
    assert cleaned == {
        "t1": (Decimal("10.00"), "EUR", None, Decimal("12.50"), False),
        "t2": (None, "GBP", Decimal("8.00"), Decimal("9.00"), False),
        "t3": (None, None, None, None, True),
        "t9": (Decimal("10.00"), None, None, None, False),
    }
    assert {row["transaction_id"]: row["reasons"] for row in collected(lines.kept_out)} == {
        "t4": "amount:missing",
        "t5": "currency:wrong_format",
        "t6": "charged:not_a_number; original_amount:below_minimum",
        "t7": "amount:not_a_number",
        "t8": "amount:missing",
    }
    assert broken_rules(lines.cleaned, SOURCE_TABLES["transactions"].cleaned) == {}
