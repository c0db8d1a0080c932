"""What is found out about the columns of an export."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cip_assets.sources.config import FieldName
from cip_assets.sources.values import day

State = Literal["proved", "chosen", "asked", "unknown"]
"""How sure a finding is. Proved by the contents; chosen by the name, and the contents fit; asked, because the contents
allow another answer; unknown, because there is no such column."""

Rows = Sequence[Mapping[str, str]]
Chosen = dict[FieldName, str]
"""The column of each field."""


@dataclass(frozen=True)
class Finding:
    """What was found for a field: the columns, how sure that is, why, and some values."""

    field: str
    columns: tuple[str, ...]
    state: State
    why: str
    values: tuple[str, ...] = ()


def plain(name: str) -> str:
    """A column's name for comparing: lower case, letters and digits only; ``#`` counts as no."""
    return re.sub(r"[\W_]", "", re.sub(r"[(].*[)]", "", name).replace("#", "no").lower())


def is_date(text: str) -> bool:
    """Whether a text is a day in any order."""
    return any(day(text, order) for order in ("ymd", "mdy", "dmy"))
