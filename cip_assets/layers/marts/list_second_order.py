"""New customers without a second order whose window closes."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.ranking import placed
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.marts.customer_360 import Customer360


class ListSecondOrder(
    DaySnapshot, grain="one row per listed customer and snapshot day", key=["customer_id"], domain="customers"
):
    """Customers with one purchase day whose time for a second order is nearly over, those who spent most first. If
    tied, the smaller id comes first.
    """

    rank: T.IntegerType = column("Place in the list", "monetary_value", required=True, ge=1)
    customer_id: T.StringType = column("Customer id", required=True)
    days_left: T.IntegerType = column(
        "Days left for a second order to come in time",
        "first_purchase_date",
        required=True,
        unit="days",
        ge=0,
    )
    first_purchase_date: T.DateType = same_as(Customer360, "first_purchase_date", required=True)
    monetary_value: Money = same_as(Customer360, "monetary_value")
    top_category: T.StringType = same_as(Customer360, "top_category")
    expected_orders: Ratio = same_as(Customer360, "expected_orders")
    open_tickets: T.LongType = same_as(Customer360, "open_tickets")
    region: T.StringType = same_as(Customer360, "region")


@csv_file(order_by=["rank"])
@table(ListSecondOrder, customer_360=Customer360)
def list_second_order(customer_360: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    last_day = F.date_add("first_purchase_date", rules.repeat.within_days)
    waiting = (
        customer_360.where("purchase_days = 1")
        .withColumn("days_left", F.datediff(last_day, F.lit(as_of)).cast("int"))
        .where(F.col("days_left").between(0, rules.lists.closing_days))
    )
    order = [F.col("monetary_value").desc_nulls_last(), F.col("customer_id").asc()]
    return placed(waiting, order, rules.lists.rows)
