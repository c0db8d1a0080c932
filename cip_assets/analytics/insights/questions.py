"""The four questions, and their answers in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import exp, log
from typing import Final

from cip_assets.analytics.insights.rates import (
    SPARE,
    YEAR,
    Change,
    Counts,
    change_of,
    months_missing,
    ratio_of,
)

RISING, FALLING, FLAT = "rising", "declining", "no change"
UNKNOWN, NO_DATA = "cannot tell yet", "no data"
DIRECTIONS: Final = (RISING, FALLING, FLAT, UNKNOWN, NO_DATA)
LONG: Final = 24
"""More months than this are not worth a forecast."""


PER_100_AND_MONTH: Final = 100 * 365.25 / 12


@dataclass(frozen=True)
class Question:
    """A question, its measure in words, and its answers by direction.

    ``needs`` are the columns of kpi_trends that are empty if something was not delivered, and what that is. Rates are
    shown in ``unit``: events divided by exposure, times ``scale``.
    """

    name: str
    asks: str
    measure: str
    unit: str
    scale: float
    needs: Mapping[str, str]
    subject: str
    answers: Mapping[str, str]


REPEAT = Question(
    "repeat_purchases",
    "Are repeat purchases declining?",
    "purchase days after a customer's first, of customers who bought in the three months before, compared with "
    "customers who bought equally often and equally recently",
    "purchase days per 100 customers and month",
    PER_100_AND_MONTH,
    {"buyers": "purchases of known customers"},
    "repeat purchases",
    {RISING: "Repeat purchases are rising", FALLING: "Repeat purchases are declining"},
)
RETURNS = Question(
    "returns",
    "Are returns rising?",
    "returns per order line of the month and the month before",
    "returns per 100 order lines",
    200,  # each line counts in two months
    {"returns": "returns", "order_lines": "orders"},
    "returns",
    {RISING: "Returns are rising", FALLING: "Returns are declining"},
)
COMPLAINTS = Question(
    "complaints",
    "Are complaints rising?",
    "support tickets of customers who bought in the three months before, compared with customers who "
    "bought equally often and equally recently",
    "tickets per 100 customers and month",
    PER_100_AND_MONTH,
    {"tickets": "support tickets", "buyers": "purchases of known customers"},
    "complaints",
    {RISING: "Complaints are rising", FALLING: "Complaints are declining"},
)
ENGAGEMENT = Question(
    "engagement",
    "Does low engagement predict churn?",
    "share of buyers without a purchase in the churn window, of those with the fewest web sessions in the three months "
    "before it compared with those with the most, who bought equally often and equally recently",
    "churned buyers, %",
    100,
    {"sessions": "web sessions", "buyers": "purchases of known customers"},
    "engagement",
    {RISING: "Low engagement predicts churn", FALLING: "High engagement predicts churn"},
)
QUESTIONS: Final = (REPEAT, RETURNS, COMPLAINTS, ENGAGEMENT)


@dataclass(frozen=True)
class Answer:
    """An answer: the direction, the words, and the change as a share of the rate before (0.1 is 10% more).

    ``low`` and ``high`` are the ends of its interval, and ``since`` is the month in which it began. About
    ``months_needed`` more months would settle it. Each is None if it is not known.
    """

    direction: str
    text: str
    change: float | None = None
    low: float | None = None
    high: float | None = None
    since: date | None = None
    months_needed: int | None = None


def answer_to_change(
    question: Question, counts: Counts, smallest: float, confidence: float
) -> tuple[Answer, Change | None]:
    """Whether the rate of a question changed, and the change behind the answer.

    Args:
        question: one of those about a change.
        counts: of months that are over.
        smallest: the smallest change that matters, as a share.
        confidence: of all four answers together.

    """
    if missing := months_missing(counts):
        wanted = (
            f"{YEAR + SPARE} full months after the first ones are needed to tell a change from the season"
        )
        return _cannot_tell(question, f"{wanted}, and there are {len(counts.months)} so far", missing), None
    found = change_of(counts, _each(confidence))
    if found is None:
        return _cannot_tell(question, f"there are too few {question.subject}"), None
    change, low, high = (_share(x) for x in (found.effect, found.low, found.high))
    if found.largest < log(1 + smallest):
        text = f"{_capital(question.subject)} show no change of {smallest:.0%} or more"
        return Answer(FLAT, text, change, low, high), found
    if found.is_certain:
        direction = RISING if found.effect > 0 else FALLING
        size = (
            f"{change:+.0%} since {found.since:%B %Y} ({confidence:.0%} interval: {low:+.0%} to {high:+.0%})"
        )
        return Answer(
            direction, f"{question.answers[direction]}: {size}", change, low, high, found.since
        ), found
    needed = found.months_needed(log(1 + smallest))
    hidden = f"a change of {_share(found.largest):.0%} could be hidden in the usual variation"
    if needed is None:
        reason = f"{hidden}, and the latest months point to one"
    elif needed > LONG:
        reason = f"{hidden}, and it would take more than two years to rule out one of {smallest:.0%}"
    else:
        reason = f"{hidden}; in about {_months(needed)} it would show if it is {smallest:.0%} or more"
    return _cannot_tell(question, reason, needed, (change, low, high)), found


def answer_to_engagement(counts: Counts, smallest: float, confidence: float) -> Answer:
    """Whether customers with few sessions churn more often than those with many, other things equal.

    Args:
        counts: churned customers and all, of shape (groups, strata, 2): with the most sessions, and with the fewest.
        smallest: the smallest difference that matters, as a share of the churn rate.
        confidence: of all four answers together.

    """
    found = ratio_of(counts, _each(confidence))
    if found is None:
        return _cannot_tell(ENGAGEMENT, "too few customers can be compared, or none of them churned")
    effect, low, high = found
    shares = (_share(effect), _share(low), _share(high))
    limit = log(1 + smallest)
    times = f"{exp(effect):.2f} times as often ({confidence:.0%} interval: {exp(low):.2f} to {exp(high):.2f})"
    few = f"customers with the fewest web sessions churn {times} as alike ones with the most"
    if -limit < low and high < limit:
        return Answer(FLAT, f"Engagement does not predict churn: {few}", *shares)
    if low > 0 or high < 0:
        direction = RISING if effect > 0 else FALLING
        return Answer(direction, f"{ENGAGEMENT.answers[direction]}: {few}", *shares)
    return _cannot_tell(ENGAGEMENT, f"{few}, which includes no difference", None, shares)


def _each(confidence: float) -> float:
    """The probability of a false answer to one question that keeps that of all together."""
    return (1 - confidence) / len(QUESTIONS)


def _share(effect: float) -> float:
    return exp(effect) - 1


def no_data(missing: str) -> Answer:
    """The answer if something was not delivered."""
    return Answer(NO_DATA, f"No data: no {missing} were delivered")


def _cannot_tell(
    question: Question,
    reason: str,
    needed: int | None = None,
    shares: tuple[float | None, float | None, float | None] = (None, None, None),
) -> Answer:
    about = (
        "whether engagement predicts churn"
        if question is ENGAGEMENT
        else f"whether {question.subject} changed"
    )
    return Answer(UNKNOWN, f"Cannot tell yet {about}: {reason}", *shares, months_needed=needed)


def _months(count: int) -> str:
    return "one month" if count == 1 else f"{count} months"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
