"""Money in the reporting currency, and in the currency of its row.

``amount`` is in the reporting currency. If a row could not be converted, it has only an ``original_amount`` in its own
``currency``. ``charged`` and ``refunded`` are in the currency of ``amount``, or of ``original_amount`` without it.
"""

import pyspark.sql.functions as F
from pyspark.sql import Column

MIXED = "mixed"
"""In place of a code: several currencies."""


def is_converted() -> Column:
    """Whether the amount of a row was converted from another currency."""
    return F.coalesce(F.col("amount") != F.col("original_amount"), F.lit(False))


def in_reporting_currency(name: str) -> Column:
    """``charged`` or ``refunded`` of a row; null if the row was not converted."""
    return F.when(F.col("amount").isNotNull() | F.col("original_amount").isNull(), F.col(name))


def in_own_currency(name: str) -> Column:
    """``charged`` or ``refunded`` of a row in the row's currency; null if it is known only converted."""
    # Unknown currencies can be several, unless the amounts are in the reporting currency.
    is_one = F.col("currency").isNotNull() | F.col("amount").isNotNull()
    return F.when(is_one & ~is_converted(), F.col(name))


def amount_in_own_currency() -> Column:
    """The amount of a row in the row's currency. A row without a currency has the reporting currency, or none."""
    has_currency = F.col("currency").isNotNull()
    return F.when(has_currency, F.coalesce("original_amount", "amount")).otherwise(F.col("amount"))
