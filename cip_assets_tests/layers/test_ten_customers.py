"""Every metric, computed by hand for ten customers (see ``ten_customers``) on the snapshot day D, 20 June 2024.

No expected value was copied from the program. Comments show the arithmetic that is not obvious.
"""

from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import contract_of, contracts_in
from cip_assets.layers.facts.session_days import session_days
from cip_assets.layers.features.engagement import engagement
from cip_assets.layers.features.population import population
from cip_assets.layers.features.purchases import purchases
from cip_assets.layers.features.returns import returns
from cip_assets.layers.features.rfm import rfm
from cip_assets.layers.features.rfm_cut_points import rfm_cut_points
from cip_assets.layers.features.support import support
from cip_assets.layers.marts.cohort_retention import cohort_retention
from cip_assets.layers.marts.kpi_activity import kpi_activity
from cip_assets.layers.marts.kpi_monthly_revenue import kpi_monthly_revenue
from cip_assets.layers.marts.kpi_top_customers import kpi_top_customers
from cip_assets.layers.marts.kpi_totals import kpi_totals
from cip_assets_tests.layers.chain import orders_of
from cip_assets_tests.layers.frames import Row, by_key, collected, frame_of, landed, rows_of
from cip_assets_tests.layers.ten_customers import (
    CUSTOMERS,
    SUPPORT_TICKETS,
    TRANSACTIONS,
    WEB_ACTIVITY,
    D,
)

Tables = dict[str, list[Row]]

# --- customer_360 -----------------------------------------------------------------------------------------

# recency_days: 21 May is 30 days before D, 21 April 60, 21 February 120, 20 February 121.
# avg_order_value, half up: eve 300.02 / 4 = 75.005 -> 75.01; fay 1000.01 / 2 = 500.005 -> 500.01.
# monetary_value of ann: 500.10+499.90 + 700+300 + 450+550 + 600+400 + 333.33+666.67 = 5 x 1000.
PURCHASES = """
customer_id | recency_days | frequency | monetary_value | avg_order_value | first_purchase_date | last_purchase_date | purchase_days
ann         | 30           | 10        | 5000.00        | 500.00          | 2024-01-10          | 2024-05-21         | 9
bob         | 60           | 5         | 1000.00        | 200.00          | 2024-01-15          | 2024-04-21         | 5
cat         | 0            | 1         | 19.99          | 19.99           | 2024-06-20          | 2024-06-20         | 1
dan         |              | 0         | 0.00           |                 |                     |                    | 0
eve         | 60           | 4         | 300.02         | 75.01           | 2024-02-14          | 2024-04-21         | 3
fay         | 121          | 2         | 1000.01        | 500.01          | 2024-01-20          | 2024-02-20         | 2
gus         | 120          | 1         | 300.02         | 300.02          | 2024-02-21          | 2024-02-21         | 1
hal         |              | 0         | 0.00           |                 |                     |                    | 0
ivy         |              | 0         | 0.00           |                 |                     |                    | 0
"""

# payment_method: ann 4 Credit Card, 4 PayPal, 2 Debit Card, so the first in the alphabet; eve 2 Cash, 2 PayPal;
#   fay 1 Bank Transfer, 1 Cash.
# top_category and top_brand, by spend:
#   ann Home 500.10+700+450+666.67 = 2316.77, Kitchen 499.90+300+550+400 = 1749.90, Unknown 600+333.33
#       Bolt 499.90+700+550+400+666.67 = 2816.57, Acme 500.10+300+450 = 1250.10, Unknown 933.33
#   bob Unknown 400, Kitchen 150+200 = 350, Home 100+150 = 250; Unknown 400, Acme 100+200 = 300, Bolt 300
#   eve Home 100+50.01, Kitchen 100+50.01; Acme 50.01+100, Bolt 100+50.01: all equal
#   fay Home 1000.01; Bolt 1000, Acme 0.01
PREFERENCES = """
customer_id | payment_method | top_category | top_brand
ann         | Credit Card    | Home         | Bolt
bob         | Cash           | Unknown      | Unknown
cat         | Gift Card      | Kitchen      | Bolt
dan         |                |              |
eve         | Cash           | Home         | Acme
fay         | Bank Transfer  | Home         | Bolt
gus         | Credit Card    | Kitchen      | Acme
hal         |                |              |
ivy         |                |              |
"""

