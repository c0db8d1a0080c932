"""The answers to the four questions: for each one the direction, the change and its confidence interval.

Each month is compared with the same month one year earlier, so the season has no effect. With less than a year and
three months of history, the later half of the months is compared with the earlier half. The interval is the Student's
t interval of the mean difference, so it accounts for the usual variation between months.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import cast

from cip_assets.analytics.special import stdtrit

CONFIDENCE = 0.99
"""At 95%, one snapshot in five would show a change that is not real in at least one of the four questions."""

FEWEST = 3
"""Pairs that an answer needs."""

YEAR = 12
LATEST_PAIRS = 6
"""The questions are about the present, so only the last pairs are compared."""

RISING, FALLING, FLAT = "rising", "declining", "no change"
UNKNOWN, NO_DATA = "too early to say", "no data"

Monthly = Mapping[date, float]


@dataclass(frozen=True)
class Change:
    """The mean of a measure before and now, the mean change, and the ends of its interval."""

    before: float
    now: float
    change: float
    low: float
    high: float
    pairs: int
    basis: str


@dataclass(frozen=True)
class Question:
    """A question, its measure, its answers in words by direction, and the monthly counts that it needs, each in
    words.
    """

    name: str
    measure: str
    percent: bool
    answers: Mapping[str, str]
    needs: Mapping[str, str]


QUESTIONS = (
    Question(
        "repeat_purchases",
        "second_order_rate",
        True,
        {
            RISING: "Repeat purchases are rising",
            FALLING: "Repeat purchases are declining",
            FLAT: "Repeat purchases show no change",
        },
        {"buyers": "purchases of known customers"},
    ),
    Question(
        "returns",
        "return_ratio",
        True,
        {RISING: "Returns are rising", FALLING: "Returns are declining", FLAT: "Returns show no change"},
        {"returns": "returns", "order_lines": "orders"},
    ),
    Question(
        "complaints",
        "complaints_per_100",
        False,
        {
            RISING: "Complaints are rising",
            FALLING: "Complaints are declining",
            FLAT: "Complaints show no change",
        },
        {"tickets": "support tickets", "active_customers": "purchases or web sessions of known customers"},
    ),
    Question(
        "engagement",
        "churn_rate_q1 - churn_rate_q4",
        True,
        {
            RISING: "Low engagement predicts churn",
            FALLING: "High engagement predicts churn",
            FLAT: "Engagement does not predict churn",
        },
        {"sessions": "web sessions", "buyers": "purchases of known customers"},
    ),
)


def change_of(monthly: Monthly) -> Change | None:
    """The change of a measure from one year to the next; None if there are too few months to compare."""
    pairs = [
        (monthly[a_year_earlier(m)], monthly[m]) for m in sorted(monthly) if a_year_earlier(m) in monthly
    ]
    if len(pairs) >= FEWEST:
        return _mean_change(pairs[-LATEST_PAIRS:], "each month compared with the same month a year earlier")
    values = [monthly[month] for month in sorted(monthly)]
    half = len(values) // 2
    if half < FEWEST:
        return None
    paired = list(zip(values[:half], values[-half:], strict=True))
    return _mean_change(
        paired, "the later half of the months compared with the earlier half; the season is not removed"
    )


def missing_for(question: Question, months: Collection[Mapping[str, object]]) -> str | None:
    """What a question needs and no month has, in words; None if everything was delivered."""
    return next(
        (words for count, words in question.needs.items() if all(row[count] is None for row in months)), None
    )


def direction_of(change: Change | None, missing: str | None = None) -> str:
    """The direction, if the interval excludes zero."""
    if missing:
        return NO_DATA
    if change is None:
        return UNKNOWN
    return RISING if change.low > 0 else FALLING if change.high < 0 else FLAT


def answer_to(question: Question, change: Change | None, missing: str | None = None) -> str:
    """The answer in words, with the change and its interval."""
    if missing:
        return f"No data: no {missing} were delivered"
    if change is None:
        return "Too early to say: too few months to compare"
    scale, unit = (100, "percentage points") if question.percent else (1, "per 100 active customers")
    low, high = scale * change.low, scale * change.high
    size = f"{scale * change.change:+.1f} {unit} ({CONFIDENCE:.0%} interval: {low:+.1f} to {high:+.1f})"
    return f"{question.answers[direction_of(change)]}: {size}"


def a_year_earlier(month: date) -> date:
    return month.replace(year=month.year - 1)


def change_in(months: Sequence[Mapping[str, object]], question: Question) -> Change | None:
    """The change that answers a question, from the rows of the months in order."""
    return (
        _churn_gap(months) if question.name == "engagement" else _change_of_measure(months, question.measure)
    )


def in_order(months: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    return sorted(months, key=_month)


def _change_of_measure(months: Sequence[Mapping[str, object]], measure: str) -> Change | None:
    return change_of({_month(row): float(str(row[measure])) for row in months if row[measure] is not None})


def _churn_gap(months: Sequence[Mapping[str, object]]) -> Change | None:
    """The churn rate of the lowest engagement quartile minus that of the highest, for each month's buyers."""
    pairs = [
        (float(str(row["churn_rate_q4"])), float(str(row["churn_rate_q1"])))
        for row in months
        if row["churn_rate_q1"] is not None and row["churn_rate_q4"] is not None
    ]
    basis = "the lowest engagement quartile of each month's buyers compared with the highest"
    return _mean_change(pairs[-YEAR:], basis) if len(pairs) >= FEWEST else None


def _mean_change(pairs: Sequence[tuple[float, float]], basis: str) -> Change:
    count = len(pairs)
    differences = [now - before for before, now in pairs]
    mean = sum(differences) / count
    spread = sqrt(sum((d - mean) ** 2 for d in differences) / (count - 1) / count)
    margin = stdtrit(count - 1, (1 + CONFIDENCE) / 2) * spread
    before, now = (sum(values) / count for values in zip(*pairs, strict=True))
    return Change(before, now, mean, mean - margin, mean + margin, count, basis)


def _month(row: Mapping[str, object]) -> date:
    return cast("date", row["month"])
