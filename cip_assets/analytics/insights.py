"""The four questions, each answered in one row: direction, size and a confidence interval.

A month is compared with the same month a year before, so that the season plays no part; with less than a year and
three months of history, the later half of the months with the earlier. The interval is that of a mean of such
differences by Student's t, so it knows how much months differ by themselves, whatever the reason.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import cast

from scipy.special import stdtrit

CONFIDENCE = 0.99
"""Four questions are asked of every snapshot: at 95 % one in five would show a change where there is none."""

FEWEST = 3
"""Differences, without which nothing is said."""

YEAR = 12
LATEST_PAIRS = 6
"""The question is of now: of the months with one a year before, the last so many are compared."""

RISING, FALLING, FLAT, UNKNOWN = "rising", "declining", "no change", "too early to say"

Monthly = Mapping[date, float]


@dataclass(frozen=True)
class Change:
    """What a measure was and is, and by how much it changed on average, with the ends of the interval."""

    before: float
    now: float
    change: float
    low: float
    high: float
    pairs: int
    basis: str


@dataclass(frozen=True)
class Question:
    """A question, the measure that answers it, and its answers in words, by direction."""

    name: str
    measure: str
    percent: bool
    answers: Mapping[str, str]


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
    ),
    Question(
        "returns",
        "return_ratio",
        True,
        {RISING: "Returns are rising", FALLING: "Returns are declining", FLAT: "Returns show no change"},
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
    ),
    Question(
        "engagement",
        "churn_rate_q1 - churn_rate_q4",
        True,
        {
            RISING: "Low engagement foretells churn",
            FALLING: "High engagement foretells churn",
            FLAT: "Engagement does not foretell churn",
        },
    ),
)


def change_of(monthly: Monthly) -> Change | None:
    """How a measure changed, month for month against a year before; None where there is too little to compare."""
    pairs = [(monthly[a_year_before(m)], monthly[m]) for m in sorted(monthly) if a_year_before(m) in monthly]
    if len(pairs) >= FEWEST:
        return _mean_change(pairs[-LATEST_PAIRS:], "each month against the same month a year before")
    values = [monthly[month] for month in sorted(monthly)]
    half = len(values) // 2
    if half < FEWEST:
        return None
    paired = list(zip(values[:half], values[-half:], strict=True))
    return _mean_change(
        paired, "the later half of the months against the earlier; the season is not taken out"
    )


def direction_of(change: Change | None) -> str:
    """What the interval says: a direction where it is clear of zero."""
    if change is None:
        return UNKNOWN
    return RISING if change.low > 0 else FALLING if change.high < 0 else FLAT


def answer_to(question: Question, change: Change | None) -> str:
    """The answer in words, with its size and interval."""
    if change is None:
        return "Too early to say: there are too few months to compare"
    unit = 100 if question.percent else 1
    points = " points" if question.percent else ""
    low, high = unit * change.low, unit * change.high
    size = f"{unit * change.change:+.1f}{points} ({CONFIDENCE:.0%}: {low:+.1f} to {high:+.1f})"
    return f"{question.answers[direction_of(change)]}: {size}"


def a_year_before(month: date) -> date:
    return month.replace(year=month.year - 1)


def change_in(months: Sequence[Mapping[str, object]], question: Question) -> Change | None:
    """The change that answers a question, from rows of months in their order."""
    return _of_engagement(months) if question.name == "engagement" else _of(months, question.measure)


def in_order(months: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    return sorted(months, key=_month)


def _of(months: Sequence[Mapping[str, object]], measure: str) -> Change | None:
    return change_of({_month(row): float(str(row[measure])) for row in months if row[measure] is not None})


def _of_engagement(months: Sequence[Mapping[str, object]]) -> Change | None:
    """The churn of the least engaged quarter against that of the most engaged, of each month's buyers."""
    judged = [
        (float(str(row["churn_rate_q4"])), float(str(row["churn_rate_q1"])))
        for row in months
        if row["churn_rate_q1"] is not None and row["churn_rate_q4"] is not None
    ]
    basis = "each month's least engaged quarter of buyers against its most engaged"
    return _mean_change(judged[-YEAR:], basis) if len(judged) >= FEWEST else None


def _mean_change(pairs: Sequence[tuple[float, float]], basis: str) -> Change:
    count = len(pairs)
    differences = [now - before for before, now in pairs]
    mean = sum(differences) / count
    spread = sqrt(sum((d - mean) ** 2 for d in differences) / (count - 1) / count)
    margin = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * spread
    before, now = (sum(values) / count for values in zip(*pairs, strict=True))
    return Change(before, now, mean, mean - margin, mean + margin, count, basis)


def _month(row: Mapping[str, object]) -> date:
    return cast("date", row["month"])
