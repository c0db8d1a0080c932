"""The hash of a key."""

import pyspark.sql.functions as F
from pyspark.sql import Column

LOW_32_BITS = 0xFFFFFFFF


def key_hash(*columns: Column | str) -> Column:
    """A 64-bit hash of some columns. It accepts nulls, is never null, and differs between engines.

    It combines two 32-bit hashes, because Sail's ``xxhash64`` panics if each column has one value, or null, on all rows
    of a Parquet file: Sail reads such columns as constants, and the function then hashes only one row.
    """
    high = F.hash(*columns).cast("bigint")
    low = F.hash(F.lit(1), *columns).cast("bigint")
    return F.shiftleft(high, 32).bitwiseOR(low.bitwiseAND(F.lit(LOW_32_BITS)))
