"""How values are written in landing files. The same patterns work in RE2, Java and Rust.

Digits are ``[0-9]`` and blanks are listed: the classes of both are ASCII in Java and Unicode in Rust.
"""

from decimal import Decimal

ISO_DATE = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)?$"
)
"""An ISO 8601 date, with or without a time of day. The date is the first ten characters."""

ISO_TIME_TO_SECONDS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?"
"""The part of such a text that is kept: no fraction of a second, no offset."""

NO_YEAR = "0000"
"""A year that the engines take and that Python and the calendar do not have."""

NO_DATE = ("0001-01-01", "9999-12-31")
"""What systems write where they have no date."""

LARGEST_AMOUNT = Decimal("999999999.99")
"""Of one line: ten million of them still add up exactly in ``decimal(18,2)``, whatever table they are summed in."""

LARGEST_QUANTITY = 999_999_999

BLANKS = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""The characters that count as blanks, the no-break space of spreadsheets included."""

BLANK = r"[\s\p{Z}\x{85}]"
"""One of them as a pattern. Not for the blanks at the ends: Java takes minutes for a long row of them inside."""

WHOLE_NUMBER = r"^[+-]?[0-9]+([.]0*)?$"
"""``3``, ``+3`` and ``3.0``; no exponent, which the engines read differently."""

PLAIN_NUMBER = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)$"
"""``12``, ``12.5``, ``.5``; no exponent and no thousands separator."""

NUMBER_TO_MILLS = r"^[+-]?[0-9]*([.][0-9]{0,3})?"
"""The part of such a number that decides how it is rounded to cents; Sail reads no fraction of 100 digits."""

NEGATIVE_NUMBER = r"^-.*[1-9]"
"""A plain number below zero, though it may be rounded to it."""

EMAIL = r"^[\p{L}\p{M}\p{N}.!#$%&'*+/=?^_`{|}~-]+@[\p{L}\p{M}\p{N}._-]+[.][\p{L}\p{M}\p{N}_-]+$"
"""Just plausible: exactly one plain address, a dotted name after its only @. No blanks, commas, semicolons, quotes or
brackets: a second address or a name could stand beside them. No group is repeated: Java would run out of stack."""
