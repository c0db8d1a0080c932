"""How good the predictions were: those of a past day, against what came after it, beside simple baselines.

For the snapshot of D the model is fitted as of D - window and judged on (D - window, D]; it sees nothing of the
window. The engine counts customers by prediction and outcome; the figures are computed from the counts, so they
are the same on every engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import reduce
from math import log

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.contracts import contract_of
from cip_assets.rules import Rules
from cip_assets.transforms.asof import stamped, until
from cip_assets.transforms.exact import total_money
from cip_assets.transforms.features import purchases
from cip_assets.transforms.purchase_model import predicted, purchase_model
from cip_assets.transforms.ranking import nearest_rank

MODEL, RECENCY, CARRY_FORWARD, BASE_RATE = "purchase_model", "recency", "carry_forward", "base_rate"
PLACES = 10_000
"""Probabilities are counted to four places."""

CERTAIN = 0.999
"""Carry-forward is sure of itself; a log loss needs less."""

DECILES = 10

Counts = Sequence[tuple[float, int, int]]
"""Of customers with one probability: the probability, how many, and how many of them bought."""


def model_backtest(transactions: DataFrame, customers: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """One row per model and baseline; none where nobody had bought by the day that is looked back to."""
    judged, trained = _judged(transactions, customers, as_of, rules)
    names = contract_of("marts", "model_backtest").spark_schema.names
    rows = []
    if judged is not None:
        errors = {row["model"]: row for row in _errors(judged).collect()}
        for model, counts in _counts(judged).items():
            people = sum(n for _, n, _ in counts)
            error = errors[model]
            spent = float(error["spent"])
            rows.append(
                (
                    model,
                    trained,
                    rules.churn.window_days,
                    people,
                    sum(bought for _, _, bought in counts) / people,
                    _brier(counts),
                    _log_loss(counts),
                    _auc(counts),
                    float(error["off"]) / people,
                    float(error["top_spent"]) / spent if spent else None,
                )
            )
    types = (
        "model string, trained_as_of date, window_days int, customers bigint, bought_share double, brier double, "
        "log_loss double, auc double, mae_purchases double, top_decile_spend_share double"
    )
    frame = transactions.sparkSession.createDataFrame(sorted(rows), types)
    for name in ("bought_share", "brier", "log_loss", "auc", "mae_purchases", "top_decile_spend_share"):
        frame = frame.withColumn(name, F.round(F.col(name), 6).cast("decimal(18,6)"))
    return stamped(frame, as_of, names)


def model_calibration(transactions: DataFrame, customers: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """The purchase model's customers in ten parts by probability: how many were said to buy, and how many did."""
    judged, _ = _judged(transactions, customers, as_of, rules)
    rows = []
    if judged is not None:
        rows = list(_deciles(_counts(judged.where(F.col("model") == MODEL))[MODEL]))
    types = "decile int, customers bigint, predicted double, actual double"
    frame = transactions.sparkSession.createDataFrame(rows, types)
    for name in ("predicted", "actual"):
        frame = frame.withColumn(name, F.round(F.col(name), 6).cast("decimal(18,6)"))
    return stamped(frame, as_of, contract_of("marts", "model_calibration").spark_schema.names)


