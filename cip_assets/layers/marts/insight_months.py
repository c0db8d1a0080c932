"""The months behind the answers to the four questions."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.analytics.insights.answers import answers
from cip_assets.analytics.insights.questions import QUESTIONS
from cip_assets.calc.exact import to_six_places
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.marts.insight_counts import InsightCounts
from cip_assets.layers.marts.insights import COUNTED


class InsightMonths(
    DaySnapshot,
    grain="one row per question, part, month and snapshot day",
    key=["question", "part", "month"],
    domain="customers",
):
    """What each answer is about, by month: the rate, and what it would have been had nothing changed."""

    question: T.StringType = column(
        "Question", *COUNTED, required=True, isin=[question.name for question in QUESTIONS]
    )
    part: T.StringType = column(
        "'all', or buyers with the fewest or the most sessions", *COUNTED, required=True
    )
    month: T.DateType = column("Month, by its first day", *COUNTED, required=True)
    events: T.LongType = column(
        "Repeat purchase days, returns, tickets, or buyers who churned", *COUNTED, required=True, ge=0
    )
    exposure: T.LongType = column(
        "Customer days, order lines of the month and the one before, or buyers", *COUNTED, required=True, ge=0
    )
    unit: T.StringType = column("What the rates are counted in", *COUNTED, required=True)
    rate: Ratio = column("Rate of the month", *COUNTED, required=True, ge=0)
    expected_rate: Ratio = column(
        "Rate had nothing changed, with the month's season and mix of customers; empty if it is too early to say, and "
        "for engagement",
        *COUNTED,
        ge=0,
    )


@csv_file(order_by=["question", "part", "month"], months=["month"])
@table(InsightMonths, insight_counts=InsightCounts)
def insight_months(insight_counts: DataFrame, rules: Rules) -> DataFrame:
    told = answers(insight_counts.toArrow(), rules.insights.smallest_change, rules.insights.confidence)
    rows = []
    for each in told:
        # A month can have returns although neither it nor the month before sold anything.
        for month in (month for month in each.months if month.exposure):
            factor = each.question.scale / month.exposure
            expected = None if month.expected is None else month.expected * factor
            place = (each.question.name, month.part, month.month, month.events, month.exposure)
            rows.append((*place, each.question.unit, month.events * factor, expected))
    frame = insight_counts.sparkSession.createDataFrame(
        rows,
        "question string, part string, month date, events bigint, exposure bigint, unit string, rate double, "
        "expected_rate double",
    )
    return to_six_places(frame, ("rate", "expected_rate"))
