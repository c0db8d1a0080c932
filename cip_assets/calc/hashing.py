"""The hash of a key."""

import pyspark.sql.functions as F
from pyspark.sql import Column

LOW_32_BITS = 0xFFFFFFFF


def key_hash(*columns: Column | str) -> Column:
    """A 64-bit hash of some columns, nulls included; never null, and not the same on every engine.

    It is made of two 32-bit hashes. Sail's ``xxhash64`` panics where each of its columns has one value, or null, on
    all rows of a Parquet file: Sail reads such columns as constants, and the function then hashes one row of them.
    """
    high = F.hash(*columns).cast("bigint")
    low = F.hash(F.lit(1), *columns).cast("bigint")
    return F.shiftleft(high, 32).bitwiseOR(low.bitwiseAND(F.lit(LOW_32_BITS)))