def _judged(
    transactions: DataFrame, customers: DataFrame, as_of: date, rules: Rules
) -> tuple[DataFrame | None, date]:
    """Known buyers of the day looked back to, with what each model said and what came.

    Grain: one row per model and customer: ``p`` in ten-thousandths, ``expected`` purchase days and spend,
    ``bought``, ``days`` and ``spend`` of the window.
    """
    window = timedelta(days=rules.churn.window_days)
    trained, before = as_of - window, as_of - 2 * window
    then = purchases(transactions, customers, trained).where("NOT is_orphan")
    if then.limit(1).count() == 0:
        return None, trained
    came = _within(transactions, trained, as_of)
    past = _within(transactions, before, trained).withColumnsRenamed(
        {"days": "past_days", "spend": "past_spend"}
    )
    earlier = purchases(transactions, customers, before).where("NOT is_orphan")
    rates = (
        earlier.join(past, "customer_id", "left")
        .groupBy(_recency_class().alias("class"))
        .agg(F.count("*").alias("n"), F.count("past_days").alias("k"))
        .collect()
    )
    people, returned = sum(row["n"] for row in rates), sum(row["k"] for row in rates)
    base = returned / people if people else 0.5
    of_class = {row["class"]: row["k"] / row["n"] for row in rates}
    by_recency = reduce(
        lambda c, pair: c.when(_recency_class() == pair[0], F.lit(round(pair[1] * PLACES))),
        sorted(of_class.items()),
        F.when(F.lit(False), F.lit(0)),
    ).otherwise(F.lit(round(base * PLACES)))
    model = purchase_model(purchases(transactions, customers, trained), trained, rules)
    said = predicted(then, model, trained)
    whole = (
        then.select("customer_id", "recency_days", "purchase_days", "monetary_value")
        .join(said, "customer_id")
        .join(past, "customer_id", "left")
        .join(came, "customer_id", "left")
        .fillna({"past_days": 0, "days": 0})
        .withColumn("spend", F.coalesce("spend", F.lit(0)).cast("decimal(18,2)"))
        .withColumn("past_spend", F.coalesce("past_spend", F.lit(0)).cast("decimal(18,2)"))
        .withColumn("bought", (F.col("days") > 0).cast("int"))
    )
    past_p = F.when(F.col("past_days") > 0, F.lit(round(CERTAIN * PLACES))).otherwise(
        F.lit(round((1 - CERTAIN) * PLACES))
    )
    worth = (F.col("expected_purchases_90") * F.col("expected_value")).cast("decimal(18,2)")
    per_model = {
        MODEL: ((F.col("p_active") * PLACES).cast("int"), F.col("expected_purchases_90"), worth),
        RECENCY: (by_recency, _share_of(by_recency), (-F.col("recency_days")).cast("decimal(18,2)")),
        CARRY_FORWARD: (past_p, F.col("past_days").cast("decimal(18,6)"), F.col("past_spend")),
        BASE_RATE: (
            F.lit(round(base * PLACES)),
            _share_of(F.lit(round(base * PLACES))),
            F.lit(0).cast("decimal(18,2)"),
        ),
    }
    # One row becomes four by a join, so that the customers are scored once and not once for each model.
    models = transactions.sparkSession.createDataFrame([(name,) for name in per_model], "model string")

    def by_model(place: int) -> Column:
        cases = F.when(F.lit(False), F.lit(None))
        for name, values in per_model.items():
            cases = cases.when(F.col("model") == name, values[place])
        return cases

    long = whole.crossJoin(F.broadcast(models)).select(
        "model",
        by_model(0).cast("int").alias("p"),
        by_model(1).cast("decimal(18,6)").alias("expected"),
        by_model(2).cast("decimal(18,2)").alias("expected_spend"),
        "bought",
        "days",
        "spend",
    )
    return long, trained


def _share_of(ten_thousandths: Column) -> Column:
    return (ten_thousandths * F.lit("0.0001").cast("decimal(5,4)")).cast("decimal(18,6)")


def _recency_class() -> Column:
    """0, 1-2, 3-6, 7-14, ... days: classes that double."""
    return F.length(F.bin(F.col("recency_days") + 1))


def _within(transactions: DataFrame, after: date, until_day: date) -> DataFrame:
    """Purchase days and spend of each customer after one day and by another."""
    return (
        until(transactions, "transaction_date", until_day)
        .where(F.col("transaction_date") > F.lit(after))
        .groupBy("customer_id", "transaction_date")
        .agg(total_money("amount").alias("amount"))
        .groupBy("customer_id")
        .agg(F.count("*").alias("days"), total_money("amount").alias("spend"))
    )


def _counts(judged: DataFrame) -> Mapping[str, Counts]:
    found: dict[str, list[tuple[float, int, int]]] = {}
    rows = judged.groupBy("model", "p").agg(F.count("*").alias("n"), F.sum("bought").alias("k")).collect()
    for row in sorted(rows, key=lambda row: (row["model"], row["p"])):
        found.setdefault(row["model"], []).append((row["p"] / PLACES, row["n"], row["k"]))
    return found


def _errors(judged: DataFrame) -> DataFrame:
    """For each model: how far the expected purchase days are off, and what the predicted best tenth spent."""
    limits = nearest_rank(judged, "expected_spend", [90], by=["model"]).select("model", "p90")
    off = F.abs(F.col("expected") - F.col("days"))
    return (
        judged.join(F.broadcast(limits), "model")
        .groupBy("model")
        .agg(
            F.sum(off.cast("decimal(28,6)")).alias("off"),
            total_money("spend").alias("spent"),
            F.coalesce(F.sum(F.when(F.col("expected_spend") > F.col("p90"), F.col("spend"))), F.lit(0)).alias(
                "top_spent"
            ),
        )
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
