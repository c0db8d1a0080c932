"""Finds the record that names the columns, by its content, and makes the names distinct."""

import re
from collections import Counter
from collections.abc import Sequence

from cip_assets.sources.reading.rows import Row

OWN_COLUMNS = ("line", "extra", "field_count", "record_text", "problem")
"""The columns that ``records`` adds."""

FILLED = 2 / 3
"""The least share of a table's columns that its header names."""

NAMES = 0.75
"""The least share of the fields of a header that look like names."""

LINE_BREAK = re.compile(r"\s*[\r\n]\s*")
NOT_IN_NAMES = " \t\r\n\ufeff\xa0'\""


def find_header(rows: Sequence[Row]) -> Row | None:
    """The first record with names in most columns of the table, or a narrower one above it that has as many.

    No record of the table may be above the header, where it would be lost. If all have fewer names, the header is the
    first record, if that is names; otherwise None.
    """
    width = _width_of_table(rows)
    header, most = None, 0
    for row in rows:
        filled = _filled(row)
        if len(filled) < min(width, max(2, FILLED * width)):
            continue
        if _are_names(filled):
            if len(filled) > most:
                header, most = row, len(filled)
            if len(row.fields) >= width:
                return header
        elif len(row.fields) >= width:
            break
    if header is None and rows and len(first := _filled(rows[0])) > 1 and _are_names(first):
        return rows[0]
    return header


def names(fields: Sequence[str | None]) -> tuple[str, ...]:
    """The column names in a header, each distinct.

    An empty name becomes ``column_3`` by its place. A name that is taken, by a column on its left or by one of
    ``OWN_COLUMNS``, gets the number of its occurrence: ``Menge``, ``Menge_2``.
    """
    cleaned = [LINE_BREAK.sub(" ", (field or "").strip(NOT_IN_NAMES)) for field in fields]
    return _distinct([name or f"column_{place}" for place, name in enumerate(cleaned, 1)])


def _distinct(wanted: Sequence[str]) -> tuple[str, ...]:
    """The names, of which those that are taken get a number that makes them new."""
    taken = {*OWN_COLUMNS, *wanted}
    seen = Counter(OWN_COLUMNS)
    found = []
    for name in wanted:
        seen[name] += 1
        new = name
        while seen[name] > 1 and (new := f"{name}_{seen[name]}") in taken:
            seen[name] += 1
        taken.add(new)
        found.append(new)
    return tuple(found)


def _width_of_table(rows: Sequence[Row]) -> int:
    """The number of fields of the records that fill most of the text."""
    counts = Counter(len(row.fields) for row in rows)
    return max(counts, key=lambda width: (counts[width] * width * (width > 1), width), default=1)


def _filled(row: Row) -> list[str]:
    return [field for field in row.fields if field and field.strip(NOT_IN_NAMES)]


def _are_names(fields: Sequence[str]) -> bool:
    return sum(map(_is_name, fields)) >= NAMES * len(fields)


def _is_name(cell: str) -> bool:
    letters = sum(map(str.isalpha, cell))
    digits = sum(map(str.isdigit, cell))
    return "@" not in cell and (letters > digits or not digits)
