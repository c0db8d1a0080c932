"""The pages of `cip app` on the sample: every figure is right, and people can use the pages in a browser."""

import random

from benchmarks.rivals import PREDICTED
from cip_assets.app.lake import CUSTOMERS
from cip_assets.app.pages.team import SHOWN
from cip_assets.app.render import text_of
from cip_assets.config.rules import load_rules
from cip_assets.layers import CONTRACTS
from cip_assets.layers.marts.lists import LISTS, TEAMS
from cip_assets_tests.app.landed import Landed
from cip_assets_tests.app.pages import shown, site_of
from cip_assets_tests.integration.helpers import rows_of
from cip_assets_tests.sample import Sample

PERSON = {"first_name", "last_name", "email", "date_of_birth", "is_email_plausible"}
"""Columns that other tests look at, because the roles decide what they show."""


def test_the_figures_of_200_customers_are_those_of_the_landing_files(sample: Sample) -> None:
    assert sample.report.as_of is not None
    site = site_of(sample.settings)
    landed = Landed(sample.settings.landing, sample.report.as_of, load_rules())
    for customer in random.Random(28).sample(sorted(landed.customers), 200):
        page = shown(site, "/customer", id=customer, most=10_000)
        expected = landed.figures(customer, is_churn_risk=page.figures["is_churn_risk"] == "True")
        said = {name: page.figures[name] for name in expected}
        assert said == {name: "" if value is None else str(value) for name, value in expected.items()}
        assert sorted(page.places) == landed.places(customer)
        # What is left is the forecast's, which nothing but the model can compute.
        assert page.figures.keys() - expected.keys() == {*PREDICTED, *PERSON}
    assert page.figures.keys() == CONTRACTS[CUSTOMERS].columns.keys()


def test_every_list_has_the_rows_and_the_money_of_its_mart(sample: Sample) -> None:
    site = site_of(sample.settings)
    about = {row["list_name"]: row for row in rows_of(sample.settings, "marts/lists")}
    for team in TEAMS:
        page = shown(site, f"/{team}")
        own = [each for each in LISTS if each.team == team]
        assert page.lists == {
            each.table.name: tuple(
                "" if value is None else str(value)
                for value in (about[each.table.name]["row_count"], about[each.table.name]["money"])
            )
            for each in own
        }
        for each in own:
            name = each.table.contract.name
            rows = sorted(rows_of(sample.settings, name), key=lambda row: row["rank"])[:SHOWN]
            columns = ["rank", *(c for c in each.table.contract.columns if c not in {"rank", "as_of_date"})]
            expected = [[text_of(name, column, row[column]) for column in columns] for row in rows]
            assert page.tables.get(name, [[]])[1:] == expected
    assert any(row["row_count"] for row in about.values())
