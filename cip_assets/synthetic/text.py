"""Converts numpy columns to the text of CSV lines, without a Python loop.

Every function returns an Arrow string array with the length of its input and without nulls: an empty value is the empty
string.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def identifiers(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """Zero-padded ids, such as C0000001."""
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(integers(numbers), width, "0"), "")


def integers(numbers: Ints) -> pa.Array:
    """Plain decimal integers."""
    return pc.cast(pa.array(numbers), pa.string())


def money(cents: Ints) -> pa.Array:
    """Amounts in currency units with two decimals, from non-negative cents."""
    return pc.binary_join_element_wise(
        integers(cents // 100), pc.utf8_lpad(integers(cents % 100), 2, "0"), "."
    )


def dates(start: date, days: Ints) -> pa.Array:
    """ISO 8601 dates, from days since `start`."""
    return pc.cast(pa.array(np.datetime64(start, "D") + days), pa.string())


def times(start: date, days: Ints, seconds: Ints) -> pa.Array:
    """Times as YYYY-MM-DD HH:MM:SS, from days since `start` and seconds since midnight."""
    return pc.cast(pa.array(np.datetime64(start, "s") + days * 86_400 + seconds), pa.string())


def labels(values: Sequence[str], index: Ints) -> pa.Array:
    """The value at each index."""
    return pa.array(values, pa.string()).take(pa.array(index))


def blank_unless(condition: NDArray[np.bool_], values: pa.Array) -> pa.Array:
    """The values if the condition holds, otherwise the empty string."""
    return pc.if_else(pa.array(condition), values, "")


def quoted(values: pa.Array) -> pa.Array:
    """The values, quoted as in RFC 4180 if they need it."""
    inside = pc.replace_substring(values, '"', '""')
    return pc.if_else(
        pc.match_substring_regex(values, '[",\r\n]'),
        pc.binary_join_element_wise('"', inside, '"', ""),
        values,
    )


def lines(columns: Sequence[pa.Array]) -> pa.Array:
    """CSV lines with their line ends, from columns that are already quoted."""
    ended = pc.binary_join_element_wise(columns[-1], "\n", "")
    return pc.binary_join_element_wise(*columns[:-1], ended, ",")