# return_rate counts returned orders, not returns: fay returned f1 twice, so 1 of 2; ann a7 and a9, 2 of 10;
# eve e1, 1 of 4, because r7 names one of ann's transactions; the return of gus names none. r5 is after D.
# returned_amount: ann 100+333.33; eve 33.34+5; fay 300+200. net = monetary - returned; dan 0 - 7.
RETURNED = """
customer_id | total_returns | returned_amount | return_rate | net_revenue | historic_value
ann         | 2             | 433.33          | 0.200000    | 4566.67     | 4566.67
bob         | 0             | 0.00            | 0.000000    | 1000.00     | 1000.00
cat         | 0             | 0.00            | 0.000000    | 19.99       | 19.99
dan         | 1             | 7.00            |             | -7.00       | -7.00
eve         | 2             | 38.34           | 0.250000    | 261.68      | 261.68
fay         | 2             | 500.00          | 0.500000    | 500.01      | 500.01
gus         | 1             | 0.02            | 0.000000    | 300.00      | 300.00
hal         | 0             | 0.00            |             | 0.00        | 0.00
ivy         | 0             | 0.00            |             | 0.00        | 0.00
"""

# Points = sum of weight x 0.5^(age / 30), here in whole points:
#   ann 5+3 today, 1+1 at age 30 -> 1, 3 x 1 at age 120 -> 3/16: 9.1875       ivy 5 at age 30: 2.5
#   bob 2+2 at age 60 -> 1, 2 x 1 at age 120 -> 1/8: 1.125                    eve 1 today, 1/8: 1.125
#   cat 1 at age 15: 0.7071   zoe (orphan) 3 at age 90: 0.375   gus 0 and 0, 1/16: 0.0625
#   fay 5 at age 1266: 0      dan -1 today, 1 at age 30 -> 0.5: -0.5
# Nine have sessions; at or below: dan 1, fay 2, gus 3, zoe 4, cat 5, bob and eve 7, ivy 8, ann 9. Score = 100 k / 9.
ENGAGEMENT = """
customer_id | total_sessions | active_days | engagement_score | last_session_date
ann         | 7              | 3           | 100.000000       | 2024-06-20
bob         | 4              | 2           | 77.777778        | 2024-04-21
cat         | 1              | 1           | 55.555556        | 2024-06-05
dan         | 2              | 2           | 11.111111        | 2024-06-20
eve         | 3              | 2           | 77.777778        | 2024-06-20
fay         | 1              | 1           | 22.222222        | 2021-01-01
gus         | 3              | 2           | 33.333333        | 2024-05-21
hal         | 0              | 0           | 0.000000         |
ivy         | 1              | 1           | 88.888889        | 2024-05-21
"""

# dan: k2 is open, k3 resolved after D; k4 is closed. Resolved by D: k1 2 days, k5 1, k6 2: 5/3 = 1.666667.
# ann: k7 resolved the same day. eve: k9 is open, k10 resolved. bob: Reopened is neither Closed nor Resolved.
SUPPORT = """
customer_id | total_tickets | open_tickets | avg_resolution_days | last_ticket_date
ann         | 1             | 0            | 0.000000            | 2024-06-20
bob         | 1             | 1            |                     | 2024-04-30
cat         | 0             | 0            |                     |
dan         | 6             | 2            | 1.666667            | 2024-06-15
eve         | 2             | 1            |                     | 2024-03-05
fay         | 0             | 0            |                     |
gus         | 0             | 0            |                     |
hal         | 0             | 0            |                     |
ivy         | 0             | 0            |                     |
"""

