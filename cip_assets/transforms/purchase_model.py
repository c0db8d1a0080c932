"""The purchase model of a day: fitted on counts that the engine makes, applied in the engine.

BG/NBD (Fader, Hardie, Lee 2005) and Gamma-Gamma (Fader, Hardie 2013) are in ``models``; here they meet the
tables. The driver sees distinct histories with their counts, which days bound and not customers.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.analytics.forecasting.bg_nbd import BgNbdFit, Statistics
from cip_assets.analytics.forecasting.gamma_gamma import GammaGammaFit, ValueStatistics
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.paid import PaidStatistics
from cip_assets.analytics.forecasting.purchase import HORIZONS_DAYS, PurchaseModel, fit_purchase_model
from cip_assets.calc.as_of import days_since, stamped
from cip_assets.calc.exact import MONEY, RATIO
from cip_assets.config.rules import Rules
from cip_assets.contracts import contract_of

ROWS_AT_ONCE = 250_000
"""Scoring shares its work among customers with the same history, so it takes many at once."""

MILLIONTHS, CENTS = 10**6, 10**2
SHARES = ("p_alive", "p_active", *(f"expected_purchases_{days}" for days in HORIZONS_DAYS))
AMOUNTS = ("expected_value", "clv_12m")


def purchase_model(purchases: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """Fit the model on every buyer, orphans and one-time buyers too; where it cannot be, its stated fallback."""
    money, days, paid_days = _totals(purchases)
    model = fit_purchase_model(
        _statistics(purchases, as_of),
        _value_statistics(purchases),
        overall_mean_value=money / paid_days if paid_days else 0.0,
        paid_statistics=_paid_statistics(purchases) if paid_days < days else None,
        annual_rate=rules.clv.annual_discount_rate,
        window_days=rules.churn.window_days,
    )
    process, values = model.purchases, model.values
    fitted = {
        "purchase_model": model.model,
        "value_model": model.value_model,
        "window_days": model.window_days,
        "buyers": process.customers,
        "repeat_buyers": process.repeat_customers,
        **{name: float(getattr(process, name, np.nan)) for name in ("r", "alpha", "a", "b")},
        **{name: float(getattr(values, name, np.nan)) for name in ("p", "q", "gamma")},
        **_errors_of(process, ("r", "alpha", "a", "b")),
        **_errors_of(values, ("p", "q", "gamma")),
        "log_likelihood": process.log_likelihood if isinstance(process, BgNbdFit) else np.nan,
        "value_log_likelihood": values.log_likelihood if isinstance(values, GammaGammaFit) else np.nan,
        "notes": " ".join(model.notes),
        "model": json.dumps(model.to_dict()),
    }
    columns = {name: [None if value != value else value] for name, value in fitted.items()}  # noqa: PLR0124
    schema = contract_of("features", "purchase_model").spark_schema
    types = ", ".join(
        f"{field.name} {field.dataType.simpleString()}" for field in schema if field.name in columns
    )
    row = purchases.sparkSession.createDataFrame([tuple(values[0] for values in columns.values())], types)
    return stamped(row, as_of, schema.names)


def _errors_of(fit: object, names: Sequence[str]) -> dict[str, float]:
    """The standard errors of a fit's parameters; NaN where it has none."""
    errors = getattr(fit, "standard_errors", (None,) * len(names))
    return {
        f"{name}_se": np.nan if error is None else error for name, error in zip(names, errors, strict=True)
    }


def predicted(purchases: DataFrame, model: DataFrame, as_of: date) -> DataFrame:
    """What the model of the day expects of each known buyer.

    Grain: one row per buyer that customers knows, with the columns of ``SHARES`` and ``AMOUNTS``.
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
            whole = {
                name: np.rint(found[name] * (CENTS if name in AMOUNTS else MILLIONTHS)).astype(np.int64)
                for name in wanted
            }
            yield from pa.table({"customer_id": table["customer_id"], **whole}).to_batches()

    schema = ", ".join(["customer_id string", *(f"{name} bigint" for name in wanted)])
    scored = _histories(purchases.where("NOT is_orphan"), as_of).mapInArrow(score, schema)
    return scored.select(
        "customer_id",
        *(_exact(name, "0.000001").cast(RATIO).alias(name) for name in SHARES),
        *(_exact(name, "0.01").cast(MONEY).alias(name) for name in AMOUNTS),
    )


HISTORY = ("x", "t_x", "age", "is_first_paid", "paid_x", "mean_millionths")


def _histories(purchases: DataFrame, as_of: date) -> DataFrame:
    """X = purchase days after the first, t_x = days from the first to the last, age = days from the first to D,
    whether the first was paid (1 or 0), paid_x = paid days after the first, and their mean value.
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


def _statistics(purchases: DataFrame, as_of: date) -> Statistics:
    rows = _histories(purchases, as_of).groupBy("x", "t_x", "age").agg(F.count("*").alias("customers"))
    return Statistics(*_in_order(rows))


def _value_statistics(purchases: DataFrame) -> ValueStatistics:
    """Buyers that paid on a day after the first, by the number of such days and their mean value, in bins of three
    digits: whole numbers, so that the sums are exact.
    """
    v = "mean_millionths"
    digits = f"length(CAST({v} AS STRING))"
    rows = (
        _histories(purchases, date.max)
        .where(f"paid_x > 0 AND {v} > 0")
        .withColumn("digits", F.expr(digits))
        .withColumn("bin", F.expr(f"{v} div CAST(rpad('1', greatest({digits} - 2, 1), '0') AS BIGINT)"))
        .groupBy("paid_x", "digits", "bin")
        .agg(F.sum(F.col(v).cast("decimal(38,0)")).alias("total"), F.count("*").alias("customers"))
    )
    x, total, count = _in_order(rows.select("paid_x", "total", "customers"))
    return ValueStatistics(x, total / count / MILLIONTHS, count)


def _paid_statistics(purchases: DataFrame) -> PaidStatistics:
    kinds = ["is_first_paid", "x", "paid_x"]
    rows = _histories(purchases, date.max).groupBy(*kinds).agg(F.count("*").alias("customers"))
    return PaidStatistics(*_in_order(rows))


def _in_order(rows: DataFrame) -> Sequence[Floats]:
    """The columns, rows sorted by the first, then the second, and so on: so their sums are equal on every engine."""
    table = rows.toArrow()
    columns = [column.cast(pa.float64()).to_numpy() for column in table.columns]
    order = np.lexsort(columns[::-1])
    return [column[order] for column in columns]


def _totals(purchases: DataFrame) -> tuple[float, int, int]:
    """The money, the purchase days, and the paid ones of all buyers."""
    sums = [F.sum(name) for name in ("monetary_value", "purchase_days", "paid_days")]
    money, days, paid_days = purchases.agg(*sums).collect()[0]
    return float(money or 0), days or 0, paid_days or 0


def _large(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(each) for each in waiting) >= ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _exact(name: str, unit: str) -> Column:
    places = len(unit) - 2
    return F.expr(f"CAST({name} AS DECIMAL(20, 0)) * CAST('{unit}' AS DECIMAL({places + 1}, {places}))")
