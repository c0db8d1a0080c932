"""Reads numbers and days from texts, as the SQL in ``texts`` does, to recognize what columns mean."""

import re
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})(?:\D.*)?", re.DOTALL)
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:\D.*)?", re.DOTALL)
TOGETHER = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[T ].*)?", re.DOTALL)
DAY_FIRST = re.compile(
    r"(?:[^\W\d_]+\W+)?(\d{1,2})[-. ]+([^\W\d_]{3,10})[-., ]+(\d{4}|\d{2})(?:[^\d:].*)?", re.DOTALL
)
MONTH_FIRST = re.compile(
    r"(?:[^\W\d_]+\W+)?([^\W\d_]{3,10})[-. ]+(\d{1,2})(?:st|nd|rd|th)?[-, ]+(\d{4}|\d{2})(?:[^\d:].*)?",
    re.DOTALL,
)
YEAR_AFTER_TIME = re.compile(
    r"(?:[^\W\d_]+\W+)?([^\W\d_]{3,10})[-. ]+(\d{1,2})[-, ]+\d{1,2}:\d{2}(?::\d{2})?(?: [^ ]+)? (\d{4})"
)
MONTHS = (
    "jan|ene|gen",
    "feb|f[eé]v",
    "m[aä]?r",
    "apr|avr|abr",
    "ma[iyg]|mei",
    "jun|juin|giu",
    "jul|juil|lug",
    "aug|ao[uû]|ago",
    "sep|set",
    "o[ckt]t",
    "nov",
    "d[eéi][cz]",
)


NUMBERED = {
    "unix": re.compile(r"1\d{9}(?:\d{3}){0,2}(?:[.]\d+)?"),
    "excel": re.compile(r"[34]\d{4}(?:[.]\d+)?"),
}
"""Days as numbers: the seconds, milliseconds or microseconds since 1970, and the days of Excel from 1982 on."""


THOUSANDS = "[-+]?[0-9]+(?:[.,][0-9]{2,3})*[.,][0-9]{3}"
"""A whole number with signs between its digits; in India some have two digits between them."""

BETWEEN_DIGITS = re.compile(r"[\s'\u2019\u00a0\u2000-\u200b\u202f]", re.ASCII)
DASHES = re.compile("[\u2010-\u2015\u2212\ufe63\uff0d]")
"""What programs write in place of the hyphen before a negative number."""

CREDIT = re.compile(r"([0-9])[Cc][Rr]$")
"""What bookkeepers write after a number to be taken off."""


SCALED = re.compile(r"[0-9][ \u00a0\u202f]*(?:k|m|mn|mio|mrd|bn|tsd|lakhs?)(?:\W|$)", re.IGNORECASE)
"""1.5k is 1,500 to whoever wrote it, and rounded: such a text is no exact number."""


def number(text: str, decimal: str) -> Decimal | None:
    """A number as shops write it: with a currency, a minus at either end, or a sign between thousands."""
    if SCALED.search(text):
        return None
    bare = _in_front(_bare(text))
    if "," in bare and "." in bare:
        if not re.fullmatch(rf"{THOUSANDS}[.,][0-9]*", bare):
            return None
        last = "," if bare.rindex(",") > bare.rindex(".") else "."
        bare = bare.replace("," if last == "." else ".", "").replace(",", ".")
    elif bare.count(",") + bare.count(".") > 1:
        if not re.fullmatch(THOUSANDS, bare):
            return None
        bare = bare.replace(",", "").replace(".", "")
    elif re.fullmatch(r"[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}", bare) and decimal not in bare:
        bare = bare.replace(",", "").replace(".", "")
    else:
        bare = bare.replace(",", ".")
    try:
        return Decimal(bare) if re.fullmatch(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)", bare) else None
    except InvalidOperation:
        return None


def _bare(text: str) -> str:
    return re.sub(
        r"^[^-+(\d\u00bc-\u00be.,]+[.,]?|[^-)\d\u00bc-\u00be.,]+$|[.,]-$",
        "",
        CREDIT.sub(r"\1-", DASHES.sub("-", BETWEEN_DIGITS.sub("", text))),
    )


def _in_front(bare: str) -> str:
    if bare.startswith("(") and bare.endswith(")"):
        return f"-{_bare(bare[1:-1])}"
    if bare.endswith("-"):
        return f"-{bare[:-1]}"
    return f"-{_bare(bare[1:])}" if bare.startswith("-") else bare


def day(text: str, order: str) -> date | None:
    """The day of a text, if day and month are in this order: ymd, mdy or dmy; or the day of a number.

    A year in front and a month with its name are read in any order.
    """
    if order in NUMBERED:
        return _numbered(text, order)
    if order != "ymd" and (last := _year_last(text, order)):
        return last
    if found := YEAR_FIRST.fullmatch(text) or TOGETHER.fullmatch(text):
        return _date(*found.groups())
    if found := DAY_FIRST.fullmatch(text):
        return _date(found[3], _month(found[2]), found[1])
    if found := MONTH_FIRST.fullmatch(text) or YEAR_AFTER_TIME.fullmatch(text):
        return _date(found[3], _month(found[1]), found[2])
    return None


def _year_last(text: str, order: str) -> date | None:
    found = YEAR_LAST.fullmatch(text)
    if not found:
        return None
    first, second, year = found.groups()
    return _date(year, first, second) if order == "mdy" else _date(year, second, first)


def _numbered(text: str, order: str) -> date | None:
    """The day of a number."""
    if not NUMBERED[order].fullmatch(text):
        return None
    whole = text.split(".", maxsplit=1)[0]
    days = int(whole) if order == "excel" else int(whole[:10]) // SECONDS
    return (date(1899, 12, 30) if order == "excel" else date(1970, 1, 1)) + timedelta(days=days)


SECONDS = 24 * 60 * 60


def _month(name: str) -> str:
    for number_, pattern in enumerate(MONTHS, 1):
        if re.match(pattern, name, re.IGNORECASE):
            return str(number_)
    return "0"


FIRST_YEAR = 1971
"""Earlier years are what systems write if they have none, such as 1900 and 1970."""


def _date(year: str, month: str, day_: str) -> date | None:
    try:
        found = date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day_))
    except ValueError:
        return None
    return found if found.year >= FIRST_YEAR else None
