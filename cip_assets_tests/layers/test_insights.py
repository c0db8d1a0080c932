"""The four answers: counts by hand, changes of a known size, and shops whose truth is known."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from math import log

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from cip_assets.analytics.insights.answers import SIDES, answers
from cip_assets.analytics.insights.questions import (
    COMPLAINTS,
    ENGAGEMENT,
    FALLING,
    FLAT,
    NO_DATA,
    REPEAT,
    RETURNS,
    RISING,
    UNKNOWN,
    answer_to_change,
)
from cip_assets.analytics.insights.rates import Counts, Floats, change_of, ratio_of, standardized
from cip_assets.config.rules import Rules
from cip_assets.layers.marts.insight_contributions import insight_contributions
from cip_assets.layers.marts.insight_months import insight_months
from cip_assets_tests.layers.chain import Sources, snapshot
from cip_assets_tests.layers.frames import Row, landed
from cip_assets_tests.simulation.__main__ import CHANGING, STEADY, Cell, false_alarm, told
from cip_assets_tests.simulation.counts import counts
from cip_assets_tests.simulation.shops import START, Events, Shop, play, step

GROUPS = 32
MONTHS = [date(2024 + number // 12, number % 12 + 1, 1) for number in range(24)]
NONE = "transaction_id | transaction_date"


def steady(
    rate: Callable[[int], float], *, strata: int = 2, exposure: float = 40_000.0, seed: int = 0
) -> Counts:
    """Poisson counts of customers whose rate depends on the number of the month."""
    at_risk = np.full((GROUPS, strata, len(MONTHS)), exposure / GROUPS)
    factor = np.array([rate(number) for number in range(len(MONTHS))])
    own = 0.02 * (1 + np.arange(strata))[None, :, None]
    events = np.random.default_rng(seed).poisson(at_risk * own * factor).astype(float)
    return Counts(events, at_risk, MONTHS)


def test_a_step_of_a_known_size_is_found_in_its_month() -> None:
    found = change_of(steady(lambda month: 1.0 if month < 15 else 1.5), 0.0125)
    assert found is not None
    assert found.since == MONTHS[15]
    assert found.effect == pytest.approx(log(1.5), abs=0.05)
    assert found.low < log(1.5) < found.high
    assert found.is_certain


def test_a_season_is_not_a_change() -> None:
    year = [1, 1.2, 3, 1.1, 0.9, 1, 1.3, 1.2, 1, 0.9, 4, 6]
    found = change_of(steady(lambda month: year[month % 12]), 0.0125)
    assert found is not None
    assert not found.is_certain
    assert found.largest < log(1.15)


def test_months_that_vary_by_themselves_widen_the_interval() -> None:
    weather = np.random.default_rng(1).lognormal(0, 0.2, len(MONTHS))
    calm, rough = (change_of(steady(rate), 0.0125) for rate in (lambda _: 1.0, lambda month: weather[month]))
    assert calm is not None
    assert rough is not None
    assert (calm.noise < 2, rough.noise > 10) == (True, True)
    assert rough.high - rough.low > 2 * (calm.high - calm.low)
    assert not rough.is_certain


def test_customers_who_buy_together_widen_the_interval() -> None:
    """Counted as independent events, one customer in each group would look like many."""
    alone = steady(lambda _: 1.0, seed=3)
    lively = np.random.default_rng(4).gamma(0.5, 2.0, (GROUPS, 1, 1))
    together = Counts(np.floor(alone.events * lively), alone.exposure, MONTHS)
    one, other = (change_of(each, 0.0125) for each in (alone, together))
    assert one is not None
    assert other is not None
    assert other.dispersion > 1.5 * one.dispersion or other.spread > one.spread


def test_the_common_ratio_by_mantel_and_haenszel_by_hand() -> None:
    # Stratum 1: 10 of 100 against 20 of 100; stratum 2: 30 of 60 against 30 of 40.
    events = np.zeros((GROUPS, 2, 2))
    exposure = np.zeros((GROUPS, 2, 2))
    events[0], exposure[0] = [[10, 20], [30, 30]], [[100, 100], [60, 40]]
    # Without the only group that has events, there is no ratio, and so there is no interval.
    assert ratio_of(Counts(events, exposure, []), 0.05) is None
    # (20 * 100 / 200 + 30 * 60 / 100) / (10 * 100 / 200 + 30 * 40 / 100) = 28 / 17
    spread = Counts(np.repeat(events[:1], GROUPS, 0), np.repeat(exposure[:1], GROUPS, 0), [])
    effect, low, high = ratio_of(spread, 0.05) or (0, 0, 0)
    assert effect == low == high == pytest.approx(log(28 / 17))
    # With 100 * 100 / 200 = 50 and 60 * 40 / 100 = 24 customers on both sides.
    alike, customers = standardized(events[0], exposure[0])
    assert (alike.tolist(), customers.tolist()) == ([[5, 10], [12, 18]], [50, 24])


def test_too_few_months_say_how_many_are_missing() -> None:
    few = steady(lambda _: 1.0)
    few = Counts(few.events[..., :9], few.exposure[..., :9], MONTHS[:9])
    answer, change = answer_to_change(RETURNS, few, 0.15, 0.95)
    assert change is None
    assert (answer.direction, answer.months_needed) == (UNKNOWN, 7)
    assert answer.text == (
        "Cannot tell yet whether returns changed: 16 full months after the first ones are needed to tell a change from "
        "the season, and there are 9 so far"
    )


def test_few_events_say_what_could_be_hidden_and_many_that_nothing_is() -> None:
    few, _ = answer_to_change(RETURNS, steady(lambda _: 1.0, exposure=300), 0.15, 0.95)
    assert few.direction == UNKNOWN
    assert "could be hidden in the usual variation" in few.text
    many, _ = answer_to_change(RETURNS, steady(lambda _: 1.0, exposure=400_000), 0.15, 0.95)
    assert (many.direction, many.text) == (FLAT, "Returns show no change of 15% or more")


def parts_of(question: str, dimension: str, **parts: Counts) -> pa.Table:
    """Rows of insight_counts: the parts, which add up to the whole."""
    rows: list[Row] = []

    def add(dimension: str, part: str, found: Counts, groups: bool) -> None:
        events, exposure = (
            (found.events, found.exposure)
            if groups
            else (found.events.sum(0, keepdims=True), found.exposure.sum(0, keepdims=True))
        )
        for (group, stratum, month), count in np.ndenumerate(events):
            rows.append(
                {
                    "question": question,
                    "dimension": dimension,
                    "part": part,
                    "stratum": str(stratum),
                    "month": MONTHS[month],
                    "customer_group": group,
                    "events": int(count),
                    "exposure": int(exposure[group, stratum, month]),
                }
            )

    every: list[Floats] = [
        sum(getattr(each, name) for each in parts.values()) for name in ("events", "exposure")
    ]
    add("all", "all", Counts(every[0], every[1], MONTHS), groups=True)
    for name, found in parts.items():
        add(dimension, name, found, groups=False)
    return pa.Table.from_pylist(rows)


def test_the_part_that_changed_more_than_the_whole_is_named(rules: Rules) -> None:
    table = parts_of(
        RETURNS.name,
        "category",
        books=steady(lambda _: 1.0, seed=1),
        toys=steady(lambda _: 1.0, seed=2),
        lamps=steady(lambda month: 1.0 if month < 14 else 3.0, seed=3),
    )
    found = answers(table, rules.insights.smallest_change, rules.insights.confidence)
    (returns,) = (each for each in found if each.question is RETURNS)
    assert returns.answer.direction == RISING
    assert returns.strongest.startswith("lamps (+")
    assert ";" not in returns.strongest
    changed = {each.part: each.is_certain for each in returns.contributions}
    assert changed == {"lamps": True, "books": False, "toys": False}
    assert returns.contributions[0].part == "lamps"
    others = [each for each in found if each.question is not RETURNS]
    assert {each.answer.direction for each in others} == {UNKNOWN}


@pytest.mark.engine
def test_what_certainly_changed_is_in_the_tables_of_every_engine(spark: SparkSession, rules: Rules) -> None:
    found = parts_of(
        RETURNS.name,
        "category",
        books=steady(lambda _: 1.0, seed=1),
        lamps=steady(lambda month: 1.0 if month < 14 else 3.0, seed=3),
    )
    counted = spark.createDataFrame(
        found.to_pylist(),
        "question string, dimension string, part string, stratum string, month date, customer_group int, "
        "events bigint, exposure bigint",
    )
    parts = insight_contributions(as_of=MONTHS[-1], rules=rules, insight_counts=counted).collect()
    assert {row["part"]: row["is_certain"] for row in parts} == {"lamps": True, "books": False}
    months = insight_months(as_of=MONTHS[-1], rules=rules, insight_counts=counted).collect()
    assert {row["month"] for row in months} == {*MONTHS}


def test_a_question_without_its_source_has_no_data(rules: Rules) -> None:
    table = parts_of(RETURNS.name, "category", books=steady(lambda _: 1.0))
    missing = {name: "orders" for name in (REPEAT.name, COMPLAINTS.name, ENGAGEMENT.name)}
    found = answers(table, rules.insights.smallest_change, rules.insights.confidence, missing)
    assert {each.question.name: each.answer.direction for each in found if each.question is not RETURNS} == {
        REPEAT.name: NO_DATA,
        COMPLAINTS.name: NO_DATA,
        ENGAGEMENT.name: NO_DATA,
    }


# --- the counts -----------------------------------------------------------------------------------------------

PURCHASES = """
transaction_id | customer_id | order_id | product_id | quantity | amount | payment_method | transaction_date
t1             | ann         | o1       | p          | 1        | 5.00   | Cash           | 2024-01-02
t2             | ann         | o2       | p          | 1        | 5.00   | Cash           | 2024-01-20
t3             | ann         | o3       | p          | 1        | 5.00   | Cash           | 2024-04-10
t4             | bob         | o4       | p          | 1        | 5.00   | Cash           | 2024-04-21
t5             | bob         | o5       | p          | 1        | 5.00   | Cash           | 2024-04-30
t6             | bob         | o6       | p          | 1        | 5.00   | Cash           | 2024-06-30
"""


def sources(**texts: str) -> Sources:
    empty = {
        "customers": "customer_id",
        "products": "product_id",
        "transactions": NONE,
        "returns": "return_id | return_date",
        "support_tickets": "ticket_id | opened_date",
        "web_activity": "session_id | timestamp",
    }
    return {name: landed(name, texts.get(name, text)) for name, text in empty.items()}


def test_an_answer_names_what_was_not_delivered_even_if_no_month_is_complete(
    spark: SparkSession, rules: Rules
) -> None:
    texts = {
        "support_tickets": "ticket_id | customer_id | opened_date\ns1 | ann | 2024-06-02",
        "web_activity": "session_id | customer_id | timestamp\nw1 | ann | 2024-06-03T10:00:00",
    }
    tables = snapshot(spark, sources(**texts), date(2024, 6, 5), rules, ["marts/insights"])
    assert {row["question"]: row["answer"] for row in tables["marts/insights"]} == {
        "repeat_purchases": "No data: no purchases of known customers were delivered",
        "returns": "No data: no returns were delivered",
        "complaints": "No data: no purchases of known customers were delivered",
        "engagement": "No data: no purchases of known customers were delivered",
    }


@pytest.mark.engine
def test_repeat_purchases_are_counted_by_what_customers_did_before(spark: SparkSession, rules: Rules) -> None:
    tables = snapshot(
        spark, sources(transactions=PURCHASES), date(2024, 6, 30), rules, ["marts/insight_counts"]
    )
    rows = [
        (str(row["month"])[:7], row["part"], row["stratum"], row["events"], row["exposure"])
        for row in tables["marts/insight_counts"]
        if row["question"] == REPEAT.name and row["dimension"] in ("all", "buyers")
    ]
    # January to March are only looked back to. In April ann bought on two days three months before; bob's first month
    # begins on the day after his first purchase.
    assert sorted(row for row in rows if row[1] == "all") == [
        ("2024-04", "all", "3 ago, 2 days", 1, 30),
        ("2024-04", "all", "first month", 1, 9),
        ("2024-05", "all", "1 ago, 1 days", 0, 31),
        ("2024-05", "all", "1 ago, 2 days", 0, 31),
        ("2024-06", "all", "2 ago, 1 days", 0, 30),
        ("2024-06", "all", "2 ago, 2 days", 1, 30),
    ]
    assert sorted(row[:2] for row in rows if row[1] != "all" and row[0] == "2024-05") == [
        ("2024-05", "established buyers"),
        ("2024-05", "new buyers"),
    ]


def test_a_month_of_returns_without_sales_has_no_rate(spark: SparkSession, rules: Rules) -> None:
    sold = "\n".join([*PURCHASES.strip().splitlines()[:2], PURCHASES.strip().splitlines()[-1]])
    returned = """return_id | customer_id | amount | return_reason | return_date
