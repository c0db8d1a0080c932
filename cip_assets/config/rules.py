"""The business rules file: loaded once, checked completely, and then plain values."""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from cip_assets.config.errors import PlatformError
from cip_assets.config.yaml_text import read_yaml

EARLIEST_DAY, LATEST_DAY = date(1900, 1, 1), date(2099, 12, 31)
"""Limits of dates other than event dates. Some tools support only 1677 to 2262, the range of nanoseconds."""

QUESTIONS = ("repeat_purchases", "returns", "complaints", "engagement")
"""The four questions that the platform answers."""

DEFAULT_RULES = Path(__file__).with_name("business_rules.yaml")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _first_day(day: date) -> date:
    if day.day != 1:
        raise ValueError(f"write a month as YYYY-MM, not {day}")
    return day


def _in_reach(month: date) -> date:
    # Sail's functions on months reach back to 1677.
    if month < EARLIEST_DAY:
        raise ValueError(f"choose a month from {EARLIEST_DAY:%Y-%m} on, not {month:%Y-%m}")
    return month


def _in_order(scores: tuple[int, int]) -> tuple[int, int]:
    if scores[0] > scores[1]:
        raise ValueError(f"write the lower score first, not {list(scores)}")
    return scores


Month = Annotated[
    date,
    BeforeValidator(lambda value: f"{value}-01" if len(str(value)) == 7 else value),
    AfterValidator(_first_day),
]
"""A month, written as YYYY-MM and stored as its first day."""

Score = Annotated[int, Field(ge=1, le=5)]
ScoreRange = Annotated[tuple[Score, Score], AfterValidator(_in_order)]


class CalendarRules(_Strict):
    first_month: Annotated[Month, AfterValidator(_in_reach)]


class ChurnBands(_Strict):
    medium: int = Field(ge=1, le=99)
    high: int = Field(ge=1, le=99)

    @model_validator(mode="after")
    def high_is_above_medium(self) -> Self:
        if self.high <= self.medium:
            raise ValueError("high must be above medium")
        return self


class ChurnRules(_Strict):
    window_days: int = Field(ge=1)
    bands: ChurnBands
    contact_cost: float = Field(ge=0, le=999_999)
    save_rate: float = Field(ge=0, le=1)


class ForecastRules(_Strict):
    max_bias: float = Field(gt=0)


class RepeatRules(_Strict):
    within_days: int = Field(ge=1)


class InsightRules(_Strict):
    confidence: float = Field(gt=0.5, lt=1)
    smallest_change: Mapping[str, Annotated[float, Field(gt=0)]]

    @model_validator(mode="after")
    def every_question_has_a_change(self) -> Self:
        if sorted(self.smallest_change) != sorted(QUESTIONS):
            raise ValueError(f"smallest_change: name each of {', '.join(QUESTIONS)}, and nothing else")
        return self


class ClvRules(_Strict):
    annual_discount_rate: float = Field(ge=0)
    horizon_months: int = Field(ge=1, le=120)


class ValueRule(_Strict):
    max_recency_days: int = Field(ge=0)
    min_frequency: int = Field(ge=1)
    min_monetary: int = Field(ge=0)


class ValueRules(_Strict):
    high_value: ValueRule
    loyal: ValueRule


class RfmSegment(_Strict):
    name: str = Field(min_length=1)
    r: ScoreRange
    f: ScoreRange
    m: ScoreRange

    def fits(self, r: int, f: int, m: int) -> bool:
        pairs = ((r, self.r), (f, self.f), (m, self.m))
        return all(low <= score <= high for score, (low, high) in pairs)


class EngagementRules(_Strict):
    half_life_days: int = Field(ge=1)
    weights: Mapping[str, int]


class QualityRules(_Strict):
    max_orphan_share: float = Field(ge=0, le=1)
    max_quarantined_share: float = Field(ge=0, le=1)
    max_conflicting_ids_share: float = Field(ge=0, le=1)
    max_delivery_drop: float = Field(ge=0, le=1)
    max_delivery_growth: float = Field(ge=1)


class ListRules(_Strict):
    rows: int = Field(ge=1)
    days: int = Field(ge=1, le=3_660)
    closing_days: int = Field(ge=0)
    open_days: int = Field(ge=0)
    repeated_tickets: int = Field(ge=2)


TextShown = Literal["shown", "masked", "hidden"]


class PersonalData(_Strict):
    first_name: TextShown
    last_name: TextShown
    email: TextShown
    date_of_birth: Literal["shown", "hidden"]


class Role(_Strict):
    """What a role may see of a person. What is empty is as in ``personal_data``."""

    first_name: TextShown | None = None
    last_name: TextShown | None = None
    email: TextShown | None = None
    date_of_birth: Literal["shown", "hidden"] | None = None


class AppRules(_Strict):
    roles: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")], Role] = {}


class ExportRules(_Strict):
    neutralize_formulas: bool
    byte_order_mark: bool


class OperationRules(_Strict):
    keep_versions_days: int = Field(ge=0)
    max_days_at_once: int = Field(ge=1)
    fresh_for_hours: Mapping[str, Annotated[float, Field(gt=0)]]


class Rules(_Strict):
    """Every threshold, weight, segment and spelling that the business decides."""

    calendar: CalendarRules
    churn: ChurnRules
    repeat: RepeatRules
    insights: InsightRules
    forecast: ForecastRules
    clv: ClvRules
    value_segments: ValueRules
    rfm_segments: Sequence[RfmSegment]
    engagement: EngagementRules
    quality: QualityRules
    top_n: int = Field(ge=1)
    lists: ListRules
    personal_data: PersonalData
    app: AppRules = AppRules()
    exports: ExportRules
    fill: Mapping[str, str]
    vocabulary: Mapping[str, Sequence[str]]
    operations: OperationRules

    @model_validator(mode="after")
    def every_score_has_a_segment(self) -> Self:
        for r, f, m in product(range(1, 6), repeat=3):
            if not any(segment.fits(r, f, m) for segment in self.rfm_segments):
                raise ValueError(f"rfm_segments: no segment fits the scores {r} {f} {m}")
        return self

    @model_validator(mode="after")
    def activities_are_known(self) -> Self:
        activities = self.vocabulary.get("web_activity.activity_type", ())
        strange = sorted(set(self.engagement.weights) - set(activities))
        if strange:
            raise ValueError(
                f"engagement.weights.{strange[0]}: not in vocabulary.web_activity.activity_type; "
                "add it there, or remove the weight"
            )
        return self

    @model_validator(mode="after")
    def spellings_are_distinct(self) -> Self:
        for column, words in self.vocabulary.items():
            keys = [folded(word) for word in words]
            twice = next((word for word, key in zip(words, keys, strict=True) if keys.count(key) > 1), None)
            if twice:
                raise ValueError(f"vocabulary.{column}: {twice!r} is listed twice")
        return self


def folded(word: str) -> str:
    """A word as the vocabulary compares it: in lower case, with single blanks and none at the ends."""
    return " ".join(word.split()).lower()


def load_rules(path: Path = DEFAULT_RULES) -> Rules:
    """Read and check a rules file.

    Raises:
        PlatformError: the file is missing or is not YAML, or a key is wrong; the message names the key.

    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise PlatformError(f"business rules {path}: cannot be read: {reason}") from error
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        where = f"{key}: {problem}" if key else problem
        raise PlatformError(f"business rules {path}: {where}") from error


def rules_file() -> Path:
    """The rules file named in CIP_RULES, or the one in the package."""
    named = os.environ.get("CIP_RULES")
    return Path(named).expanduser() if named else DEFAULT_RULES
