"""The cursor column of a database: how far it reaches, and where the next fetch begins.

A cursor is a time, as text that begins with a day, or a number.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from cip_assets.config.errors import PlatformError
from cip_assets.sources.databases.database import Database
from cip_assets.storage.views import literal

OVERLAP = 10_000
"""How many numbers before the last one a fetch begins again. Of times, it is one day."""

IS_DAY = r"^\d{4}-\d{2}-\d{2}([ T]|$)"
IS_NUMBER = r"^-?\d+([.]\d+)?$"


def begin(reach: str) -> str:
    """Where the next fetch begins, as SQL."""
    if re.match(IS_NUMBER, reach):
        return str(int(Decimal(reach)) - OVERLAP)
    return literal((date.fromisoformat(reach[:10]) - timedelta(days=1)).isoformat())


def further(one: str | None, other: str) -> str:
    if one is None:
        return other
    return max(one, other, key=Decimal) if re.match(IS_NUMBER, other) else max(one, other)


def highest(database: Database, cursors: pa.StringArray, *, is_number: bool) -> str:
    """The highest of some cursors.

    Raises:
        PlatformError: one is neither a day nor a number as the others are, or lies in the future.

    """
    wrong = cursors.filter(pc.invert(pc.match_substring_regex(cursors, IS_NUMBER if is_number else IS_DAY)))
    if len(wrong):
        raise PlatformError(_unfit(database, wrong[0].as_py(), is_number=is_number))
    if is_number:
        return str(max(cursors.to_pylist(), key=Decimal))
    highest = str(pc.max(cursors).as_py())
    try:
        day = date.fromisoformat(highest[:10])
    except ValueError as error:
        raise PlatformError(_unfit(database, highest, is_number=False)) from error
    if day > (datetime.now(UTC) + timedelta(days=1)).date():
        raise PlatformError(
            f"{database.what}: the cursor {database.cursor} has the value {highest}, which lies in the future, so rows "
            "that change before it would not be seen; correct the row, or name another column"
        )
    return highest


def _unfit(database: Database, value: str, *, is_number: bool) -> str:
    return (
        f"{database.what}: the cursor {database.cursor} has the value {value}, which is no "
        f"{'number' if is_number else 'time that begins with a day such as 2026-01-31'}; correct the row, or name "
        "another column"
    )
