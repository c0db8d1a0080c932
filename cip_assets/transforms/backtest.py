"""How good the predictions were: those of a past day, against what came after it, beside simple baselines.

For the snapshot of D every model is fitted as of D - window and judged on (D - window, D]; none sees anything of
that window. What was said and what came is kept per customer in ``features/past_predictions``; the figures are
computed from counts of it, so they are the same on every engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from itertools import groupby
from math import log, sqrt

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import stamped, until
from cip_assets.calc.broadcast import for_each
from cip_assets.calc.exact import MONEY, RATIO, cents, ratio, total_money
from cip_assets.calc.ranking import nearest_rank
from cip_assets.config.rules import Rules
from cip_assets.contracts import contract_of
from cip_assets.transforms import features
from cip_assets.transforms.challenger import known, trained, with_challenger
from cip_assets.transforms.purchase_model import predicted, purchase_model

PURCHASE_MODEL, CHALLENGER = "purchase_model", "challenger"
RECENCY, CARRY_FORWARD, BASE_RATE = "recency", "carry_forward", "base_rate"
MODELS = (PURCHASE_MODEL, CHALLENGER)
SPEAKERS = (*MODELS, RECENCY, CARRY_FORWARD, BASE_RATE)
WITHHELD = "withheld"
"""Stands for the model whose predictions are not shown."""

PLACES = 10_000
"""Probabilities are counted to four places."""

CERTAIN = 0.999
"""Carry-forward is sure of itself; a log loss needs less."""

DECILES = 10
ENOUGH_TO_JUDGE = 200
"""Customers in the backtest; with fewer it says little."""

FIGURES = ("bought_share", "brier", "log_loss", "auc", "spearman", "calibration_error")

Counts = Sequence[tuple[float, int, int]]
"""Of customers with one probability: the probability, how many, and how many of them bought."""

Outcomes = Sequence[tuple[float, int, int]]
"""Of customers with one probability and one number of purchase days that came: both, and how many customers."""


@dataclass(frozen=True)
class Events:
    """The cleaned tables that predictions are made from and judged by."""

    transactions: DataFrame
    customers: DataFrame
    returns: DataFrame
    support_tickets: DataFrame
    web_activity: DataFrame


def past_predictions(events: Events, as_of: date, rules: Rules) -> DataFrame:
    """What each model said of the known buyers of D - window, and what came by D.

    No row where nobody had bought by then; no probability of the challenger where a window earlier too few had.
    """
    window = timedelta(days=rules.churn.window_days)
    day, before = as_of - window, as_of - 2 * window
    names = contract_of("features", "past_predictions").spark_schema.names
    buyers = _buyers(events, day, as_of, rules)
    earlier = _buyers(events, before, day, rules)
    classes = _by_recency(events, before, day)
    past = _came(events, before, day).withColumnsRenamed(
        {"came_days": "past_days", "came_spend": "past_spend"}
    )
    judged = with_challenger(buyers, trained(earlier), f"p_{CHALLENGER}").join(past, "customer_id", "left")
    base, of_class = _rates(classes)
    said = {
        PURCHASE_MODEL: F.col("p_active"),
        RECENCY: reduce(
            lambda other, pair: F.when(_recency_class() == pair[0], _probability(pair[1])).otherwise(other),
            sorted(of_class.items()),
            _probability(base),
        ),
        CARRY_FORWARD: F.when(F.col("past_days") > 0, _probability(CERTAIN)).otherwise(
            _probability(1 - CERTAIN)
        ),
        BASE_RATE: _probability(base),
    }
    for name, probability in said.items():
        judged = judged.withColumn(f"p_{name}", probability)
    whole = (
        judged.fillna(0, ["past_days", "came_days"])
        .withColumn("came_spend", F.coalesce("came_spend", F.lit(0)).cast(MONEY))
        .withColumn("past_spend", F.coalesce("past_spend", F.lit(0)).cast(MONEY))
        .withColumn("predicted_on", F.lit(day))
        .withColumn("window_days", F.lit(rules.churn.window_days))
    )
    return stamped(whole, as_of, names)


def churn_model(past_predictions: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """Who speaks of churn at D, by how they did on the window before: the model with the lower Brier score.

    A model is withheld that did worse than the base rate, or whose deciles are too far from what came; where there
    are too few customers to judge by, the purchase model speaks.
    """
    counts = _counts(past_predictions)
    brier = {name: _brier(found) for name, found in counts.items()}
    error = {name: _calibration_error(found) for name, found in counts.items()}
    people = sum(n for _, n, _ in counts.get(PURCHASE_MODEL, []))
    limit = rules.churn.max_calibration_error

    def fault(name: str) -> str | None:
        if people < ENOUGH_TO_JUDGE or name not in brier:
            return None
        if brier[name] > brier[BASE_RATE]:
            return f"{name} did worse than the base rate (Brier {brier[name]:.4f} against {brier[BASE_RATE]:.4f})"
        if error[name] > limit:
            return f"{name} is off by {error[name]:.3f} on average over its deciles (limit {limit})"
        return None

    faults = {name: why for name in MODELS if (why := fault(name))}
    able = [name for name in MODELS if name in brier and name not in faults]
    if people < ENOUGH_TO_JUDGE:
        speaks, why = (
            PURCHASE_MODEL,
            f"{people} customers are too few to judge by ({ENOUGH_TO_JUDGE} are needed)",
        )
    elif able:
        speaks = min(able, key=lambda name: brier[name])
        why = f"Brier {', '.join(f'{name} {brier[name]:.4f}' for name in able)}, base rate {brier[BASE_RATE]:.4f}"
    else:
        speaks, why = WITHHELD, "no model held"
    row = (speaks, PURCHASE_MODEL in faults, people, "; ".join([why, *faults.values()]))
    types = "churn_model string, is_purchase_model_withheld boolean, customers bigint, notes string"
    frame = past_predictions.sparkSession.createDataFrame([row], types)
    return stamped(frame, as_of, contract_of("features", "churn_model").spark_schema.names)


def model_backtest(past_predictions: DataFrame, as_of: date) -> DataFrame:
    """One row per model and baseline that said something; none where nobody had bought by the day looked back to."""
    names = contract_of("marts", "model_backtest").spark_schema.names
    outcomes = _outcomes(past_predictions)
    errors = {row["model"]: row for row in _errors(past_predictions).collect()} if outcomes else {}
    rows = [
        (
            name,
            errors[name]["predicted_on"],
            errors[name]["window_days"],
            sum(n for _, _, n in found),
            *_figures(found),
            errors[name]["mae_purchases"],
            errors[name]["top_decile_spend_share"],
        )
        for name, found in sorted(outcomes.items())
    ]
    types = ", ".join(
        [
            "model string, predicted_on date, window_days int, customers bigint",
            *(f"{name} double" for name in FIGURES),
            "mae_purchases decimal(18,6), top_decile_spend_share decimal(18,6)",
        ]
    )
    frame = past_predictions.sparkSession.createDataFrame(rows, types)
    return stamped(_to_six_places(frame, FIGURES), as_of, names)


def model_calibration(past_predictions: DataFrame, as_of: date) -> DataFrame:
    """The customers of each model in ten parts by probability: how many were said to buy, and how many did."""
    counts = _counts(past_predictions)
    rows = [(name, *part) for name in MODELS if name in counts for part in _deciles(counts[name])]
    types = "model string, decile int, customers bigint, predicted double, actual double"
    frame = past_predictions.sparkSession.createDataFrame(rows, types)
    names = contract_of("marts", "model_calibration").spark_schema.names
    return stamped(_to_six_places(frame, ["predicted", "actual"]), as_of, names)


# --- what was said, and what came ---------------------------------------------------------------------------


def _buyers(events: Events, day: date, until_day: date, rules: Rules) -> DataFrame:
    """The known buyers of a day with what was known of them, what the purchase model said, and what came.

    Grain: one row per buyer that customers knows.
    """
    bought = features.purchases(events.transactions, events.customers, day)
    model = purchase_model(bought, day, rules)
    buyers = known(
        purchases=bought,
        predictions=predicted(bought, model, day),
        engagement=features.sessions(events.web_activity, day, rules),
        support=features.support(events.support_tickets, day),
        returns=features.returns(events.returns, events.transactions, day),
    )
    return buyers.join(_came(events, day, until_day), "customer_id", "left").fillna({"came_days": 0})


def _came(events: Events, after: date, until_day: date) -> DataFrame:
    """Purchase days and spend of each customer after one day and by another."""
    return (
        until(events.transactions, "transaction_date", until_day)
        .where(F.col("transaction_date") > F.lit(after))
        .groupBy("customer_id", "transaction_date")
        .agg(total_money("amount").alias("amount"))
        .groupBy("customer_id")
        .agg(F.count("*").alias("came_days"), total_money("amount").alias("came_spend"))
    )


def _by_recency(events: Events, day: date, until_day: date) -> DataFrame:
    """The known buyers of a day and those of them that bought again by another, by how long they had been silent."""
    buyers = features.purchases(events.transactions, events.customers, day).where("NOT is_orphan")
    return (
        buyers.join(_came(events, day, until_day), "customer_id", "left")
        .groupBy(_recency_class().alias("class"))
        .agg(F.count("*").alias("n"), F.count("came_days").alias("k"))
    )


def _rates(classes: DataFrame) -> tuple[float, Mapping[int, float]]:
    """The share that bought again: of all, and by class of recency; a half where nobody had bought."""
    rows = classes.collect()
    people, returned = sum(row["n"] for row in rows), sum(row["k"] for row in rows)
    return (returned / people if people else 0.5), {row["class"]: row["k"] / row["n"] for row in rows}


def _recency_class() -> Column:
    """0, 1-2, 3-6, 7-14, ... days: classes that double."""
    return F.length(F.bin(F.col("recency_days") + 1))


def _probability(value: float) -> Column:
    return F.lit(f"{value:.6f}").cast(RATIO)


# --- counted ------------------------------------------------------------------------------------------------


def _long(past_predictions: DataFrame) -> DataFrame:
    """One row per model and customer of which it said something.

    ``p`` in ten-thousandths, the purchase days and the spend ``expected``, and what came.
    """
    worth = (F.col("expected_purchases_90") * F.col("expected_value")).cast(MONEY)
    challenger_worth = (F.col(f"p_{CHALLENGER}") * F.col("expected_value")).cast(MONEY)
    share = {name: F.col(f"p_{name}") for name in SPEAKERS}
    expected = {
        PURCHASE_MODEL: (F.col("expected_purchases_90"), worth),
        CHALLENGER: (F.lit(None), challenger_worth),
        RECENCY: (share[RECENCY], (-F.col("recency_days")).cast(MONEY)),
        CARRY_FORWARD: (F.col("past_days"), F.col("past_spend")),
        BASE_RATE: (share[BASE_RATE], F.lit(0).cast(MONEY)),
    }

    def by_model(values: Mapping[str, Column]) -> Column:
        return reduce(
            lambda other, pair: F.when(F.col("model") == pair[0], pair[1]).otherwise(other),
            values.items(),
            F.lit(None),
        )

    long = for_each(past_predictions, "model", SPEAKERS).select(
        "model",
        "predicted_on",
        "window_days",
        by_model({name: (p * PLACES).cast("int") for name, p in share.items()}).cast("int").alias("p"),
        by_model({name: days for name, (days, _) in expected.items()}).cast(RATIO).alias("expected"),
        by_model({name: spend for name, (_, spend) in expected.items()}).cast(MONEY).alias("expected_spend"),
        "came_days",
        "came_spend",
    )
    return long.where("p IS NOT NULL")


def _outcomes(past_predictions: DataFrame) -> Mapping[str, Outcomes]:
    rows = _long(past_predictions).groupBy("model", "p", "came_days").agg(F.count("*").alias("n")).collect()
    found: dict[str, list[tuple[float, int, int]]] = {}
    for row in sorted(rows, key=lambda row: (row["model"], row["p"], row["came_days"])):
        found.setdefault(row["model"], []).append((row["p"] / PLACES, row["came_days"], row["n"]))
    return found


def _counts(past_predictions: DataFrame) -> Mapping[str, Counts]:
    return {name: _of_probabilities(found) for name, found in _outcomes(past_predictions).items()}


def _of_probabilities(outcomes: Outcomes) -> Counts:
    """Outcomes, sorted by probability, as counts of who bought."""
    counts = []
    for p, found in groupby(outcomes, key=lambda outcome: outcome[0]):
        rows = list(found)
        counts.append((p, sum(n for _, _, n in rows), sum(n for _, days, n in rows if days)))
    return counts


def _errors(past_predictions: DataFrame) -> DataFrame:
    """For each model: how far the expected purchase days are off, and what the predicted best tenth spent."""
    long = _long(past_predictions)
    limits = nearest_rank(long, "expected_spend", [90], by=["model"]).select("model", "p90")
    off = F.abs(F.col("expected") - F.col("came_days")).cast("decimal(28,6)")
    best = F.coalesce(F.sum(F.when(F.col("expected_spend") > F.col("p90"), F.col("came_spend"))), F.lit(0))
    figures = (
        long.join(F.broadcast(limits), "model")
        .groupBy("model", "predicted_on", "window_days")
        .agg(
            F.sum(off).alias("off"),
            F.count("expected").alias("people"),
            total_money("came_spend").alias("spent"),
            best.alias("best"),
        )
    )
    return figures.select(
        "model",
        "predicted_on",
        "window_days",
        ratio("CAST(off * 1000000 AS DECIMAL(20, 0))", "1000000 * people").alias("mae_purchases"),
        ratio(cents("best"), cents("spent")).alias("top_decile_spend_share"),
    )


# --- figures ------------------------------------------------------------------------------------------------


def _figures(outcomes: Outcomes) -> tuple[float | None, ...]:
    """Those named in ``FIGURES``."""
    counts = _of_probabilities(outcomes)
    people, bought = sum(n for _, n, _ in counts), sum(k for _, _, k in counts)
    return (
        bought / people,
        _brier(counts),
        _log_loss(counts),
        _auc(counts),
        _spearman(outcomes),
        _calibration_error(counts),
    )


def _brier(counts: Counts) -> float:
    return sum(k * (1 - p) ** 2 + (n - k) * p**2 for p, n, k in counts) / sum(n for _, n, _ in counts)


def _log_loss(counts: Counts) -> float:
    def clipped(p: float) -> float:
        return min(max(p, 1 / PLACES), 1 - 1 / PLACES)

    total = sum(-k * log(clipped(p)) - (n - k) * log(1 - clipped(p)) for p, n, k in counts)
    return total / sum(n for _, n, _ in counts)


def _auc(counts: Counts) -> float | None:
    """P(a buyer of the window has a higher probability than another); a tie counts half."""
    buyers, others = sum(k for _, _, k in counts), sum(n - k for _, n, k in counts)
    if not buyers or not others:
        return None
    below, wins = 0, 0.0
    for _, n, k in sorted(counts):
        wins += k * (below + (n - k) / 2)
        below += n - k
    return wins / (buyers * others)


def _spearman(outcomes: Outcomes) -> float | None:
    """Rank correlation of the probability and the purchase days that came; equal values share their mean rank."""

    def ranks(place: int) -> Mapping[float, float]:
        """The mean rank of each value, counted from the middle of all."""
        sizes: dict[float, int] = {}
        for outcome in outcomes:
            sizes[outcome[place]] = sizes.get(outcome[place], 0) + outcome[2]
        found, below, people = {}, 0, sum(sizes.values())
        for value in sorted(sizes):
            found[value] = below + sizes[value] / 2 - people / 2
            below += sizes[value]
        return found

    of_p, of_days = ranks(0), ranks(1)
    both = sum(n * of_p[p] * of_days[days] for p, days, n in outcomes)
    spread = sum(n * of_p[p] ** 2 for p, _, n in outcomes) * sum(n * of_days[d] ** 2 for _, d, n in outcomes)
    return both / sqrt(spread) if spread else None


def _calibration_error(counts: Counts) -> float:
    """How far what was said of a decile is from what came, on average over the customers."""
    people = sum(n for _, n, _ in counts)
    return sum(size * abs(said - came) for _, size, said, came in _deciles(counts)) / people


def _deciles(counts: Counts) -> Iterable[tuple[int, int, float, float]]:
    """Customers in the order of their probability, in ten parts; equal probabilities stay together."""
    people = sum(n for _, n, _ in counts)
    parts: dict[int, list[tuple[float, int, int]]] = {}
    seen = 0
    for p, n, k in sorted(counts):
        place = min(int((seen + n / 2) * DECILES / people), DECILES - 1) + 1
        parts.setdefault(place, []).append((p, n, k))
        seen += n
    for decile, part in parts.items():
        size = sum(n for _, n, _ in part)
        yield decile, size, sum(p * n for p, n, _ in part) / size, sum(k for _, _, k in part) / size


def _to_six_places(frame: DataFrame, names: Iterable[str]) -> DataFrame:
    for name in names:
        frame = frame.withColumn(name, F.round(F.col(name), 6).cast(RATIO))
    return frame
