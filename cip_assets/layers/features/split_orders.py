"""The orders that have several facts."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.calc.carried import Before, by_key
from cip_assets.calc.hashing import key_hash
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.facts.order_days import OrderDays


class SplitOrders(
    DaySnapshot,
    grain="one row per order with several rows in order_days and snapshot day",
    key=["order_id"],
    domain="sales",
):
    """Orders whose lines have several days, customers, payment methods or currencies. Only these have to be grouped to
    count orders.
    """

    order_id: T.StringType = column("Order", required=True)
    parts: T.LongType = column("Rows of the order in order_days", "order_id", required=True, ge=2)


@table(SplitOrders, carried=("order_days",), order_days=OrderDays)
def split_orders(order_days: DataFrame, as_of: date, before: Before | None = None) -> DataFrame:
    return by_key(
        before,
        "order_id",
        as_of,
        lambda order_days: _several(until(order_days, "transaction_date", as_of)),
        order_days=(order_days, "transaction_date"),
    )


def _several(order_days: DataFrame) -> DataFrame:
    rows = order_days.select("order_id", key_hash("order_id").alias("_hash"))
    # Hashes are counted first, because they are small and few repeat.
    suspects = rows.groupBy("_hash").count().where("count > 1").select("_hash")
    return (
        rows.join(F.broadcast(suspects), "_hash", "left_semi")
        .groupBy("order_id")
        .agg(F.count("*").alias("parts"))
        .where("parts > 1")
    )