# Six known buyers, so the nearest ranks are the 2nd, 3rd, 4th and 5th smallest (20% of 6 = 1.2, 40% = 2.4, ...).
# recency   0 30 60 60 120 121             cuts 30, 60, 60, 120                r = 6 - (1 + cuts exceeded)
# frequency 1 1 2 4 5 10                   cuts 1, 2, 4, 5                     f = 1 + cuts exceeded
# monetary  19.99 300.02 300.02 1000 1000.01 5000   cuts 300.02, 300.02, 1000, 1000.01
#   ann r 6-1, f 1+4, m 1+4     bob r 6-2, f 1+3, m 1+2     cat r 6-1, f 1+0, m 1+0
#   eve r 6-2, f 1+2, m 1+0     fay r 6-5, f 1+1, m 1+3     gus r 6-4, f 1+0, m 1+0
# value_segment: ann (30 days, 10, 5000) and bob (60 days, 5, 1000) are just inside; who is a churn risk follows from the
# forecast (test_predictions.py): gus bought once, 120 days ago.
SEGMENTS = """
customer_id | r_score | f_score | m_score | rfm_segment        | value_segment | is_churn_risk
ann         | 5       | 5       | 5       | Champions          | High Value    | false
bob         | 4       | 4       | 3       | Loyal              | Loyal         | false
cat         | 5       | 1       | 1       | New                | Regular       | false
dan         |         |         |         | No purchase        | No purchase   | false
eve         | 4       | 3       | 1       | Potential Loyalist | Regular       | false
fay         | 1       | 2       | 4       | At Risk            | Regular       | false
gus         | 2       | 1       | 1       | About To Sleep     | Churn Risk    | true
hal         |         |         |         | No purchase        | No purchase   | false
ivy         |         |         |         | No purchase        | No purchase   | false
"""

# The columns of the customers file are as delivered, for all except jon.
OWN = "\n".join(line for line in CUSTOMERS.splitlines() if not line.startswith("jon"))

PARTS = {
    "purchases": PURCHASES,
    "preferences": PREFERENCES,
    "returns": RETURNED,
    "engagement": ENGAGEMENT,
    "support": SUPPORT,
    "segments": SEGMENTS,
    "own": OWN,
}


PREDICTED = {
    "churn_probability",
    "churn_probability_low",
    "churn_probability_high",
    "churn_band",
    "is_worth_contacting",
    "churn_reasons",
    "p_alive",
    "expected_orders",
    "orders_low",
    "orders_high",
    "expected_purchases_90",
    "expected_spend",
    "spend_low",
    "spend_high",
    "clv_12m",
    "clv_12m_low",
    "clv_12m_high",
    "clv_12m_net",
    "clv_12m_margin",
    "clv_horizon",
    "forecast_model",
}
"""Tested in test_predictions.py."""


def expected_columns(part: str) -> dict[str, Row]:
    return by_key(rows_of(contract_of("marts", "customer_360"), PARTS[part]), ["customer_id"])


@pytest.mark.engine
@pytest.mark.parametrize("part", PARTS)
def test_customer_360(tables: Tables, part: str) -> None:
    expected = expected_columns(part)
    names = list(next(iter(expected.values())))
    actual = by_key(tables["marts/customer_360"], ["customer_id"])
    assert {key: {name: row[name] for name in names} for key, row in actual.items()} == expected


@pytest.mark.engine
def test_every_column_of_customer_360_has_expected_values(tables: Tables) -> None:
    tested = {"as_of_date"}.union(*(next(iter(expected_columns(part).values())) for part in PARTS))
    assert set(contract_of("marts", "customer_360").columns) == tested | PREDICTED
    assert {row["as_of_date"] for row in tables["marts/customer_360"]} == {D}


# --- columns of other tables that customer_360 does not show ------------------------------------------------

