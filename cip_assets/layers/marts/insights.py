"""One row per question."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.insights import FEWEST, QUESTIONS, answer_to, change_in, direction_of, in_order
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
)


class Insights(DaySnapshot, grain="one row per question and as-of day", key=["question"], domain="customers"):
    """The four questions answered: are repeat purchases declining, returns rising, complaints rising, and does
    engagement foretell churn?
    """

    question: T.StringType = column(
        "Which question",
        *_MEASURED,
        required=True,
        isin=["repeat_purchases", "returns", "complaints", "engagement"],
    )
    measure: T.StringType = column("The columns of kpi_trends that answer it", *_MEASURED, required=True)
    direction: T.StringType = column(
        "What the interval says; for engagement, of the churn of the least engaged over that of the most engaged",
        *_MEASURED,
        required=True,
        isin=["rising", "declining", "no change", "too early to say"],
    )
    answer: T.StringType = column("The answer in words, with its size", *_MEASURED, required=True)
    before: Ratio = column("Mean of the months compared with, or of the most engaged", *_MEASURED)
    now: Ratio = column("Mean of the months compared, or of the least engaged", *_MEASURED)
    change: Ratio = column("now - before", *_MEASURED)
    low: Ratio = column("Low end of the 99 % interval of the change, by Student's t over months", *_MEASURED)
    high: Ratio = column("High end of it", *_MEASURED)
    compared: T.IntegerType = column("Pairs of months compared", *_MEASURED, required=True, ge=0)
    basis: T.StringType = column("What was compared with what", *_MEASURED, required=True)


@csv_file(order_by=["question"])
@table(Insights, kpi_trends=KpiTrends)
def insights(kpi_trends: DataFrame) -> DataFrame:
    months = in_order(row.asDict() for row in kpi_trends.where("is_complete").collect())
    rows = []
    for question in QUESTIONS:
        found = change_in(months, question)
        rows.append(
            (
                question.name,
                question.measure,
                direction_of(found),
                answer_to(question, found),
                *((found.before, found.now, found.change, found.low, found.high) if found else (None,) * 5),
                found.pairs if found else 0,
                found.basis if found else f"fewer than {FEWEST} months to compare",
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
