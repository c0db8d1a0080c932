"""The totals of a snapshot."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.exact import mean_money, total_money
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.features.population import Population
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns


class KpiTotals(DaySnapshot, grain="one row per snapshot day", key=[], domain="sales"):
    """Totals that the other tables must add up to."""

    total_customers: T.LongType = column("Number of customers", "population.customer_id", required=True, ge=0)
    buyers: T.LongType = column(
        "Number of buyers, including orphans", "purchases.customer_id", required=True, ge=0
    )
    total_revenue: Money = column(
        "Revenue from all buyers, including orphans", "monetary_value", required=True, unit="currency"
    )
    net_revenue: Money = column(
        "total_revenue - returned_amount", "monetary_value", "returned_amount", required=True, unit="currency"
    )
    returned_amount: Money = column("Total refunded", required=True, unit="currency")
    avg_order_value: Money = column(
        "total_revenue / transactions", "monetary_value", "frequency", unit="currency"
    )
    orphan_revenue: Money = column(
        "Revenue from buyers who are missing from the customers table",
        "monetary_value",
        "is_orphan",
        required=True,
        unit="currency",
    )


@csv_file(order_by=["total_customers"])
@table(KpiTotals, population=Population, purchases=Purchases, returns=CustomerReturns)
def kpi_totals(population: DataFrame, purchases: DataFrame, returns: DataFrame) -> DataFrame:
    bought = purchases.agg(
        F.count("*").alias("buyers"),
        F.coalesce(F.sum("frequency"), F.lit(0)).cast("bigint").alias("transactions"),
        total_money("monetary_value").alias("total_revenue"),
        F.coalesce(F.sum(F.when(F.col("is_orphan"), F.col("monetary_value"))), F.lit(0))
        .cast("decimal(18,2)")
        .alias("orphan_revenue"),
    )
    return (
        population.agg(F.count("*").alias("total_customers"))
        .crossJoin(bought)
        .crossJoin(returns.agg(total_money("returned_amount").alias("returned_amount")))
        .withColumn("net_revenue", (F.col("total_revenue") - F.col("returned_amount")).cast("decimal(18,2)"))
        .withColumn("avg_order_value", mean_money("total_revenue", "transactions"))
    )
