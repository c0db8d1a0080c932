"""The top customers."""

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.ranking import top
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money
from cip_assets.layers.marts.customer_360 import Customer360


class KpiTopCustomers(
    DaySnapshot, grain="one row per rank and snapshot day", key=["rank"], domain="customers"
):
    """Customers with the highest spend. If tied, the smaller id comes first. There is no row if a spend is unknown."""

    rank: T.IntegerType = column(
        "Rank by spend; 1 is the highest", "monetary_value", "customer_id", required=True, ge=1
    )
    customer_id: T.StringType = column("Customer id", required=True)
    monetary_value: Money = column("Total spend", required=True, ge=0, unit="currency")
    frequency: T.LongType = column("Number of orders", required=True, ge=1)
    last_purchase_date: T.DateType = column("Last purchase day", required=True)
    rfm_segment: T.StringType = column("Segment by RFM score", required=True)


@csv_file(order_by=["rank"])
@table(KpiTopCustomers, customer_360=Customer360)
def kpi_top_customers(customer_360: DataFrame, rules: Rules) -> DataFrame:
    buyers = customer_360.where("frequency > 0")
    return top(buyers, "monetary_value", "customer_id", rules.top_n)