OTHER_TABLES = {
    # jon and dan bought only after D. 12 March is 100 days before D.
    "features/purchases": """
customer_id | is_orphan | recency_days | frequency | purchase_days | monetary_value | avg_order_value
ann         | false     | 30           | 10        | 9             | 5000.00        | 500.00
bob         | false     | 60           | 5         | 5             | 1000.00        | 200.00
cat         | false     | 0            | 1         | 1             | 19.99          | 19.99
eve         | false     | 60           | 4         | 3             | 300.02         | 75.01
fay         | false     | 121          | 2         | 2             | 1000.01        | 500.01
gus         | false     | 120          | 1         | 1             | 300.02         | 300.02
zoe         | true      | 100          | 2         | 2             | 77.70          | 38.85
""",
    "features/returns": """
customer_id | total_returns | returned_amount | returned_orders
ann         | 2             | 433.33          | 2
dan         | 1             | 7.00            | 0
eve         | 2             | 38.34           | 1
fay         | 2             | 500.00          | 1
gus         | 1             | 0.02            | 0
zoe         | 1             | 50.50           | 1
""",
    "features/support": """
customer_id | resolved_tickets | total_tickets | open_tickets
ann         | 1                | 1             | 0
bob         | 0                | 1             | 1
dan         | 3                | 6             | 2
eve         | 0                | 2             | 1
zoe         | 0                | 1             | 1
""",
    # In billionths of a point. cat: 0.5 ** 0.5 = 0.707106781.
    "features/engagement": """
customer_id | engagement_points | engagement_score
ann         | 9_187_500_000     | 100.000000
bob         | 1_125_000_000     | 77.777778
cat         | 707_106_781       | 55.555556
dan         | -500_000_000      | 11.111111
eve         | 1_125_000_000     | 77.777778
fay         | 0                 | 22.222222
gus         | 62_500_000        | 33.333333
ivy         | 2_500_000_000     | 88.888889
zoe         | 375_000_000       | 44.444444
""",
    "features/rfm_cut_points": """
metric         | buyers | p20    | p40    | p60     | p80
recency_days   | 6      | 30.00  | 60.00  | 60.00   | 120.00
frequency      | 6      | 1.00   | 2.00   | 4.00    | 5.00
monetary_value | 6      | 300.02 | 300.02 | 1000.00 | 1000.01
""",
    # D is day 172 of the year. 172 - 10, 172 - 15, 0, 172 - 45, 172 - 20, 172 - 52.
    "features/clv": """
customer_id | historic_value | tenure_days | repeat_purchase_days
ann         | 4566.67        | 162         | 8
bob         | 1000.00        | 157         | 4
cat         | 19.99          | 0           | 0
eve         | 261.68         | 127         | 2
fay         | 500.01         | 152         | 1
gus         | 300.00         | 120         | 0
""",
    # zoe counts in every total except total_customers. Returned 433.33+38.34+500+50.50+0.02+7 = 1029.19.
    # 7697.74 / 25 orders = 307.9096.
    "marts/kpi_totals": """
total_customers | buyers | orders | order_lines | guest_orders | first_order_day | last_order_day | total_revenue | net_revenue | returned_amount | avg_order_value | orphan_revenue | guest_revenue
9               | 7      | 25     | 25          | 0            | 2024-01-10      | 2024-06-20     | 7697.74       | 6668.55     | 1029.19         | 307.91          | 77.70          | 0.00
""",
    # Of 23 sessions: 1/23 = 0.0434783, 2/23 = 0.0869565, 3/23 = 0.1304348, 11/23 = 0.4782609.
    "marts/kpi_activity": """
activity_type    | sessions | customers | session_share
Add to Cart      | 2        | 2         | 0.086957
Cart View        | 1        | 1         | 0.043478
Checkout         | 3        | 3         | 0.130435
Page View        | 11       | 4         | 0.478261
Product Click    | 1        | 1         | 0.043478
Remove from Cart | 1        | 1         | 0.043478
Search           | 1        | 1         | 0.043478
Unknown          | 1        | 1         | 0.043478
Video            | 1        | 1         | 0.043478
Wishlist         | 1        | 1         | 0.043478
""",
    # The revenue from customers is 7697.74 - 77.70 = 7620.04.
    "marts/kpi_revenue_segment": """
segmentation     | segment            | customers | buyers | revenue | net_revenue | revenue_share
rfm_segment      | Champions          | 1         | 1      | 5000.00 | 4566.67     | 0.656165
rfm_segment      | Loyal              | 1         | 1      | 1000.00 | 1000.00     | 0.131233
rfm_segment      | New                | 1         | 1      | 19.99   | 19.99       | 0.002623
rfm_segment      | Potential Loyalist | 1         | 1      | 300.02  | 261.68      | 0.039372
rfm_segment      | At Risk            | 1         | 1      | 1000.01 | 500.01      | 0.131234
rfm_segment      | About To Sleep     | 1         | 1      | 300.02  | 300.00      | 0.039372
rfm_segment      | No purchase        | 3         | 0      | 0.00    | -7.00       | 0.000000
value_segment    | High Value         | 1         | 1      | 5000.00 | 4566.67     | 0.656165
value_segment    | Loyal              | 1         | 1      | 1000.00 | 1000.00     | 0.131233
value_segment    | Churn Risk         | 1         | 1      | 300.02  | 300.00      | 0.039372
value_segment    | Regular            | 3         | 3      | 1320.02 | 781.68      | 0.173230
value_segment    | No purchase        | 3         | 0      | 0.00    | -7.00       | 0.000000
customer_segment | Consumer           | 5         | 3      | 5320.01 | 4848.34     | 0.698160
customer_segment | Corporate          | 2         | 2      | 2000.01 | 1500.01     | 0.262467
customer_segment | Small Business     | 1         | 1      | 300.02  | 300.00      | 0.039372
customer_segment | Unknown            | 1         | 0      | 0.00    | -7.00       | 0.000000
region           | North              | 3         | 3      | 5320.01 | 4848.34     | 0.698160
region           | South              | 2         | 2      | 2000.01 | 1500.01     | 0.262467
region           | East               | 2         | 0      | 0.00    | -7.00       | 0.000000
region           | West               | 1         | 0      | 0.00    | 0.00        | 0.000000
region           | Unknown            | 1         | 1      | 300.02  | 300.00      | 0.039372
""",
    # January 500.10+499.90+400+1000; February 700+300+100+150+100+50.01+0.01+300.02;
    # March 450+550+150+100+50.50+27.20; April 600+200+50.01; May 400+333.33+666.67.
    "marts/kpi_monthly_revenue": """
month      | monthly_revenue | orders | buyers | is_complete
2024-01-01 | 2400.00         | 4      | 3      | true
2024-02-01 | 1700.04         | 8      | 5      | true
2024-03-01 | 1327.70         | 6      | 4      | true
2024-04-01 | 850.01          | 3      | 3      | true
2024-05-01 | 1400.00         | 3      | 1      | true
2024-06-01 | 19.99           | 1      | 1      | false
""",
    # January: ann, bob, fay; February: eve, gus; March: zoe; June: cat. June is not complete at D. Four months after a
    # cohort's month are too few for a curve.
    "marts/cohort_retention": """
cohort_month | month_number | cohort_size | active_buyers | retention_rate | expected_rate | expected_rate_a_year_later
2024-01-01   | 0            | 3           | 3             | 1.000000       |               |
2024-01-01   | 1            | 3           | 3             | 1.000000       |               |
2024-01-01   | 2            | 3           | 2             | 0.666667       |               |
2024-01-01   | 3            | 3           | 2             | 0.666667       |               |
2024-01-01   | 4            | 3           | 1             | 0.333333       |               |
2024-01-01   | 5            | 3           |               |                |               |
2024-02-01   | 0            | 2           | 2             | 1.000000       |               |
2024-02-01   | 1            | 2           | 1             | 0.500000       |               |
2024-02-01   | 2            | 2           | 1             | 0.500000       |               |
2024-02-01   | 3            | 2           | 0             | 0.000000       |               |
2024-02-01   | 4            | 2           |               |                |               |
2024-03-01   | 0            | 1           | 1             | 1.000000       |               |
2024-03-01   | 1            | 1           | 0             | 0.000000       |               |
2024-03-01   | 2            | 1           | 0             | 0.000000       |               |
2024-03-01   | 3            | 1           |               |                |               |
2024-06-01   | 0            | 1           |               |                |               |
""",
    # eve and gus are tied, and zoe is not a customer.
    "marts/kpi_top_customers": """
rank | customer_id | monetary_value | frequency | last_purchase_date | rfm_segment
1    | ann         | 5000.00        | 10        | 2024-05-21         | Champions
2    | fay         | 1000.01        | 2         | 2024-02-20         | At Risk
3    | bob         | 1000.00        | 5         | 2024-04-21         | Loyal
4    | eve         | 300.02         | 4         | 2024-04-21         | Potential Loyalist
5    | gus         | 300.02         | 1         | 2024-02-21         | About To Sleep
6    | cat         | 19.99          | 1         | 2024-06-20         | New
""",
    # p1 500.10+450+100+100+0.01+50.50; p2 499.90+550+400+150+19.99+100+27.20; p3 700+666.67+150+50.01+1000;
    # p4 300+200+50.01+300.02; p9 600+400.
    "marts/kpi_top_products": """
rank | product_id | product_name | category | brand   | revenue | units | orders | buyers
1    | p3         | Desk         | Home     | Bolt    | 2566.68 | 5     | 5      | 4
2    | p2         | Kettle       | Kitchen  | Bolt    | 1747.09 | 8     | 7      | 5
3    | p1         | Lamp         | Home     | Acme    | 1200.61 | 12    | 6      | 5
4    | p9         | Unknown      | Unknown  | Unknown | 1000.00 | 10    | 2      | 2
5    | p4         | Toaster      | Kitchen  | Acme    | 850.03  | 7     | 4      | 4
""",
}


