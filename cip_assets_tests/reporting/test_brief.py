"""The brief says what the tables say, and can be mailed as it is."""

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from cip_assets.reporting.brief import Brief, brief, text_of
from cip_assets_tests.integration.helpers import rows_of
from cip_assets_tests.sample import Sample

DAY = date(2025, 6, 20)


@pytest.fixture(scope="module")
def found(sample: Sample) -> Brief:
    return brief(sample.settings, DAY)


def test_the_week_is_counted_as_the_rows_say(sample: Sample, found: Brief) -> None:
    def between(table: str, dated: str, last: date) -> list[dict[str, object]]:
        rows = rows_of(sample.settings, f"cleaned/{table}")
        return [row for row in rows if last - timedelta(days=7) < row[dated] <= last]

    expected = []
    for last in (DAY, DAY - timedelta(days=7)):
        lines = between("transactions", "transaction_date", last)
        returns = between("returns", "return_date", last)
        expected.append(
            {
                "orders": len({row["order_id"] for row in lines}),
                "revenue": sum(Decimal(str(row["amount"])) for row in lines),
                "returns": len(returns),
                "refunds": sum(Decimal(str(row["amount"])) for row in returns),
                "tickets": len(between("support_tickets", "opened_date", last)),
            }
        )
    assert {what: (this, before) for what, this, before in found.week} == {
        what: tuple(week[what] for week in expected) for what in expected[0]
    }


def test_both_texts_have_the_answers_the_lists_and_what_is_not_known(sample: Sample, found: Brief) -> None:
    lists = rows_of(sample.settings, "marts/lists")
    answers = rows_of(sample.settings, "marts/insights")
    for name in ("brief.html", "brief.md"):
        text = re.sub(r"&#39;", "'", text_of(found, name))
        assert all(row["title"] in text and row["rule"] in text for row in lists)
        assert all(f"{row['money']:,.2f}" in text for row in lists if row["money"] is not None)
        assert all(row["answer"] in text for row in answers)
        assert "Returns: cannot tell yet; about 9 more months would tell" in text


def test_the_page_survives_a_mail_program(found: Brief) -> None:
    odd = {**found.lists[0], "title": "<script>alert(1)</script> | a"}
    page = text_of(replace(found, lists=[odd]), "brief.html")
    assert "&lt;script&gt;" in page
    assert re.findall(r"<(?:script|style|link|img|a|iframe)\b|\bon\w+=|url\(|class=", page) == []
    assert re.findall(r"https?://", page) == []
    assert not re.search(r"\bC\d{7}\b", page)


def test_what_nobody_knows_is_said(found: Brief) -> None:
    unknown = {**found.lists[0], "row_count": None, "money": None}
    assert "| unknown | unknown value at risk |" in text_of(replace(found, lists=[unknown]), "brief.md")
    assert "Nothing that the page asks." in text_of(replace(found, unknown=[]), "brief.html")
