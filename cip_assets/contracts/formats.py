"""How values are written in landing files. The same patterns work in RE2, Java and Rust."""

ISO_DATE = (
    r"^\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?( ?(Z|[+-]\d{2}:?\d{2}))?)?$"
)
"""An ISO 8601 date, with or without a time of day. The date is the first ten characters."""

ISO_TIME_TO_SECONDS = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?"
"""The part of such a text that is kept: no fraction of a second, no offset."""

BLANK = r"[\s\p{Z}\x{85}]"
"""A blank, the no-break space of spreadsheets included: ``\\s`` alone is ASCII in Java and Unicode in Rust."""

BLANKS_AROUND = f"^{BLANK}+|{BLANK}+$"

WHOLE_NUMBER = r"^[+-]?\d{1,9}([.]0*)?$"
"""``3``, ``+3`` and ``3.0``; no exponent, which the engines read differently."""

PLAIN_NUMBER = r"^[+-]?(\d+([.]\d*)?|[.]\d+)$"
"""``12``, ``12.5``, ``.5``; no exponent and no thousands separator."""

EMAIL = r"^[\p{L}\p{M}\p{N}.!#$%&'*+/=?^_`{|}~-]+@[\p{L}\p{M}\p{N}_-]+([.][\p{L}\p{M}\p{N}_-]+)+$"
"""Just plausible: exactly one plain address, a dotted name after its only @. No blanks, commas, semicolons, quotes or
brackets: a second address or a name could stand beside them."""
