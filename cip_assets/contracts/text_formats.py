"""Formats of the values in landing files. The patterns work in RE2, Java and Rust.

Digits are written ``[0-9]`` and blanks are listed, because the classes of both are ASCII in Java and Unicode in Rust.
"""

from decimal import Decimal

ISO_DATE = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?$"
)
"""An ISO 8601 date, with or without a time of day. The date is the first ten characters."""

ISO_TIME_TO_SECONDS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?"
"""The part of such a text that is kept, without fractions of a second and without the offset."""

PLAIN_DATE = (
    "(19|20)[0-9]{2}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
)
"""A date of the 20th or 21st century that every calendar has, so without February 29."""

PLAIN_TIME = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"

NO_YEAR = "0000"
"""A year that the engines accept, but that does not exist in Python or in the calendar."""

NO_DATE = ("0001-01-01", "9999-12-31")
"""Placeholders that systems write if they have no date."""

LARGEST_AMOUNT = Decimal("999999999.99")
"""The largest amount of one line. Ten million such amounts still add up exactly in ``decimal(18,2)``."""

LARGEST_QUANTITY = 999_999_999

CURRENCY = r"^[A-Z]{3}$"
"""The form of an ISO 4217 code, such as EUR."""

BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\u200e\u200f\u2060\ufeff"
)
"""The characters that count as blanks, including the no-break space of spreadsheets, and those of no width."""

BLANK = r"[\s\p{Z}\x{85}]"
"""A blank, as a pattern. Do not use it to trim: Java takes minutes if there are many blanks inside the text."""

WHOLE_NUMBER = r"^[+-]?[0-9]+([.]0*)?$"
"""``3``, ``+3`` and ``3.0``; no exponent, which the engines read differently."""

PLAIN_NUMBER = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)$"
"""``12``, ``12.5``, ``.5``; no exponent and no thousands separator."""

SHORT_WHOLE_NUMBER = r"^[0-9]{1,9}$"
SHORT_AMOUNT = r"^[0-9]{1,9}([.][0-9]{1,2})?$"
"""Numbers that every engine casts alike: not negative, not too large for any type, and nothing to round."""

NUMBER_TO_MILLS = r"^[+-]?[0-9]*([.][0-9]{0,3})?"
"""The part of such a number that matters for rounding to cents; Sail cannot read a fraction of 100 digits."""

NEGATIVE_NUMBER = r"^-.*[1-9]"
"""A plain number below zero, even if it would be rounded to zero."""

EMAIL = r"^[\p{L}\p{M}\p{N}.!#$%&'*+/=?^_`{|}~-]+@[\p{L}\p{M}\p{N}._-]+[.][\p{L}\p{M}\p{N}_-]+$"
"""A plausible email address: exactly one, with one @ and a dotted name after it. Blanks, commas, semicolons, quotes and
brackets are excluded, because they could separate a second address or a name. No group is repeated, because Java would
run out of stack.
"""
