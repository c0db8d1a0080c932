"""The purchase model, fitted on every buyer, including orphans and one-time buyers."""

import json
from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.bg_nbd import BgNbdFit, Statistics
from cip_assets.analytics.forecasting.gamma_gamma import GammaGammaFit, ValueStatistics
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.paid import PaidStatistics
from cip_assets.analytics.forecasting.purchase import fit_purchase_model
from cip_assets.analytics.forecasting.scoring import MILLIONTHS, histories
from cip_assets.calc.exact import total_money
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.features.purchases import Purchases

_HISTORY = ("first_purchase_date", "last_purchase_date", "purchase_days")
_VALUES = (*_HISTORY, "paid_days", "paid_repeat_days", "mean_repeat_value")


class PurchaseModel(
    DaySnapshot, grain="one row per snapshot day", key=["purchase_model"], domain="customers"
):
    """The model of when customers buy and how much they spend: BG/NBD, and Gamma-Gamma or lognormal spend, fitted on
    every buyer.

    If one of them cannot be fitted, a pooled rate or a pooled mean is used instead, and the notes say why. If an amount
    is unknown, there is no value model.
    """

    purchase_model: T.StringType = column(
        "Purchase model used", *_HISTORY, required=True, isin=["bg_nbd", "pooled_rate"]
    )
    value_model: T.StringType = column(
        "Value model used; empty if an amount is unknown",
        *_VALUES,
        isin=["gamma_gamma", "lognormal", "pooled_mean"],
    )
    window_days: T.IntegerType = column(
        "Length of the churn window", *_HISTORY, required=True, unit="days", ge=1
    )
    buyers: T.LongType = column("Buyers that the model was fitted on", "customer_id", required=True, ge=0)
    repeat_buyers: T.LongType = column(
        "Buyers with a second purchase day", "purchase_days", required=True, ge=0
    )
    r: T.DoubleType = column("r of BG/NBD or of the pooled rate", *_HISTORY)
    alpha: T.DoubleType = column("alpha of BG/NBD or of the pooled rate", *_HISTORY, unit="days")
    a: T.DoubleType = column("a of BG/NBD", *_HISTORY)
    b: T.DoubleType = column("b of BG/NBD", *_HISTORY)
    p: T.DoubleType = column("p of Gamma-Gamma; empty for another value model", *_VALUES)
    q: T.DoubleType = column("q of Gamma-Gamma; empty for another value model", *_VALUES)
    gamma: T.DoubleType = column(
        "gamma of Gamma-Gamma; empty for another value model", *_VALUES, unit="currency per paid day"
    )
    r_se: T.DoubleType = column("Standard error of r; empty if the data does not determine r", *_HISTORY)
    alpha_se: T.DoubleType = column("Standard error of alpha", *_HISTORY, unit="days")
    a_se: T.DoubleType = column("Standard error of a", *_HISTORY)
    b_se: T.DoubleType = column("Standard error of b", *_HISTORY)
    p_se: T.DoubleType = column("Standard error of p", *_VALUES)
    q_se: T.DoubleType = column("Standard error of q", *_VALUES)
    gamma_se: T.DoubleType = column("Standard error of gamma", *_VALUES, unit="currency per paid day")
    log_likelihood: T.DoubleType = column("Log-likelihood of BG/NBD", *_HISTORY)
    value_log_likelihood: T.DoubleType = column("Log-likelihood of the value model", *_VALUES)
    notes: T.StringType = column("Models used, and why", *_VALUES, required=True)
    model: T.StringType = column("The complete model, as JSON", *_VALUES, required=True)


@table(PurchaseModel, purchases=Purchases)
def purchase_model(purchases: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    money, days, paid_days = _totals(purchases)
    is_known = money is not None
    model = fit_purchase_model(
        _statistics(purchases, as_of),
        _value_statistics(purchases) if is_known else None,
        overall_mean_value=money / paid_days if money and paid_days else 0.0,
        paid_statistics=_paid_statistics(purchases) if is_known and paid_days < days else None,
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
        **_errors_of(values if isinstance(values, GammaGammaFit) else None, ("p", "q", "gamma")),
        "log_likelihood": process.log_likelihood if isinstance(process, BgNbdFit) else np.nan,
        "value_log_likelihood": getattr(values, "log_likelihood", np.nan),
        "notes": " ".join(model.notes),
        "model": json.dumps(model.to_dict()),
    }
    columns = {name: [None if value != value else value] for name, value in fitted.items()}  # noqa: PLR0124
    schema = purchase_model.contract.spark_schema
    types = ", ".join(
        f"{field.name} {field.dataType.simpleString()}" for field in schema if field.name in columns
    )
    return purchases.sparkSession.createDataFrame([tuple(values[0] for values in columns.values())], types)


def _errors_of(fit: object, names: Sequence[str]) -> dict[str, float]:
    """The standard errors of a fit's parameters; NaN if a parameter has none."""
    errors = getattr(fit, "standard_errors", (None,) * len(names))
    return {
        f"{name}_se": np.nan if error is None else error for name, error in zip(names, errors, strict=True)
    }


def _statistics(purchases: DataFrame, as_of: date) -> Statistics:
    rows = histories(purchases, as_of).groupBy("x", "t_x", "age").agg(F.count("*").alias("customers"))
    return Statistics(*_in_order(rows))


def _value_statistics(purchases: DataFrame) -> ValueStatistics:
    """Buyers with a paid day after the first, by the number of such days and their mean value. The mean values are in
    bins of three digits. They are whole numbers, so the sums are exact.
    """
    v = "mean_millionths"
    digits = f"length(CAST({v} AS STRING))"
    rows = (
        histories(purchases, date.max)
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
    rows = histories(purchases, date.max).groupBy(*kinds).agg(F.count("*").alias("customers"))
    return PaidStatistics(*_in_order(rows))


def _in_order(rows: DataFrame) -> Sequence[Floats]:
    """The columns, with the rows sorted by all columns, so that sums are equal on every engine."""
    table = rows.toArrow()
    columns = [column.cast(pa.float64()).to_numpy() for column in table.columns]
    order = np.lexsort(columns[::-1])
    return [column[order] for column in columns]


def _totals(purchases: DataFrame) -> tuple[float | None, int, int]:
    """Total spend, purchase days and paid days of all buyers; the spend is None if an amount is unknown."""
    sums = [total_money("monetary_value"), F.sum("purchase_days"), F.sum("paid_days")]
    money, days, paid_days = purchases.agg(*sums).collect()[0]
    return None if money is None else float(money), days or 0, paid_days or 0
