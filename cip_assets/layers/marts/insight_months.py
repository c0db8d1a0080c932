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
    """What each answer is about, by month: the rate, and what it would have been had nothing changed. For engagement,
    the rate of the buyers with the fewest sessions, and that of alike buyers with the most.
    """

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
    rate: Ratio = column(
        "Rate of the month: events by exposure; for engagement, with the same buyers on both sides in each stratum, so "
        "that recency and frequency are held fixed",
        *COUNTED,
        required=True,
        ge=0,
    )
    weight: Ratio = column(
        "What the month counts for in a mean of rates: the exposure; for engagement, the sum over strata of "
        "n1 n2 / (n1 + n2), with n1 and n2 buyers on the two sides (Mantel and Haenszel)",
        *COUNTED,
        required=True,
        ge=0,
    )
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
        unit, scale = each.question.unit, each.question.scale
        for month in each.months:
            expected = None if month.expected is None else month.expected * scale
            place = (each.question.name, month.part, month.month, month.events, month.exposure)
            rows.append((*place, unit, month.rate * scale, month.weight, expected))
    frame = insight_counts.sparkSession.createDataFrame(
        rows,
        "question string, part string, month date, events bigint, exposure bigint, unit string, rate double, "
        "weight double, expected_rate double",
    )
    return to_six_places(frame, ("rate", "weight", "expected_rate"))