r1 | ann | 5.00 | Other | 2024-01-03
r2 | ann | 5.00 | Other | 2024-04-05
r3 | bob | 5.00 | Other | 2024-06-30"""
    tables = snapshot(
        spark,
        sources(transactions=sold, returns=returned),
        date(2024, 6, 30),
        rules,
        ["marts/insight_months"],
    )
    returns = [row for row in tables["marts/insight_months"] if row["question"] == RETURNS.name]
    assert {(str(row["month"])[:7], row["events"]) for row in returns} == {("2024-02", 0), ("2024-06", 1)}


# Churned buyers of April by the sessions from January to March: those who bought in March, 2 of 4 with none and 0 of 2
# with one; those who bought in January, 2 of 2 and 3 of 4. Nobody with a session bought in February.
CHURNED = {
    "March": {0: [True, True, False, False], 1: [False, False]},
    "January": {0: [True, True], 1: [True, True, True, False]},
    "February": {0: [True]},
}
BOUGHT_ON = {"January": "2024-01-02", "February": "2024-02-02", "March": "2024-03-02"}


@pytest.mark.engine
def test_churn_by_engagement_is_that_of_buyers_with_the_same_recency_and_frequency(
    spark: SparkSession, rules: Rules
) -> None:
    buyers = [
        (f"{month} {sessions} {number}", BOUGHT_ON[month], sessions, is_churned)
        for month, by_sessions in CHURNED.items()
        for sessions, churned in by_sessions.items()
        for number, is_churned in enumerate(churned)
    ]
    # The 90 days that begin with April end on 29 June.
    bought = [
        purchase
        for who, day, _, is_churned in buyers
        for purchase in ((who, day), (who, "2024-06-30" if is_churned else "2024-06-29"))
    ]
    # A session in April is not one before it.
    visited = [
        (who, day) for who, _, sessions, _ in buyers for day in ["2024-01-03"] * sessions + ["2024-04-30"]
    ]
    header = "transaction_id|customer_id|order_id|product_id|quantity|amount|payment_method|transaction_date"
    purchases = [f"t{n}|{who}|o{n}|p|1|5.00|Cash|{day}" for n, (who, day) in enumerate(bought)]
    sessions = [f"w{n}|{who}|Search|{day}T12:00:00" for n, (who, day) in enumerate(visited)]
    tables = snapshot(
        spark,
        sources(
            transactions="\n".join([header, *purchases]),
            web_activity="\n".join(["session_id|customer_id|activity_type|timestamp", *sessions]),
        ),
        date(2024, 6, 30),
        rules,
        ["marts/insight_months"],
    )
    names = ("month", "part", "events", "exposure", "rate", "weight")
    found = [
        tuple(row[name] for name in names)
        for row in tables["marts/insight_months"]
        if row["question"] == ENGAGEMENT.name
    ]
    # March and January have the weight 4 * 2 / 6 each. So the rates are (2/4 + 2/2) / 2 and (0/2 + 3/4) / 2, twice
    # as high with the fewest sessions, although 5 of 7 are only 1.4 times 3 of 6.
    april, weight = date(2024, 4, 1), Decimal("2.666667")
    assert sorted(found) == [
        (april, "fewest sessions", 5, 7, 75, weight),
        (april, "most sessions", 3, 6, Decimal("37.5"), weight),
    ]


def test_the_mean_churn_rates_of_all_months_have_the_ratio_of_the_answer(rules: Rules) -> None:
    table = counts(play(Shop(customers=500), 1), rules.churn.window_days)
    found = answers(table, rules.insights.smallest_change, rules.insights.confidence)
    (engagement,) = (each for each in found if each.question is ENGAGEMENT)
    sums = {side: 0.0 for side in SIDES}
    raw = {side: np.zeros(2) for side in SIDES}
    for month in engagement.months:
        sums[month.part] += month.rate * month.weight
        raw[month.part] += month.events, month.exposure
    most, fewest = (sums[side] for side in SIDES)
    assert engagement.answer.change == pytest.approx(fewest / most - 1)
    most, fewest = (raw[side][0] / raw[side][1] for side in SIDES)
    assert engagement.answer.change != pytest.approx(fewest / most - 1, rel=0.1)


def day_of(number: int) -> str:
    return str(START + number)


def as_sources(shop: Shop, seed: int) -> Sources:
    """The cleaned rows of a simulated shop."""
    history = play(shop, seed)

    def ids(events: Events) -> list[tuple[str, str, str]]:
        return [
            (f"{number}", f"C{customer:05}", day_of(int(day)))
            for number, (customer, day) in enumerate(zip(events.customer, events.day, strict=True))
        ]

    bought = "\n".join(f"T{n}|{c}|O{n}|p|1|5.00|Cash|{d}" for n, c, d in ids(history.purchases))
    returned = "\n".join(f"R{n}|{c}|5.00|Other|{d}" for n, c, d in ids(history.returns))
    opened = "\n".join(f"S{n}|{c}|General|Low|Open|{d}" for n, c, d in ids(history.tickets))
    visited = "\n".join(f"W{n}|{c}|Search|{d}T12:00:00" for n, c, d in ids(history.sessions))
    header = "transaction_id|customer_id|order_id|product_id|quantity|amount|payment_method|transaction_date"
    return sources(
        transactions=f"{header}\n{bought}",
        returns=f"return_id|customer_id|amount|return_reason|return_date\n{returned}",
        support_tickets=f"ticket_id|customer_id|ticket_category|priority|status|opened_date\n{opened}",
        web_activity=f"session_id|customer_id|activity_type|timestamp\n{visited}",
    )


@pytest.mark.engine
def test_the_simulation_counts_as_the_table_does(spark: SparkSession, rules: Rules) -> None:
    shop = Shop(customers=150, months=10)
    day = shop.last_day
    tables = snapshot(spark, as_sources(shop, 1), day, rules, ["marts/insight_counts"])

    def summed(rows: list[Row]) -> dict[tuple[object, ...], tuple[int, int]]:
        """Without the groups, which the simulation does not hash."""
        found: dict[tuple[object, ...], tuple[int, int]] = {}
        for row in rows:
            if row["dimension"] in ("all", "sessions"):
                key = (row["question"], row["part"], row["stratum"], row["month"])
                events, exposure = found.get(key, (0, 0))
                found[key] = (events + row["events"], exposure + row["exposure"])
        return {key: counted for key, counted in found.items() if any(counted)}

    simulated = counts(play(shop, 1), rules.churn.window_days).to_pylist()
    assert summed(tables["marts/insight_counts"]) == summed(simulated)
    assert {row["question"] for row in simulated} == {
        REPEAT.name,
        RETURNS.name,
        COMPLAINTS.name,
        ENGAGEMENT.name,
    }


# --- shops whose truth is known; make simulate has more of them ---------------------------------------------------


@pytest.mark.parametrize("cell", [STEADY[1], STEADY[6], STEADY[8]], ids=lambda cell: cell.name)
def test_shops_in_which_nothing_changes_are_rarely_told_a_change(cell: Cell) -> None:
    """At most 5% are promised; five of twenty would happen once in 400 such tests."""
    assert sum(false_alarm(cell, told(cell, seed)) for seed in range(20)) <= 4


def test_fewer_purchases_of_established_customers_are_told() -> None:
    cell = next(each for each in CHANGING if "70% less" in each.name and "5,000" in each.name)
    directions = [told(cell, seed) for seed in range(20)]
    assert [each["repeat_purchases"] for each in directions].count(FALLING) >= 19
    assert not any(false_alarm(cell, each) for each in directions)


def test_fewer_buyers_do_not_make_complaints_rise() -> None:
    """Tickets per customer stay the same while purchases fall by 70%."""
    cell = Cell("fewer buyers", Shop(engaged=0.0, purchases=step(16, 0.3)), {"repeat_purchases": FALLING})
    assert [told(cell, seed)["complaints"] for seed in range(20)].count(RISING) <= 1
