"""The customers with the highest spend."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.ranking import top
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.marts.customer_360 import Customer360


class KpiTopCustomers(DaySnapshot, grain="one row per rank and as-of day", key=["rank"], domain="customers"):
    """The customers with the highest spend; ties go to the smaller id."""

    rank: T.IntegerType = column(
        "1 is the highest spend", "monetary_value", "customer_id", required=True, ge=1
    )
    customer_id: T.StringType = column("Customer", required=True)
    monetary_value: Money = column("Sum of the amounts", required=True, ge=0, unit="currency")
    frequency: T.LongType = column("Distinct transactions", required=True, ge=1)
    last_purchase_date: T.DateType = column("Day of the last purchase", required=True)
    rfm_segment: T.StringType = column("Segment by R, F and M", required=True)


@csv_file(order_by=["rank"])
@table(KpiTopCustomers, customer_360=Customer360)
def kpi_top_customers(customer_360: DataFrame, rules: Rules) -> DataFrame:
    buyers = customer_360.where("frequency > 0")
    return top(buyers, "monetary_value", "customer_id", rules.top_n)
