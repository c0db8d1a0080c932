"""The margin of the shop."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import until
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot, Ratio
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.transactions import Transactions

_COSTS = ("quantity", "amount", "products.cost_price")


class ShopMargin(DaySnapshot, grain="one row per snapshot day", key=["lines"], domain="sales"):
    """What the shop keeps of its revenue after the cost of the goods, over all order lines whose cost is known."""

    lines: T.LongType = column("Order lines by the snapshot day", "transaction_id", required=True, ge=0)
    known_share: Ratio = column(
        "Share of the lines whose amount and cost are known; empty without lines", *_COSTS, ge=0, le=1
    )
    margin_share: Ratio = column(
        "1 - cost / amount of these lines; negative if the goods cost more than they brought. Empty if most of the "
        "costs are unknown, or add up to more than a thousand times the amounts",
        *_COSTS,
        le=1,
    )


@table(ShopMargin, transactions=Transactions, products=Products)
def shop_margin(transactions: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    # Added up by product first, so that only as many rows are joined as there are products.
    has_amount = F.col("amount").isNotNull()
    sold = (
        until(transactions, "transaction_date", as_of)
        .groupBy("product_id")
        .agg(
            F.count("*").alias("lines"),
            F.count(F.when(has_amount, 1)).alias("known_lines"),
            F.coalesce(F.sum(F.when(has_amount, F.col("quantity"))), F.lit(0)).cast("bigint").alias("pieces"),
            F.coalesce(F.sum("amount"), F.lit(0)).cast("decimal(38,2)").alias("amount"),
        )
        .join(products.select("product_id", "cost_price"), "product_id", "left")
    )
    has_cost = F.col("cost_price").isNotNull()
    cost = F.col("pieces").cast("decimal(20,0)") * F.col("cost_price").cast("decimal(17,2)")
    (found,) = sold.agg(
        F.sum("lines").alias("lines"),
        F.sum(F.when(has_cost, F.col("known_lines"))).alias("known"),
        F.sum(F.when(has_cost, F.col("amount"))).alias("revenue"),
        F.sum(F.when(has_cost, cost)).cast("decimal(38,2)").alias("cost"),
    ).collect()
    lines, known = int(found["lines"] or 0), int(found["known"] or 0)
    revenue, spent = Decimal(found["revenue"] or 0), Decimal(found["cost"] or 0)
    # A loss of more than a thousand times the revenue is an error of the costs, not a margin.
    is_known = lines > 0 and 2 * known >= lines and revenue > 0 and spent <= 1001 * revenue
    row = (
        lines,
        None if not lines else _share(Decimal(known), Decimal(lines)),
        1 - _share(spent, revenue) if is_known else None,
    )
    types = "lines bigint, known_share decimal(18,6), margin_share decimal(18,6)"
    return transactions.sparkSession.createDataFrame([row], types)


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole).quantize(Decimal("0.000001"), ROUND_HALF_UP)
