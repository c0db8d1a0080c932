"""The accuracy of predictions, from the predicted probabilities and the actual purchases.

Everything is computed from counts of customers, so it is the same on every engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import groupby
from math import log, sqrt

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.calc.broadcast import for_each
from cip_assets.calc.exact import MONEY, RATIO, cents, ratio, total_money
from cip_assets.calc.ranking import nearest_rank

PURCHASE_MODEL, CHALLENGER = "purchase_model", "challenger"
RECENCY, CARRY_FORWARD, BASE_RATE = "recency", "carry_forward", "base_rate"
MODELS = (PURCHASE_MODEL, CHALLENGER)
MODELS_AND_BASELINES = (*MODELS, RECENCY, CARRY_FORWARD, BASE_RATE)
PLACES = 10_000
"""Probabilities are used to four places."""

ONE_SIDED_95 = 1.645
"""What a standard normal value exceeds with a probability of 5%."""

DECILES = 10
FIGURES = ("bought_share", "brier", "log_loss", "auc", "spearman", "calibration_error")

Counts = Sequence[tuple[float, int, int]]
"""For each probability: the probability, the number of customers, and how many of them bought."""

Outcomes = Sequence[tuple[float, int, int]]
"""For each probability and number of actual purchase days: both, and the number of customers."""


# --- counted ------------------------------------------------------------------------------------------------


def _long(past_predictions: DataFrame) -> DataFrame:
    """One row per model or baseline and customer with a prediction.

    It has ``p`` in ten-thousandths, the expected purchase days and spend, and the actual ones.
    """
    worth = (F.col("expected_purchases_90") * F.col("expected_value")).cast(MONEY)
    challenger_worth = (F.col(f"p_{CHALLENGER}") * F.col("expected_value")).cast(MONEY)
    share = {name: F.col(f"p_{name}") for name in MODELS_AND_BASELINES}
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

    long = for_each(past_predictions, "model", MODELS_AND_BASELINES).select(
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


def outcomes_of(past_predictions: DataFrame) -> Mapping[str, Outcomes]:
    rows = _long(past_predictions).groupBy("model", "p", "came_days").agg(F.count("*").alias("n")).collect()
    found: dict[str, list[tuple[float, int, int]]] = {}
    for row in sorted(rows, key=lambda row: (row["model"], row["p"], row["came_days"])):
        found.setdefault(row["model"], []).append((row["p"] / PLACES, row["came_days"], row["n"]))
    return found


def counts_of(past_predictions: DataFrame) -> Mapping[str, Counts]:
    return {name: _of_probabilities(found) for name, found in outcomes_of(past_predictions).items()}


def _of_probabilities(outcomes: Outcomes) -> Counts:
    """Counts from outcomes that are sorted by probability."""
    counts = []
    for p, found in groupby(outcomes, key=lambda outcome: outcome[0]):
        rows = list(found)
        counts.append((p, sum(n for _, _, n in rows), sum(n for _, days, n in rows if days)))
    return counts


def errors(past_predictions: DataFrame) -> DataFrame:
    """For each model: the mean absolute error of the expected purchase days, and the spend share of the top decile by
    expected spend. The share is null if a spend is unknown, or expected by nobody.
    """
    long = _long(past_predictions)
    limits = nearest_rank(long, "expected_spend", [90], by=["model"]).select("model", "p90")
    off = F.abs(F.col("expected") - F.col("came_days")).cast("decimal(28,6)")
    best = total_money(
        F.when(F.col("expected_spend") <= F.col("p90"), F.lit(0)).otherwise(F.col("came_spend"))
    )
    best = F.when(F.count("expected_spend") == F.count("*"), best)
    figures = (
        long.join(F.broadcast(limits), "model", "left")
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


def figures(outcomes: Outcomes) -> tuple[float | None, ...]:
    """The figures named in ``FIGURES``."""
    counts = _of_probabilities(outcomes)
    people, bought = sum(n for _, n, _ in counts), sum(k for _, _, k in counts)
    return (
        bought / people,
        brier(counts),
        _log_loss(counts),
        auc(counts),
        _spearman(outcomes),
        calibration_error(counts),
    )


def brier(counts: Counts) -> float:
    return sum(k * (1 - p) ** 2 + (n - k) * p**2 for p, n, k in counts) / sum(n for _, n, _ in counts)


def certainly_worse(counts: Counts, base: float) -> bool:
    """Whether the Brier score is above that of one probability for everyone, by a one-sided test at 95%.

    Args:
        counts: of a model.
        base: the probability of everyone.

    """
    people = sum(n for _, n, _ in counts)
    losses = [
        (lost, size)
        for p, n, k in counts
        for lost, size in (((1 - p) ** 2 - (1 - base) ** 2, k), (p**2 - base**2, n - k))
    ]
    mean = sum(lost * size for lost, size in losses) / people
    variance = sum((lost - mean) ** 2 * size for lost, size in losses) / people
    return mean > ONE_SIDED_95 * sqrt(variance / people)


def _log_loss(counts: Counts) -> float:
    def clipped(p: float) -> float:
        return min(max(p, 1 / PLACES), 1 - 1 / PLACES)

    total = sum(-k * log(clipped(p)) - (n - k) * log(1 - clipped(p)) for p, n, k in counts)
    return total / sum(n for _, n, _ in counts)


def auc(counts: Counts) -> float | None:
    """The probability that a buyer is ranked above a non-buyer. A tie counts half."""
    buyers, others = sum(k for _, _, k in counts), sum(n - k for _, n, k in counts)
    if not buyers or not others:
        return None
    below, wins = 0, 0.0
    for _, n, k in sorted(counts):
        wins += k * (below + (n - k) / 2)
        below += n - k
    return wins / (buyers * others)


def _spearman(outcomes: Outcomes) -> float | None:
    """Rank correlation of the probability and the actual purchase days. Equal values get their mean rank."""

    def ranks(place: int) -> Mapping[float, float]:
        """The mean rank of each value, relative to the middle rank."""
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


def calibration_error(counts: Counts) -> float:
    """Mean gap between predicted and actual purchase rate per decile, weighted by customers."""
    people = sum(n for _, n, _ in counts)
    return sum(size * abs(predicted - actual) for _, size, predicted, actual in deciles(counts)) / people


def deciles(counts: Counts) -> Iterable[tuple[int, int, float, float]]:
    """Number, customers, predicted and actual purchase rate of each decile. Equal probabilities stay together."""
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


def to_six_places(frame: DataFrame, names: Iterable[str]) -> DataFrame:
    for name in names:
        frame = frame.withColumn(name, F.round(F.col(name), 6).cast(RATIO))
    return frame
