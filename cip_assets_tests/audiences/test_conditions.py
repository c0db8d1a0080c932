"""Conditions are compiled against the contracts, and what is wrong with one is a line that names it."""

import pytest

from cip_assets.audiences.conditions import compiled
from cip_assets.config.errors import PlatformError

PLACE = "audiences.yaml: audiences.loyal.where"


def test_columns_get_their_table() -> None:
    found = compiled("churn_band = 'High' AND list_at_risk.rank <= 20 OR email IS NULL", PLACE)
    assert found.columns == [
        ("customer_360", "churn_band"),
        ("customer_360", "email"),
        ("list_at_risk", "rank"),
    ]
    assert found.tables == ["customer_360", "list_at_risk"]
    assert '"customer_360"."churn_band" = \'High\'' in found.sql


@pytest.mark.parametrize(
    "text",
    [
        "recency_days BETWEEN 30 AND 60 AND NOT is_churn_risk",
        "lower(region) LIKE 'no%' OR region IS NULL OR region IN ('East', 'West')",
        "last_purchase_date >= as_of_date - INTERVAL 30 DAY AND coalesce(clv_12m, 0) * 2 > 100.50",
        "signup_date < CAST('2025-01-01' AS DATE) AND length(first_name) > 1 AND abs(net_revenue) > -1",
    ],
)
def test_what_a_condition_may_say(text: str) -> None:
    compiled(text, PLACE)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chrun_band = 'High'", "customer_360 has no column 'chrun_band'; did you mean 'churn_band'?"),
        ("list_at_risk.rnk < 3", "list_at_risk has no column 'rnk'; did you mean 'rank'?"),
        (
            "list_at_rsk.rank < 3",
            "'list_at_rsk' is not a table with one row per customer; did you mean 'list_at_risk'?",
        ),
        (
            "churn_band = 'Hihg'",
            "churn_band is never 'Hihg'; did you mean 'High'?; it is one of Low, Medium, High",
        ),
        ("churn_band IN ('Low', 'low')", "churn_band is never 'low'"),
        ("frequency > 'many'", "Could not convert string 'many' to INT64"),
        ("frequency + 1", "is not a condition that holds or does not"),
        ("frequency >", "cannot be read"),
        ("frequency > 1; DROP TABLE x", "cannot be part of a condition"),
        ("customer_id IN (SELECT 1)", "cannot be part of a condition"),
        ("(SELECT true)", "cannot be part of a condition"),
        ("current_date > signup_date", "'CURRENT_DATE' cannot be part of a condition"),
        ("getenv('HOME') = ''", "cannot be part of a condition"),
        ("sum(frequency) > 1", "cannot be part of a condition"),
    ],
)
def test_what_is_wrong_with_a_condition(text: str, problem: str) -> None:
    with pytest.raises(PlatformError) as refused:
        compiled(text, PLACE)
    assert problem in str(refused.value)
    assert str(refused.value).startswith(f"{PLACE}: ")
    assert "\n" not in str(refused.value)