@pytest.mark.engine
@pytest.mark.parametrize("name", OTHER_TABLES)
def test_other_table(tables: Tables, name: str) -> None:
    contract = contract_of(*name.split("/"))
    expected = rows_of(contract, OTHER_TABLES[name])
    names = list(expected[0])
    key = [column for column in contract.key if column != "as_of_date"] or ["total_customers"]
    actual = [{column: row[column] for column in names} for row in tables[name]]
    assert by_key(actual, key) == by_key(expected, key)


@pytest.mark.engine
def test_every_feature_and_mart_was_computed(tables: Tables) -> None:
    assert set(tables) == {contract.name for contract in contracts_in("features", "marts")}
    assert {row["as_of_date"] for rows in tables.values() for row in rows} == {D}


@pytest.mark.engine
def test_population_has_customers_who_signed_up_or_had_an_event(tables: Tables) -> None:
    signed_up = {row["customer_id"]: row["signup_date"] for row in tables["features/population"]}
    assert sorted(signed_up) == ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ivy"]
    assert signed_up["hal"] is None
    assert signed_up["ivy"] > D


# --- the trends ---------------------------------------------------------------------------------------------

# Active customers have a purchase or a session. March: ann, bob, eve, zoe. April: ann, bob, eve. May: ann, dan, gus, ivy.
# June: ann, cat, dan, eve. Tickets per 100 of them: 1/5, 2/4, 2/3, 3/4, 3/4.
# Returns: February r1 r2, March r6 r7 r9, April r3 r8, May r4 r10.
# Returning buyers first bought in an earlier month: in February ann, bob and fay of 5; in March all except zoe.
TRENDS = """
month      | is_complete | buyers | returning_buyers | repeat_rate | order_lines | returns | return_ratio | active_customers | tickets | complaints_per_100
2024-01-01 | true        | 3      | 0                | 0.000000    | 4            | 0       | 0.000000     | 3                | 0       | 0.000000
2024-02-01 | true        | 5      | 3                | 0.600000    | 8            | 2       | 0.250000     | 5                | 1       | 20.000000
2024-03-01 | true        | 4      | 3                | 0.750000    | 6            | 3       | 0.500000     | 4                | 2       | 50.000000
2024-04-01 | true        | 3      | 3                | 1.000000    | 3            | 2       | 0.666667     | 3                | 2       | 66.666667
2024-05-01 | true        | 1      | 1                | 1.000000    | 3            | 2       | 0.666667     | 4                | 3       | 75.000000
2024-06-01 | false       | 1      | 0                | 0.000000    | 1            | 0       | 0.000000     | 4                | 3       | 75.000000
"""

