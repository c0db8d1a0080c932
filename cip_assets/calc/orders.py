"""Orders in ``facts/order_days``. Nearly all have one row there; ``features/split_orders`` has the others."""

from collections.abc import Callable, Sequence

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.calc.hashing import key_hash


def by_order(
    order_days: DataFrame, split_orders: DataFrame, by: Sequence[str], **sums: Callable[[str], Column]
) -> DataFrame:
    """Each order once, or once for each value of the columns that it is counted by.

    Orders with one row are not grouped: to group all takes several times as long as to look up the few others.
    Grain: one row per ``by``, with a column for each of the sums.

    Args:
        order_days: the rows to count.
        split_orders: the orders that have several of these rows; more orders do no harm.
        by: ``order_id``, and the other columns that orders are counted by.
        sums: the aggregate function of each other column. That of a single row must be its value.

    """
    rows = order_days.select(*by, *sums, key_hash("order_id").alias("_hash"))
    split = F.broadcast(split_orders.select(key_hash("order_id").alias("_hash")))
    alone = rows.join(split, "_hash", "left_anti")
    parts = rows.join(split, "_hash", "left_semi")
    added = [add(name).alias(name) for name, add in sums.items()]
    whole = parts.groupBy(*by).agg(*added) if added else parts.select(*by).distinct()
    return alone.select(*by, *sums).union(whole.select(*by, *sums))
