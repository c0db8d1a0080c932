"""The generated behavior: volumes, the purchase model, and the trends of the two scenarios."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from cip_assets.synthetic import GeneratorConfig, tables
from cip_assets.synthetic.catalog import RISING_CATEGORY
from cip_assets.synthetic.config import delivery_days, month_of_day
from cip_assets.synthetic.population import arrivals, make_population

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cip_assets_tests.synthetic.conftest import Landing


def column(landing: Landing, table: str, *names: str) -> list[tuple[str, ...]]:
    """The named columns of the clean rows."""
    positions = [tables.COLUMNS[table].index(name) for name in names]
    return [tuple(fields[position] for position in positions) for fields in landing.clean(table)]


def months_before_end(count: int) -> list[str]:
    """The last full months before the end of the data, oldest first."""
    months = np.datetime64("2025-11") - np.arange(count, 0, -1)
    return [str(month) for month in months]


def repeat_rates(landing: Landing, months: list[str]) -> list[float]:
    """For each month, the share of earlier buyers who buy in it."""
    bought = {(c, d[:7]) for c, d in column(landing, "transactions", "customer_id", "transaction_date")}
    rates = []
    for month in months:
        earlier = {c for c, m in bought if m < month}
        rates.append(len({c for c, m in bought if m == month} & earlier) / len(earlier))
    return rates


def return_ratio(landing: Landing, months: list[str], *, rising: bool) -> float:
    """The returned share of the lines bought in these months, for Electronics or for all other categories."""
    category = {product: name for product, name in column(landing, "products", "product_id", "category")}
    lines = [
        line
        for line, product, day in column(
            landing, "transactions", "transaction_id", "product_id", "transaction_date"
        )
        if day[:7] in months and (category[product] == RISING_CATEGORY) is rising
    ]
    returned = {line for (line,) in column(landing, "returns", "transaction_id")}
    return sum(line in returned for line in lines) / len(lines)


def complaints(landing: Landing, months: list[str]) -> float:
    """Tickets per month and signed-up customer."""
    opened = Counter(day[:7] for (day,) in column(landing, "support_tickets", "opened_date"))
    signups = [day[:7] for (day,) in column(landing, "customers", "signup_date")]
    return sum(opened[month] / sum(s <= month for s in signups) for month in months) / len(months)


def churn_by_engagement(landing: Landing) -> tuple[float, float]:
    """The share of customers without a purchase in the last 90 days: of those without a session in the 60 days before
    that, and of the others.

    Only customers who bought in the 120 days before count.
    """
    cut = landing.truth.config.end - timedelta(days=90)
    recent, after, active = str(cut - timedelta(days=120)), str(cut), str(cut - timedelta(days=60))
    bought = column(landing, "transactions", "customer_id", "transaction_date")
    customers = {c for c, day in bought if recent < day <= after}
    stayed = {c for c, day in bought if day > after}
    seen = {
        c
        for c, day in column(landing, "web_activity", "customer_id", "timestamp")
        if active < day[:10] <= after
    }
    quiet, lively = customers - seen, customers & seen
    return len(quiet - stayed) / len(quiet), len(lively - stayed) / len(lively)


def test_volumes_of_the_default_run(story: Landing) -> None:
    rows = story.truth.rows
    assert rows["customers"].clean == 10_000
    assert rows["products"].clean == 500
    assert rows["transactions"].clean == pytest.approx(50_000, rel=0.05)
    assert rows["web_activity"].clean == pytest.approx(30_000, rel=0.05)
    assert rows["support_tickets"].clean == pytest.approx(10_000, rel=0.10)
    assert 0.08 <= rows["returns"].clean / rows["transactions"].clean <= 0.10


def test_the_mean_value_of_a_purchase_day_follows_the_gamma_gamma_model(steady: Landing) -> None:
    days: defaultdict[tuple[str, str], float] = defaultdict(float)
    for customer, day, amount in column(steady, "transactions", "customer_id", "transaction_date", "amount"):
        days[customer, day] += float(amount)
    # The mean of the model is p * gamma / (q - 1) = 6 * 60 / 3.
    assert np.mean(list(days.values())) == pytest.approx(120, rel=0.06)


def bgnbd_negative_log_likelihood(
    logs: NDArray[np.float64], x: NDArray[np.float64], t_x: NDArray[np.float64], age: NDArray[np.float64]
) -> float:
    """Mean negative log-likelihood of BG/NBD (Fader, Hardie, Lee 2005, equation 6)."""
    r, alpha, a, b = np.exp(logs)
    common = betaln(a, b + x) - betaln(a, b) + gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    alive = -(r + x) * np.log(alpha + age)
    with np.errstate(divide="ignore"):
        dropped = np.where(x > 0, np.log(a / (b + np.maximum(x, 1) - 1)), -np.inf) - (r + x) * np.log(
            alpha + t_x
        )
    return -float(np.mean(common + np.logaddexp(alive, dropped)))


def test_the_parameters_of_the_purchase_model_are_recovered_from_the_steady_scenario() -> None:
    config = GeneratorConfig(end=date(2025, 11, 21), scenario="steady")
    people = make_population(config, 40_000, 1, np.random.default_rng(7))
    days = np.unique(np.stack([people.buyer, np.floor(people.bought).astype(np.int64)]), axis=1)
    buyer, first, count = np.unique(days[0], return_index=True, return_counts=True)
    assert len(buyer) > 30_000
    first_day, last_day = days[1][first], days[1][first + count - 1]
    data = ((count - 1).astype(float), (last_day - first_day).astype(float), (config.days - 1.0 - first_day))
    fit = minimize(bgnbd_negative_log_likelihood, np.log([1.0, 30.0, 1.0, 5.0]), args=data, method="L-BFGS-B")
    r, alpha, a, b = np.exp(fit.x)
    assert r == pytest.approx(config.bgnbd_r, rel=0.1)
    assert alpha == pytest.approx(config.bgnbd_alpha, rel=0.15)
    assert a / (a + b) == pytest.approx(config.bgnbd_a / (config.bgnbd_a + config.bgnbd_b), rel=0.1)


def test_no_customer_drops_out_before_the_first_repeat_purchase() -> None:
    config = GeneratorConfig(end=date(2025, 11, 21), bgnbd_a=1000.0, bgnbd_b=0.001)
    people = make_population(config, 2_000, 1, np.random.default_rng(7))
    purchases = np.bincount(people.buyer, minlength=2_000)
    assert set(purchases) == {0, 1, 2}
    assert (np.isfinite(people.dropout) == (purchases == 2)).all()


def test_arrivals_follow_the_intensity() -> None:
    daily = np.repeat([1.0, 3.0], 50)
    cumulative = np.concatenate([[0.0], np.cumsum(daily)])
    size = 2_000
    owner, time = arrivals(
        np.random.default_rng(7), np.full(size, 0.1), np.zeros(size), np.full(size, 100.0), cumulative
    )
    assert len(time) == pytest.approx(size * 0.1 * 200, rel=0.03)
    assert np.mean(time >= 50) == pytest.approx(0.75, abs=0.01)
    order = np.lexsort((time, owner))
    assert (order == np.arange(len(owner))).all()


def test_story_repeat_purchases_decline(story: Landing) -> None:
    rates = repeat_rates(story, months_before_end(12))
    assert np.mean(rates[-3:]) < 0.6 * np.mean(rates[:3])


def test_story_returns_of_one_category_rise(story: Landing) -> None:
    early, late = months_before_end(16)[:7], months_before_end(4)[:3]
    assert return_ratio(story, late, rising=True) > 1.6 * return_ratio(story, early, rising=True)
    assert return_ratio(story, late, rising=False) < 1.25 * return_ratio(story, early, rising=False)


def test_story_complaints_rise(story: Landing) -> None:
    assert complaints(story, months_before_end(3)) > 1.3 * complaints(story, months_before_end(12)[:3])


def test_story_low_engagement_predicts_churn(story: Landing) -> None:
    quiet, lively = churn_by_engagement(story)
    assert quiet > lively + 0.15


def test_steady_has_no_trend(steady: Landing) -> None:
    early, late = months_before_end(16)[:7], months_before_end(4)[:3]
    assert return_ratio(steady, late, rising=True) == pytest.approx(
        return_ratio(steady, early, rising=True), rel=0.35
    )
    assert complaints(steady, months_before_end(3)) == pytest.approx(
        complaints(steady, months_before_end(12)[:3]), rel=0.15
    )
    quiet, lively = churn_by_engagement(steady)
    assert quiet == pytest.approx(lively, abs=0.07)
    # Drop-out reduces every cohort, at a rate that does not depend on when the cohort began.
    rates = repeat_rates(steady, months_before_end(12))
    assert np.mean(rates[-3:]) > 0.75 * np.mean(rates[:3])
    assert steady.truth.story == {}


def test_the_data_begins_24_full_months_before_the_current_one_but_not_before_2023() -> None:
    assert GeneratorConfig(end=date(2025, 11, 21)).start == date(2023, 11, 1)
    assert GeneratorConfig(end=date(2026, 1, 31)).start == date(2024, 1, 1)
    assert GeneratorConfig(end=date(2024, 6, 30)).start == date(2023, 1, 1)
    config = GeneratorConfig(end=date(2024, 3, 10), months=2)
    assert delivery_days(config) == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 10)]
    assert Counter(month_of_day(config).tolist()) == {0: 31, 1: 29, 2: 10}


@pytest.mark.parametrize(
    ("name", "value"),
    [("customers", 0), ("defects", 0.5), ("defects", float("nan")), ("end", date(2022, 12, 31)), ("seed", -1),
     ("scenario", "drama"), ("bgnbd_alpha", 0.0)],
)  # fmt: skip
def test_impossible_parameters_are_refused_by_name(name: str, value: object) -> None:
    parameters: dict[str, object] = {"end": date(2025, 1, 1)} | {name: value}
    with pytest.raises(ValueError, match=name):
        GeneratorConfig(**parameters)  # type: ignore[arg-type]


def test_a_customer_buys_at_most_once_a_day_as_the_purchase_model_counts() -> None:
    config = GeneratorConfig(end=date(2025, 11, 21), bgnbd_r=50.0, bgnbd_alpha=20.0)
    people = make_population(config, 500, 1, np.random.default_rng(7))
    day = np.floor(people.bought).astype(int)
    same = people.buyer[1:] == people.buyer[:-1]
    assert (day[1:][same] > day[:-1][same]).all()
    assert same.sum() > 1_000
    assert 0 <= day.min() <= day.max() < config.days
