"""The pages of `cip app` on the sample: every figure is right, and people can use the pages in a browser."""

import random

from benchmarks.rivals import PREDICTED
from cip_assets.app.lake import CUSTOMERS
from cip_assets.config.rules import load_rules
from cip_assets.layers import CONTRACTS
from cip_assets_tests.app.landed import Landed
from cip_assets_tests.app.pages import shown, site_of
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
