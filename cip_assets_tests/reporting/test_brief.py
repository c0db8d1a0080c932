"""The brief says what the tables say, and can be mailed as it is."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from getpass import getuser
from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import AS_OF
from cip_assets.reporting.brief import Brief, brief, text_of
from cip_assets.reporting.brief.behind import WEEK, Part, parts, strongest
from cip_assets.reporting.brief.done import done
from cip_assets.storage import delta, questions
from cip_assets_tests.conftest import Cip
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


def test_the_parts_of_a_change_add_up_to_it(sample: Sample, found: Brief) -> None:
    with questions.connection() as connection:
        apart = [*parts(sample.settings, connection, DAY)]
    changes = {what: this - before for what, this, before in found.week}
    ways = {(part.what, part.by) for part in apart}
    assert {what for what, _ in ways} == {"revenue", "returns", "tickets"}
    for what, by in ways:
        changed = [part.change for part in apart if (part.what, part.by) == (what, by)]
        assert sum(changed) == changes[what]


def test_new_buyers_are_those_whose_first_order_is_of_the_week(sample: Sample) -> None:
    rows = [row for row in rows_of(sample.settings, "cleaned/transactions") if row["transaction_date"] <= DAY]
    first: dict[object, date] = {}
    for row in rows:
        first[row["customer_id"]] = min(row["transaction_date"], first.get(row["customer_id"], DAY))

    def spent_by_new_ones(last: date) -> Decimal:
        days = [last - timedelta(days=days) for days in range(7)]
        new = [row for row in rows if first[row["customer_id"]] in days and row["transaction_date"] in days]
        return sum((row["amount"] for row in new), Decimal())

    with questions.connection() as connection:
        apart = {part.group: part.change for part in parts(sample.settings, connection, DAY)}
    assert apart["new"] == spent_by_new_ones(DAY) - spent_by_new_ones(DAY - WEEK)


def test_the_part_that_did_most_for_a_change_is_named() -> None:
    apart = [
        Part("returns", "region", "North", 5),
        Part("returns", "region", "South", -9),
        Part("returns", "category", "Toys", -6),
        Part("returns", "category", "Books", 2),
        Part("revenue", "region", "North", None),
        Part("revenue", "region", "South", Decimal(3)),
        Part("tickets", "region", "North", 3),
        Part("tickets", "region", "South", -3),
    ]
    assert strongest(apart) == {"returns": [apart[1], apart[2]]}


def test_who_did_what_is_said(healthy: Path, cip_on: Callable[[Path], Cip], engine: str) -> None:
    settings = Settings(healthy, engine)
    day = delta.newest_slice(settings.table_uri("marts", "insights"), AS_OF)
    assert day is not None

    def told(before: timedelta = WEEK) -> dict[str, str]:
        return {act.by: act.what for act in done(settings, day, before)}

    run = f"cip ({getuser()})"
    assert [*told()] == [run]
    assert told()[run].startswith("ingested customers, products, transactions 2024-01")
    assert told()[run].endswith(f"computed {day}")
    assert cip_on(healthy)("restore", "marts/insights", "--version", "0", "--force")[0] == 0
    assert told()[run].endswith("restored marts/insights to version 0")
    products = settings.table_uri("cleaned", "products")
    rows = DeltaTable(products).to_pyarrow_table()
    for entries in ({"by": "sensor landing", "asset": "cleaned/products", "code_version": "new"}, {}):
        message = CommitProperties(custom_metadata={"userMetadata": json.dumps(entries)})
        write_deltalake(products, rows, mode="overwrite", commit_properties=message)
    assert told()["sensor landing"] == "new code or rules of cleaned/products; ingested products"
    assert told()["unknown"] == "written past the platform: cleaned/products"
    assert not told(before=-timedelta(days=1))
