"""The generated behavior: volumes, the purchase model, and the trends of the two scenarios."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from cip_assets.synthetic import GeneratorConfig, Truth, tables
from cip_assets.synthetic.catalog import RISING_CATEGORY, make_catalog
from cip_assets.synthetic.config import delivery_days, month_of_day
from cip_assets.synthetic.events import make_transactions
from cip_assets.synthetic.population import MONTH_SHAPE, Population, arrivals, make_population

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
     ("scenario", "drama"), ("bgnbd_alpha", 0.0), ("spend", "other"), ("rates", "other"), ("season", 1.1),
     ("established_decline", -0.1), ("lognormal_within", -1.0)],
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


# --- what speaks against the purchase model -----------------------------------------------------------------

END = date(2025, 11, 21)


def repeat_ratio(
    config: GeneratorConfig, people: Population, first_day: int, last_day: int, customers: NDArray[np.bool_]
) -> float:
    """The repeat purchases of some customers in a part of the history, relative to their own rates while they buy."""
    first = np.full(len(people.number), float(config.days))
    np.minimum.at(first, people.buyer, people.bought)
    at_risk = np.minimum(people.dropout, last_day) - np.maximum(first, first_day)
    expected = float((people.rate * np.maximum(at_risk, 0))[customers].sum())
    is_repeat = people.bought > first[people.buyer]
    inside = (people.bought >= first_day) & (people.bought < last_day)
    return float((is_repeat & inside & customers[people.buyer]).sum()) / expected


def steady_population(size: int = 30_000, **options: object) -> tuple[GeneratorConfig, Population]:
    config = GeneratorConfig(end=END, scenario="steady", **options)  # type: ignore[arg-type]
    return config, make_population(config, size, 1, np.random.default_rng(7))


def test_lognormal_spend_has_the_given_spreads_and_the_same_mean() -> None:
    config, people = steady_population(
        10_000, spend="lognormal", lognormal_between=0.9, lognormal_within=0.5, second_line=0.0
    )
    rng = np.random.default_rng(8)
    lines = make_transactions(config, people, make_catalog(config.products, np.random.default_rng(9)), 1, rng)
    logs = np.log(lines.amount / 100)
    count = np.bincount(lines.customer)
    mean = np.bincount(lines.customer, logs) / np.maximum(count, 1)
    # Analysis of variance: of the values around their customer's mean, and of the means, whose error is taken off.
    within = ((logs - mean[lines.customer]) ** 2).sum() / (len(logs) - (count > 0).sum())
    between = mean[count > 0].var() - within * (1 / count[count > 0]).mean()
    assert np.sqrt(within) == pytest.approx(0.5, rel=0.03)
    assert np.sqrt(between) == pytest.approx(0.9, rel=0.04)
    # The mean of all customers' means is p * gamma / (q - 1) = 120.
    customers = np.bincount(lines.customer, lines.amount / 100) / np.maximum(count, 1)
    assert customers[count > 0].mean() == pytest.approx(config.mean_value, rel=0.04)


@pytest.mark.parametrize("rates", ["gamma", "lognormal", "two_point"])
def test_purchase_rates_of_any_kind_have_the_same_mean_and_variance(rates: str) -> None:
    config, people = steady_population(100_000, rates=rates, never_buy=0.0, signup_growth=0.0)
    rate = people.rate[people.rate > 0]
    assert rate.mean() == pytest.approx(config.bgnbd_r / config.bgnbd_alpha, rel=0.03)
    assert rate.var() / rate.mean() ** 2 == pytest.approx(1 / config.bgnbd_r, rel=0.1)
    logs = np.log(rate)
    skewness = float((((logs - logs.mean()) / logs.std()) ** 3).mean())
    if rates == "two_point":
        values, counts = np.unique(rate, return_counts=True)
        assert len(values) == 2
        assert counts[1] / counts.sum() == pytest.approx(config.frequent_share, rel=0.05)
    elif rates == "lognormal":
        assert skewness == pytest.approx(0, abs=0.05)
        assert logs.var() == pytest.approx(np.log1p(1 / config.bgnbd_r), rel=0.03)
    else:
        assert skewness < -1


def test_two_kinds_of_customers_need_a_share_that_leaves_purchases_to_the_others() -> None:
    with pytest.raises(ValueError, match="frequent_share"):
        GeneratorConfig(end=END, rates="two_point", frequent_share=0.45, bgnbd_r=0.5)


def test_the_season_is_in_the_months_of_the_steady_scenario() -> None:
    config, people = steady_population(season=0.6)
    everyone = np.ones(len(people.number), np.bool_)
    edges = [config.day(date(2024, month, 1)) for month in range(1, 13)] + [config.day(date(2025, 1, 1))]
    ratios = np.array([repeat_ratio(config, people, *days, everyone) for days in pairwise(edges)])
    assert ratios / ratios.mean() == pytest.approx(1 + 0.6 * MONTH_SHAPE, rel=0.06)


@pytest.mark.parametrize("scenario", ["steady", "story"])
def test_established_customers_lose_a_share_of_their_purchases_at_once(scenario: str) -> None:
    def after(decline: float) -> tuple[float, float, float]:
        """Relative to their rates: established customers before and after the decline, and new ones."""
        config = GeneratorConfig(end=END, scenario=scenario, established_decline=decline)  # type: ignore[arg-type]
        people = make_population(config, 30_000, 1, np.random.default_rng(7))
        begins, days = config.day(config.trend_start), config.days
        established = np.zeros(len(people.number), np.bool_)
        established[people.buyer[people.bought < begins]] = True
        return (
            repeat_ratio(config, people, 0, begins, established),
            repeat_ratio(config, people, begins, days, established),
            repeat_ratio(config, people, begins, days, ~established),
        )

    before, without, new = after(0.0)
    same, declined, others = after(0.7)
    assert same == pytest.approx(before, rel=0.03)
    assert declined / without == pytest.approx(0.3, rel=0.06)
    assert others == pytest.approx(new, rel=0.05)


def test_what_established_customers_lose_is_in_the_ground_truth() -> None:
    config = GeneratorConfig(end=END, scenario="steady", established_decline=0.7)
    assert Truth(config).story == {
        "established_customers_decline": {"from": "2025-02-21", "rate_lost": 0.7},
    }


def test_the_defaults_break_no_assumption_of_the_purchase_model() -> None:
    config, people = steady_population()
    plain = make_population(config, 30_000, 1, np.random.default_rng(7))
    options = GeneratorConfig(
        end=END, scenario="steady", spend="gamma_gamma", rates="gamma", season=0.0, established_decline=0.0
    )
    assert options == config
    assert (plain.bought == people.bought).all()
    everyone = np.ones(len(people.number), np.bool_)
    thirds = [round(config.days * part / 3) for part in range(4)]
    ratios = [repeat_ratio(config, people, *days, everyone) for days in pairwise(thirds)]
    assert ratios == pytest.approx([1, 1, 1], rel=0.03)
