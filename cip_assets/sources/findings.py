"""What is found out about the columns of an export."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from unicodedata import combining, normalize

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


ARTICLES = re.compile(r"\b(?:de|del|della|di|do|da|du|des|der|of|the|la|le|el)\b|\b(?:d|l|dell|all)['\u2019]")


@cache
def plain(name: str) -> str:
    """A column's name for comparing: lower case, letters without accents and digits only, and no articles.

    What is in brackets is left out; ``#`` and ``N°`` count as no.
    """
    outside = re.sub(r"[(].*[)]", "", name).replace("#", "no").replace("°", "o").lower()
    letters = "".join(letter for letter in normalize("NFKD", outside) if not combining(letter))
    return re.sub(r"[\W_]", "", ARTICLES.sub("", letters))


TAX = r"vat|tax(?:es)?|mwst|ust|tva|iva|btw|moms"
QUALIFIER = re.compile(
    r"\b(?:(?:in|ex)(?:c|cl|cluding|clusive|kl)?[.]?|with(?:out)?|hors|sans|con|senza|sin|zzgl[.]?)\W*"
    rf"(?:{TAX})\b|\b(?:net|gross|netto|brutto|lordo|neto|bruto|ht|ttc)\b",
    re.IGNORECASE,
)
CODES = "EUR|USD|GBP|CHF|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|TRY|CAD|AUD|NZD|JPY|CNY|HKD|SGD|INR|BRL|MXN|ZAR|AED|ILS|KRW"
CURRENCY = re.compile(rf"\b(?:in )?({CODES})\b|(?:\bin )?([€£])")
SIGNS = {"€": "EUR", "£": "GBP"}


def currency_named(column: str) -> str | None:
    """The currency in a column's name, such as ``Amount (EUR)``."""
    found = CURRENCY.search(column)
    return found and (found[1] or SIGNS[found[2]])


def unqualified(column: str) -> str:
    """A column's name for comparing, without its currency and whether it is with tax; empty if it says neither."""
    without = CURRENCY.sub("", QUALIFIER.sub("", column))
    return "" if without == column else plain(without)


def is_date(text: str) -> bool:
    """Whether a text is a day in any order."""
    return any(day(text, order) for order in ("ymd", "mdy", "dmy"))
