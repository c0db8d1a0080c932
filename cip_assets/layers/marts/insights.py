"""The answers to the four questions."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.insights import (
    FEWEST,
    NO_DATA,
    QUESTIONS,
    answer_to,
    change_in,
    direction_of,
    in_order,
    missing_for,
)
from cip_assets.calc.exact import RATIO
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.marts.kpi_trends import KpiTrends

_MEASURED = (
    "second_order_rate",
    "return_ratio",
    "complaints_per_100",
    "churn_rate_q1",
    "churn_rate_q4",
    "is_complete",
    "buyers",
    "order_lines",
    "active_customers",
    "returns",
    "tickets",
    "sessions",
)


class Insights(
    DaySnapshot, grain="one row per question and snapshot day", key=["question"], domain="customers"
):
    """Answers to the four questions: are repeat purchases declining, are returns rising, are complaints rising, and
    does low engagement predict churn?
    """

    question: T.StringType = column(
        "Question",
        *_MEASURED,
        required=True,
        isin=["repeat_purchases", "returns", "complaints", "engagement"],
    )
    measure: T.StringType = column(
        "Columns of kpi_trends that answer the question", *_MEASURED, required=True
    )
    direction: T.StringType = column(
        "Direction of the change, by its interval; for engagement, of the churn rate of the lowest quartile minus "
        "that of the highest",
        *_MEASURED,
        required=True,
        isin=["rising", "declining", "no change", "too early to say", "no data"],
    )
    answer: T.StringType = column(
        "Answer in words, with the change and its interval", *_MEASURED, required=True
    )
    before: Ratio = column("Mean of the earlier months; for engagement, of the highest quartile", *_MEASURED)
    now: Ratio = column("Mean of the later months; for engagement, of the lowest quartile", *_MEASURED)
    change: Ratio = column("now - before", *_MEASURED)
    low: Ratio = column(
        "Lower end of the 99% interval of the change, by Student's t over the months", *_MEASURED
    )
    high: Ratio = column("Upper end of the 99% interval of the change", *_MEASURED)
    compared: T.IntegerType = column("Number of pairs compared", *_MEASURED, required=True, ge=0)
    basis: T.StringType = column("Basis of the comparison", *_MEASURED, required=True)


@csv_file(order_by=["question"])
@table(Insights, kpi_trends=KpiTrends)
def insights(kpi_trends: DataFrame) -> DataFrame:
    every = in_order(row.asDict() for row in kpi_trends.collect())
    complete = [row for row in every if row["is_complete"]]
    rows = []
    for question in QUESTIONS:
        missing, found = missing_for(question, every), change_in(complete, question)
        rows.append(
            (
                question.name,
                question.measure,
                direction_of(found, missing),
                answer_to(question, found, missing),
                *((found.before, found.now, found.change, found.low, found.high) if found else (None,) * 5),
                found.pairs if found else 0,
                found.basis if found else NO_DATA if missing else f"fewer than {FEWEST} pairs to compare",
            )
        )
    figures = ("before", "now", "change", "low", "high")
    types = ", ".join(
        ["question string, measure string, direction string, answer string"]
        + [f"{name} double" for name in figures]
        + ["compared int, basis string"]
    )
    frame = kpi_trends.sparkSession.createDataFrame(rows, types)
    for name in figures:
        frame = frame.withColumn(name, F.round(F.col(name), 6).cast(RATIO))
    return frame