# January's three, ann, bob and fay, bought again within 84 days; of February's, eve did and gus did not. The 84 days
# after 31 March end on 23 June, after D.
SECOND_ORDERS = """
month      | new_buyers | second_orders | second_order_rate
2024-01-01 | 3          | 3             | 1.000000
2024-02-01 | 2          | 1             | 0.500000
2024-03-01 |            |               |
2024-04-01 |            |               |
2024-05-01 |            |               |
2024-06-01 |            |               |
"""


@pytest.mark.engine
@pytest.mark.parametrize(
    "text",
    [TRENDS, SECOND_ORDERS],
    ids=["rates", "second orders"],
)
def test_kpi_trends(tables: Tables, text: str) -> None:
    expected = by_key(rows_of(contract_of("marts", "kpi_trends"), text), ["month"])
    names = list(next(iter(expected.values())))
    actual = by_key(tables["marts/kpi_trends"], ["month"])
    assert {month: {name: row[name] for name in names} for month, row in actual.items()} == expected


# --- edge cases that need other data ------------------------------------------------------------------------


def test_a_month_without_a_sale_is_a_row_of_zeros(spark: SparkSession) -> None:
    rows = [row for row in landed("transactions", TRANSACTIONS) if row["transaction_id"] in {"g1", "c1"}]
    bought = orders_of(frame_of(spark, contract_of("cleaned", "transactions").spark_schema, rows), D)
    months = collected(kpi_monthly_revenue(order_days=bought["order_days"], as_of=D))
    assert {row["month"].month: (row["monthly_revenue"], row["orders"], row["buyers"]) for row in months} == {
        2: (Decimal("300.02"), 1, 1),
        3: (Decimal("0.00"), 0, 0),
        4: (Decimal("0.00"), 0, 0),
        5: (Decimal("0.00"), 0, 0),
        6: (Decimal("19.99"), 1, 1),
    }


