"""Where the changes of the four questions come from."""

from math import exp

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


class InsightContributions(
    DaySnapshot,
    grain="one row per question, part and snapshot day",
    key=["question", "dimension", "part"],
    domain="customers",
):
    """How much each part, such as a region or a category, changed since the month in which the whole changed most. Each
    part is compared with the season and mix of customers of the whole.
    """

    question: T.StringType = column(
        "Question", *COUNTED, required=True, isin=[question.name for question in QUESTIONS]
    )
    dimension: T.StringType = column("What the parts are", required=True)
    part: T.StringType = column("The part", required=True)
    since: T.DateType = column("Month since which it is compared", *COUNTED, required=True)
    events: T.LongType = column("Events since then", required=True, ge=0)
    excess: Ratio = column("Events more than without a change of the part", *COUNTED, required=True)
    change: Ratio = column("Change as a share of the rate before", *COUNTED, required=True)
    low: Ratio = column(
        "Lower end of its interval, all parts of the question together", *COUNTED, required=True
    )
    high: Ratio = column("Upper end of that interval", *COUNTED, required=True)
    is_certain: T.BooleanType = column("Whether the interval excludes 0", *COUNTED, required=True)


@csv_file(order_by=["question", "dimension", "part"], months=["since"])
@table(InsightContributions, insight_counts=InsightCounts)
def insight_contributions(insight_counts: DataFrame, rules: Rules) -> DataFrame:
    told = answers(insight_counts.toArrow(), rules.insights.smallest_change, rules.insights.confidence)
    rows = [
        (
            each.question.name,
            found.dimension,
            found.part,
            each.changed_in,
            int(found.change.observed),
            found.change.excess,
            *(exp(effect) - 1 for effect in (found.change.effect, found.change.low, found.change.high)),
            found.is_certain,
        )
        for each in told
        for found in each.contributions
    ]
    frame = insight_counts.sparkSession.createDataFrame(
        rows,
        "question string, dimension string, part string, since date, events bigint, excess double, change double, "
        "low double, high double, is_certain boolean",
    )
    figures = ("excess", "change", "low", "high")
    return to_six_places(frame, figures)
