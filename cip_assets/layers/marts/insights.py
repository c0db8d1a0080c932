"""The answers to the four questions."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.insights.answers import answers
from cip_assets.analytics.insights.questions import DIRECTIONS, QUESTIONS
from cip_assets.calc.exact import to_six_places
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.marts.insight_counts import InsightCounts
from cip_assets.layers.marts.kpi_trends import KpiTrends

COUNTED = ("events", "exposure")


class Insights(
    DaySnapshot, grain="one row per question and snapshot day", key=["question"], domain="customers"
):
    """Answers to the four questions: are repeat purchases declining, are returns rising, are complaints rising, and
    does low engagement predict churn? Customers are compared with customers who did the same in the months before.
    """

    question: T.StringType = column(
        "Question", *COUNTED, required=True, isin=[question.name for question in QUESTIONS]
    )
    measure: T.StringType = column("What is measured", *COUNTED, required=True)
    direction: T.StringType = column(
        "Direction of the change, if it is certain; for engagement, rising means that low engagement predicts churn",
        *COUNTED,
        required=True,
        isin=list(DIRECTIONS),
    )
    answer: T.StringType = column(
        "Answer in words, with the change and its interval", *COUNTED, required=True
    )
    change: Ratio = column(
        "Change as a share of the rate before; for engagement, how much more often customers with the fewest sessions "
        "churn than those with the most",
        *COUNTED,
    )
    low: Ratio = column("Lower end of the interval of the change, all four questions together", *COUNTED)
    high: Ratio = column("Upper end of that interval", *COUNTED)
    strongest: T.StringType = column(
        "Regions, segments, categories and other parts that changed more than the whole, and by how much; empty if "
        "none did for certain",
        "part",
        *COUNTED,
    )
    since: T.DateType = column("Month in which the change began; empty if it is not certain", *COUNTED)
    months_needed: T.IntegerType = column(
        "About how many more months would settle the question; empty if it is settled, or if that is not known",
        *COUNTED,
        unit="months",
        ge=0,
    )


@csv_file(order_by=["question"])
@table(Insights, insight_counts=InsightCounts, kpi_trends=KpiTrends)
def insights(insight_counts: DataFrame, kpi_trends: DataFrame, rules: Rules) -> DataFrame:
    needed = sorted({name for question in QUESTIONS for name in question.needs})
    (seen,) = kpi_trends.agg(*(F.count(name).alias(name) for name in needed)).collect()
    missing = {
        question.name: next(what for name, what in question.needs.items() if not seen[name])
        for question in QUESTIONS
        if not all(seen[name] for name in question.needs)
    }
    told = answers(
        insight_counts.toArrow(), rules.insights.smallest_change, rules.insights.confidence, missing
    )
    rows = [
        (
            each.question.name,
            each.question.measure,
            each.answer.direction,
            each.answer.text,
            each.answer.change,
            each.answer.low,
            each.answer.high,
            each.strongest or None,
            each.answer.since,
            each.answer.months_needed,
        )
        for each in told
    ]
    frame = insight_counts.sparkSession.createDataFrame(
        rows,
        "question string, measure string, direction string, answer string, change double, low double, high double, "
        "strongest string, since date, months_needed int",
    )
    return to_six_places(frame, ("change", "low", "high"))