@pytest.mark.engine
def test_a_day_that_cost_nothing_is_a_purchase_day_but_not_a_paid_day(spark: SparkSession) -> None:
    days = {
        "ann": [(1, "0.00"), (2, "10.00"), (2, "0.00"), (3, "0.00"), (4, "20.01")],
        "bob": [(1, "0.00"), (2, "0.00")],
        "cat": [(1, "5.00")],
    }
    rows = [
        {
            "customer_id": who,
            "order_id": f"{who}{n}",
            "transaction_date": date(2024, 3, day),
            "amount": Decimal(amount),
        }
        for who, paid in days.items()
        for n, (day, amount) in enumerate(paid)
    ]
    bought = orders_of(frame_of(spark, contract_of("cleaned", "transactions").spark_schema, rows), D)
    known = frame_of(spark, contract_of("cleaned", "customers").spark_schema, landed("customers", CUSTOMERS))
    wanted = ("purchase_days", "paid_days", "paid_repeat_days", "mean_repeat_value")
    found = {
        row["customer_id"]: tuple(row[name] for name in wanted)
        for row in collected(purchases(**bought, customers=known, as_of=D))
    }
    # ann's paid days after the first day: (10 + 20.01) / 2
    assert found == {"ann": (4, 2, 2, Decimal("15.005")), "bob": (2, 0, 0, None), "cat": (1, 1, 0, None)}


def test_the_last_day_of_a_month_completes_it(spark: SparkSession) -> None:
    rows = [row for row in landed("transactions", TRANSACTIONS) if row["transaction_id"] == "g1"]
    bought = orders_of(frame_of(spark, contract_of("cleaned", "transactions").spark_schema, rows), D)
    known = frame_of(spark, contract_of("cleaned", "customers").spark_schema, landed("customers", CUSTOMERS))

    def cells(day: date) -> dict[int, Decimal | None]:
        grid = collected(
            cohort_retention(
                order_days=bought["order_days"],
                purchases=purchases(**bought, customers=known, as_of=day),
                as_of=day,
            )
        )
        return {row["month_number"]: row["retention_rate"] for row in grid}

    def complete(day: date) -> list[bool]:
        months = collected(kpi_monthly_revenue(order_days=bought["order_days"], as_of=day))
        return [row["is_complete"] for row in sorted(months, key=lambda row: row["month"])]

    assert cells(date(2024, 3, 30)) == {0: 1, 1: None}
    assert cells(date(2024, 3, 31)) == {0: 1, 1: 0}
    assert (complete(date(2024, 3, 30)), complete(date(2024, 3, 31))) == ([True, False], [True, True])


def test_a_tie_at_the_end_of_a_top_list_is_resolved_by_id(
    spark: SparkSession, rules: Rules, tables: Tables
) -> None:
    mart = frame_of(spark, contract_of("marts", "customer_360").spark_schema, tables["marts/customer_360"])
    top = collected(
        kpi_top_customers(customer_360=mart, as_of=D, rules=rules.model_copy(update={"top_n": 4}))
    )
    assert sorted((row["rank"], row["customer_id"]) for row in top) == [
        (1, "ann"),
        (2, "fay"),
        (3, "bob"),
        (4, "eve"),
    ]


