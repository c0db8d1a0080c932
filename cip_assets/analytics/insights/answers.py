"""The answers of a snapshot: each question, its months, and the parts that contribute most to a change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import exp
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cip_assets.analytics.insights.questions import (
    ENGAGEMENT,
    FALLING,
    QUESTIONS,
    RISING,
    Answer,
    Question,
    answer_to_change,
    answer_to_engagement,
    no_data,
)
from cip_assets.analytics.insights.rates import Change, Counts, Floats, Part, part_of, standardized

ALL = "all"
NAMED = 3
"""The most parts that an answer names."""
MOST, FEWEST = SIDES = ("most sessions", "fewest sessions")


@dataclass(frozen=True)
class Month:
    """The events of a month and its exposure, the rate, its weight in a mean of months, and the rate had nothing
    changed; None if that is not known.

    ``part`` is all customers, or those with the fewest or the most sessions. The rates of these two are those of alike
    customers (``standardized``), and the mean rates of all months have the ratio of the answer.
    """

    part: str
    month: date
    events: int
    exposure: int
    rate: float
    weight: float
    expected: float | None


@dataclass(frozen=True)
class Contribution:
    """The change of a part, such as a region."""

    dimension: str
    part: str
    change: Part

    @property
    def is_certain(self) -> bool:
        """Whether its interval excludes 0, all parts of the question together."""
        return bool(self.change.low > 0 or self.change.high < 0)


@dataclass(frozen=True)
class Told:
    """A question with its answer, its months, the month of the most likely change, and what contributed to it, the
    largest first.
    """

    question: Question
    answer: Answer
    months: Sequence[Month]
    changed_in: date | None
    contributions: Sequence[Contribution]

    @property
    def strongest(self) -> str:
        """The parts that changed more than the whole, the largest first, in words; empty if none did for certain."""
        if self.answer.direction not in (RISING, FALLING):
            return ""
        sign = 1 if self.answer.direction == RISING else -1
        found = [each for each in self.contributions if each.change.beyond * sign > 0 and each.is_certain]
        return "; ".join(f"{each.part} ({exp(each.change.effect) - 1:+.0%})" for each in found[:NAMED])


def answers(
    table: pa.Table,
    smallest: Mapping[str, float],
    confidence: float,
    missing: Mapping[str, str] = MappingProxyType({}),
) -> Sequence[Told]:
    """Answer the four questions.

    Args:
        table: rows of insight_counts, of one day.
        smallest: the smallest change of each question that matters, as a share.
        confidence: of all four answers together.
        missing: what was not delivered, for the questions that need it.

    """
    told = []
    for question in QUESTIONS:
        rows = table.filter(pc.equal(table["question"], question.name))
        limit = smallest[question.name]
        if question.name in missing:
            told.append(Told(question, no_data(missing[question.name]), [], None, []))
        elif question is ENGAGEMENT:
            sides = _sides(_compared(rows))
            answer = answer_to_engagement(sides, limit, confidence)
            told.append(Told(question, answer, _months_of_sides(sides), None, []))
        else:
            told.append(_told(question, _Parts(rows), limit, confidence))
    return told


def _told(question: Question, parts: "_Parts", smallest: float, confidence: float) -> Told:
    whole = parts.counts(ALL, ALL)
    answer, change = answer_to_change(question, whole, smallest, confidence)
    if change is None:
        return Told(question, answer, _months(whole), None, [])
    found = list(_contributions(parts, change, confidence))
    ranked = sorted(found, key=lambda each: (-abs(each.change.excess), each.dimension, each.part))
    return Told(question, answer, _months(whole, change), change.since, ranked)


class _Parts:
    """The counts of a question, by part."""

    def __init__(self, rows: pa.Table) -> None:
        self._dimension, dimensions = _codes(rows["dimension"])
        self._part, parts = _codes(rows["part"])
        self._stratum, self._strata = _codes(rows["stratum"])
        self._month, self._months = _codes(rows["month"])
        self._group = rows["customer_group"].to_numpy()
        self._events = rows["events"].to_numpy()
        self._exposure = rows["exposure"].to_numpy()
        pairs = set(zip(self._dimension.tolist(), self._part.tolist(), strict=True))
        self._codes = {(dimensions[one], parts[other]): (one, other) for one, other in sorted(pairs)}

    @property
    def names(self) -> Sequence[tuple[str, str]]:
        """The dimensions and parts."""
        return list(self._codes)

    def counts(self, dimension: str, part: str) -> Counts:
        """The counts of a part. A part without exposure of its own has that of all."""
        one, other = self._codes.get((dimension, part), (-1, -1))
        here = (self._dimension == one) & (self._part == other)
        place = (self._group[here], self._stratum[here], self._month[here])
        shape = (int(self._group[here].max(initial=0)) + 1, len(self._strata), len(self._months))
        events, exposure = np.zeros(shape), np.zeros(shape)
        events[place], exposure[place] = self._events[here], self._exposure[here]
        if np.isnan(exposure).any():
            exposure = self.counts(ALL, ALL).exposure.sum(0, keepdims=True)
        return Counts(events, exposure, self._months)


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[Any]]:
    """Values as places in the sorted list of them, and that list."""
    values = pc.sort_indices(distinct := pc.unique(column))
    ordered = distinct.take(values)
    return pc.index_in(column, value_set=ordered).to_numpy().astype(np.int64), ordered.to_pylist()


def _contributions(parts: _Parts, change: Change, confidence: float) -> Iterator[Contribution]:
    """The parts of every dimension that has several; each is tested as one of all of them."""
    several = [
        (dimension, part)
        for dimension, part in parts.names
        if dimension != ALL and sum(other == dimension for other, _ in parts.names) > 1
    ]
    for dimension, part in several:
        found = part_of(parts.counts(dimension, part), change, (1 - confidence) / len(several))
        if found is not None:
            yield Contribution(dimension, part, found)


def _months(counts: Counts, change: Change | None = None) -> Sequence[Month]:
    events, exposure = (whole.sum((0, 1)).tolist() for whole in (counts.events, counts.exposure))
    expected = [None] * len(events) if change is None else change.expected.tolist()
    return [
        Month(
            ALL,
            month,
            int(found),
            int(at_risk),
            found / at_risk,
            at_risk,
            None if usual is None else usual / at_risk,
        )
        for month, found, at_risk, usual in zip(counts.months, events, exposure, expected, strict=True)
        if at_risk  # A month can have returns although neither it nor the month before sold anything.
    ]


def _compared(rows: pa.Table) -> pa.Table:
    """The customers with the most sessions and those with the fewest, a third each where ties allow, by ``side``."""
    sessions = pc.cast(rows["part"], pa.int64()).to_numpy()
    order = np.argsort(sessions, kind="stable")
    share = np.cumsum(rows["exposure"].to_numpy()[order]) / max(pc.sum(rows["exposure"]).as_py() or 0, 1)
    # Customers with equally many sessions stay together.
    low, high = (
        (sessions[order][np.searchsorted(share, limit)] for limit in (1 / 3, 2 / 3)) if len(order) else (0, 0)
    )
    side = np.where(sessions <= low, SIDES.index(FEWEST), np.where(sessions >= high, SIDES.index(MOST), -1))
    return rows.append_column("side", pa.array(side)).filter(pa.array(side >= 0))


def _sides(rows: pa.Table) -> Counts:
    """The churned customers and all, of shape (groups, strata, sides); a stratum is also of one month."""
    (stratum, strata), (month, months) = _codes(rows["stratum"]), _codes(rows["month"])
    groups = rows["customer_group"].to_numpy()
    place = (groups, stratum * len(months) + month, rows["side"].to_numpy())

    def counted(name: str) -> Floats:
        found = np.zeros((int(groups.max(initial=0)) + 1, len(strata) * len(months), len(SIDES)))
        np.add.at(found, place, rows[name].to_numpy())
        return found

    return Counts(counted("events"), counted("exposure"), months)


def _months_of_sides(sides: Counts) -> Sequence[Month]:
    """The months in which alike customers are on both sides."""
    events, exposure = sides.events.sum(0), sides.exposure.sum(0)
    alike, weights = standardized(events, exposure)
    found = []
    for number, month in enumerate(sides.months):
        here = slice(number, None, len(sides.months))
        weight = float(weights[here].sum())
        if weight:
            found += [
                Month(
                    name,
                    month,
                    int(events[here, side].sum()),
                    int(exposure[here, side].sum()),
                    float(alike[here, side].sum()) / weight,
                    weight,
                    None,
                )
                for side, name in enumerate(SIDES)
            ]
    return found
