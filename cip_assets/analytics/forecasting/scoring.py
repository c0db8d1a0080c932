"""The purchase model applied in the engine, to each customer."""

import json
from collections.abc import Iterable, Iterator
from datetime import date

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.purchase import HORIZONS_DAYS, PurchaseModel
from cip_assets.calc.as_of import days_since
from cip_assets.calc.exact import MONEY, RATIO

ROWS_AT_ONCE = 250_000
"""Customers to score at once. Many, because the work is shared among customers with the same history."""

MILLIONTHS, CENTS = 10**6, 10**2
SHARES = ("p_alive", "p_active", *(f"expected_purchases_{days}" for days in HORIZONS_DAYS))
AMOUNTS = ("expected_value", "clv_12m")


def predicted(purchases: DataFrame, model: DataFrame, as_of: date) -> DataFrame:
    """The predictions of the day's model for each known buyer.

    Grain: one row per known buyer, with the columns of ``SHARES`` and ``AMOUNTS``.
    """
    (row,) = model.select("model").collect()
    chosen = PurchaseModel.from_dict(json.loads(row[0]))
    wanted = [*SHARES, *AMOUNTS]
    active = f"p_active_{chosen.window_days}"

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in _large(batches):
            x, t_x, age, first, paid_x, mean = (table[name].to_numpy().astype(float) for name in HISTORY)
            found = chosen.score(
                x,
                t_x,
                age,
                np.where(paid_x > 0, mean / MILLIONTHS, np.nan),
                paid_x=paid_x,
                is_first_paid=first > 0,
            )
            found["p_active"] = found[active]
            whole = {name: _whole(found[name], CENTS if name in AMOUNTS else MILLIONTHS) for name in wanted}
            yield from pa.table({"customer_id": table["customer_id"], **whole}).to_batches()

    schema = ", ".join(["customer_id string", *(f"{name} bigint" for name in wanted)])
    scored = histories(purchases.where("NOT is_orphan"), as_of).mapInArrow(score, schema)
    return scored.select(
        "customer_id",
        *(_exact(name, "0.000001").cast(RATIO).alias(name) for name in SHARES),
        *(_exact(name, "0.01").cast(MONEY).alias(name) for name in AMOUNTS),
    )


HISTORY = ("x", "t_x", "age", "is_first_paid", "paid_x", "mean_millionths")


def histories(purchases: DataFrame, as_of: date) -> DataFrame:
    """The columns of ``HISTORY``: x = purchase days after the first, t_x = days from the first to the last, age = days
    from the first to D, is_first_paid = 1 if the first was paid, paid_x = paid days after the first, and their mean.
    The last three are null or 0 if an amount is unknown, and are then not used.
    """
    return purchases.select(
        "customer_id",
        (F.col("purchase_days") - 1).alias("x"),
        F.datediff("last_purchase_date", "first_purchase_date").cast("bigint").alias("t_x"),
        days_since(as_of, "first_purchase_date").cast("bigint").alias("age"),
        (F.col("paid_days") - F.col("paid_repeat_days")).alias("is_first_paid"),
        F.col("paid_repeat_days").alias("paid_x"),
        F.coalesce(F.expr(f"CAST(mean_repeat_value * {MILLIONTHS} AS BIGINT)"), F.lit(0)).alias(
            "mean_millionths"
        ),
    )


def _large(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(each) for each in waiting) >= ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _whole(values: Floats, parts: int) -> pa.Array:
    """The values in whole parts of one; null if a value is nan."""
    unknown = np.isnan(values)
    return pa.array(np.rint(np.where(unknown, 0, values) * parts).astype(np.int64), mask=unknown)


def _exact(name: str, unit: str) -> Column:
    places = len(unit) - 2
    return F.expr(f"CAST({name} AS DECIMAL(20, 0)) * CAST('{unit}' AS DECIMAL({places + 1}, {places}))")