def test_a_ticket_is_open_until_the_day_it_is_resolved(spark: SparkSession) -> None:
    tickets = [row for row in landed("support_tickets", SUPPORT_TICKETS) if row["ticket_id"] == "k3"]
    frame = frame_of(spark, contract_of("cleaned", "support_tickets").spark_schema, tickets)

    def seen(day: date) -> list[tuple[int, Decimal | None]]:
        return [
            (row["open_tickets"], row["avg_resolution_days"])
            for row in collected(support(support_tickets=frame, as_of=day))
        ]

    assert seen(date(2024, 6, 14)) == []
    assert seen(date(2024, 6, 15)) == [(1, None)]
    assert seen(date(2024, 6, 24)) == [(1, None)]
    assert seen(date(2024, 6, 25)) == [(0, 10)]


def test_without_events_tables_and_totals_are_empty(spark: SparkSession, rules: Rules) -> None:
    def empty(table: str) -> DataFrame:
        return frame_of(spark, contract_of("cleaned", table).spark_schema, [])

    customers = frame_of(
        spark, contract_of("cleaned", "customers").spark_schema, landed("customers", CUSTOMERS)
    )
    nothing = orders_of(empty("transactions"), D)
    bought = purchases(**nothing, customers=customers, as_of=D)
    assert collected(returns(returns=empty("returns"), transactions=empty("transactions"), as_of=D)) == []
    cuts = rfm_cut_points(purchases=bought, as_of=D)
    assert collected(cuts) == []
    assert collected(rfm(purchases=bought, rfm_cut_points=cuts, as_of=D, rules=rules)) == []
    assert collected(engagement(session_days=session_days(empty("web_activity")), as_of=D, rules=rules)) == []
    assert collected(kpi_activity(session_days=session_days(empty("web_activity")), as_of=D)) == []
    known = population(
        customers=customers,
        order_days=nothing["order_days"],
        returns=empty("returns"),
        support_tickets=empty("support_tickets"),
        session_days=session_days(empty("web_activity")),
        as_of=D,
    )
    totals = collected(
        kpi_totals(
            population=known,
            purchases=bought,
            **nothing,
            returns=empty("returns"),
            as_of=D,
        )
    )
    # All except ivy and jon, who signed up after D.
    assert [
        (row["total_customers"], row["buyers"], row["total_revenue"], row["avg_order_value"])
        for row in totals
    ] == [(8, None, None, None)]


def test_midnight_separates_the_days(spark: SparkSession, rules: Rules) -> None:
    """Both sessions are by ann: s2 is in the last second of D, and s4 is one second later."""
    rows = [row for row in landed("web_activity", WEB_ACTIVITY) if row["session_id"] in {"s2", "s4"}]
    frame = frame_of(spark, contract_of("cleaned", "web_activity").spark_schema, rows)
    assert [
        row["total_sessions"]
        for row in collected(engagement(session_days=session_days(frame), as_of=D, rules=rules))
    ] == [1]


# On 22 March, 90 days before D, there were five known buyers. Each cut-point is the value of one of them, so their
# scores are their ranks. Recency ann 7, bob 12, eve 8, fay 31, gus 30; frequency 5, 4, 3, 2, 1; monetary
# 2450, 800, 250.01, 1000.01, 300.02. So ann 5 5 5, bob 3 4 3, eve 4 3 1, fay 1 2 4, gus 2 1 2. hal was a
# customer; cat, dan and ivy became customers later.
MIGRATION = """
from_segment       | to_segment         | since      | customers | from_customers | share
About To Sleep     | About To Sleep     | 2024-03-22 | 1         | 1              | 1.000000
At Risk            | At Risk            | 2024-03-22 | 1         | 1              | 1.000000
Champions          | Champions          | 2024-03-22 | 1         | 1              | 1.000000
Loyal              | Loyal              | 2024-03-22 | 1         | 1              | 1.000000
No purchase        | No purchase        | 2024-03-22 | 1         | 1              | 1.000000
Not yet a customer | New                | 2024-03-22 | 1         | 3              | 0.333333
Not yet a customer | No purchase        | 2024-03-22 | 2         | 3              | 0.666667
Potential Loyalist | Potential Loyalist | 2024-03-22 | 1         | 1              | 1.000000
"""


@pytest.mark.engine
def test_segment_migration(tables: Tables) -> None:
    key = ["from_segment", "to_segment"]
    expected = by_key(rows_of(contract_of("marts", "segment_migration"), MIGRATION), key)
    actual = by_key(tables["marts/segment_migration"], key)
    assert {k: {**row, "as_of_date": D} for k, row in expected.items()} == actual
